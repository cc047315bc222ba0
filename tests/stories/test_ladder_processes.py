"""Ladders in a real `tocsin serve` that is killed between two steps, on a clock that runs fast."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.ladder_processes import tower
from tests.support.story import shown, tidy

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


async def test_killed_while_a_page_is_under_way(database_url: str, tmp_path: Path) -> None:
    """SIGKILL when PagerDuty has the page and has not answered: it is said again under the same key, which wakes nobody
    twice, what was promised is kept, and the card says what comes next.
    """
    async with tower(database_url, tmp_path, SPEED, (15, "page:oncall"), (24 * 60, "email:ops")) as climbing:
        serve = climbing.house.children["serve"]

        async def dies() -> None:
            serve.allowed.clear()
            serve.kill()
            await serve.is_gone.wait()

        climbing.pager.meanwhile = dies
        await climbing.fires("APIDown")
        await climbing.until(1, seconds=60)
        await serve.is_gone.wait()
        assert await climbing.promises() == {"open": 2}
        climbing.house.back()
        await climbing.house.quiet()
        keys = [event["dedup_key"] for event in climbing.pager.events]
        assert len(keys) == 2
        assert len(set(keys)) == len(climbing.pager.incidents) == 1
        assert await climbing.promises() == {"kept": 1, "open": 1}
        (card,) = [one for one in map(shown, await climbing.house.messages("ops-alerts")) if "*ALR-1 APIDown*" in one]
        assert "e-mail ops, unless acknowledged." in tidy(card)
        await climbing.house.types("Ben", "/incident ack ALR-1", "general")
        await climbing.house.quiet()
        assert [one["status"] for one in climbing.pager.incidents.values()] == ["acknowledged"]
        assert await climbing.promises() == {"kept": 1, "released": 1}
