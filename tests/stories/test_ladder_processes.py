"""Ladders in a real `tocsin serve` that is killed between two steps, on a clock that runs fast."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.ladder_processes import tower

pytestmark = pytest.mark.timeout(300)  # processes start, beside whatever else the machine does

SPEED = 300  # a quarter of an hour in three seconds


async def test_killed_between_two_steps(database_url: str, tmp_path: Path) -> None:
    """SIGKILL between T+0 and T+15: when it runs again every step goes out once, and no promise is missed."""
    steps = ((0, "email:ops"), (15, "page:oncall"), (30, "email:ops"))
    async with tower(database_url, tmp_path, SPEED, *steps) as climbing:
        await climbing.fires("APIDown")
        await climbing.until(1, seconds=60)
        await climbing.house.down()
        assert set(climbing.heard().first) == {("ALR-1", 0)}
        climbing.house.back()
        await climbing.until(3, seconds=120)
        await climbing.house.quiet()
        heard = climbing.heard()
        assert heard.times == {("ALR-1", 0): 1, ("ALR-1", 15): 1, ("ALR-1", 30): 1}
        assert await climbing.promises() == {"kept": 3}
