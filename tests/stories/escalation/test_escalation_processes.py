"""Escalation policies in a real `tocsin serve` that is killed between two steps, on a clock that runs fast."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.escalation_processes import tower
from tests.support.story import shown, tidy

pytestmark = pytest.mark.timeout(300)  # processes start, beside whatever else the machine does

SPEED = 300  # a quarter of an hour in three seconds


@pytest.mark.long
async def test_killed_between_two_steps(database_url: str, tmp_path: Path) -> None:
    """SIGKILL between T+0 and T+15: when it runs again every step goes out once, and no promise is missed."""
    steps = ((0, "email:ops"), (15, "page:oncall"), (30, "email:ops"))
    async with tower(database_url, tmp_path, SPEED, *steps) as escalating:
        await escalating.fires("APIDown")
        await escalating.until(1, seconds=60)
        await escalating.house.down()
        await escalating.has_patience()
        assert set(escalating.heard().first) == {("ALR-1", 0)}
        escalating.house.back()
        await escalating.until(3, seconds=120)
        await escalating.house.quiet()
        heard = escalating.heard()
        assert heard.times == {("ALR-1", 0): 1, ("ALR-1", 15): 1, ("ALR-1", 30): 1}
        assert await escalating.commitments() == {"met": 3}


async def test_killed_while_a_page_is_under_way(database_url: str, tmp_path: Path) -> None:
    """SIGKILL when PagerDuty has the page and has not answered: it is said again under the same key, which wakes nobody
    twice, what was promised is kept, and the card says what comes next.
    """
    async with tower(database_url, tmp_path, SPEED, (15, "page:oncall"), (24 * 60, "email:ops")) as escalating:
        serve = escalating.house.children["serve"]

        async def dies() -> None:
            serve.allowed.clear()
            serve.kill()
            await serve.is_gone.wait()

        escalating.pager.meanwhile = dies
        await escalating.fires("APIDown")
        await escalating.until(1, seconds=60)
        await serve.is_gone.wait()
        assert await escalating.commitments() == {"open": 2}
        await escalating.has_patience()
        escalating.house.back()
        await escalating.house.quiet()
        keys = [event["dedup_key"] for event in escalating.pager.events]
        assert len(keys) == 2
        assert len(set(keys)) == len(escalating.pager.incidents) == 1
        assert await escalating.commitments() == {"met": 1, "open": 1}
        (card,) = [one for one in map(shown, await escalating.house.messages("ops-alerts")) if "*ALR-1 APIDown*" in one]
        assert "e-mail ops, unless acknowledged." in tidy(card)
        await escalating.house.types("Ben", "/incident ack ALR-1", "general")
        await escalating.house.quiet()
        assert [one["status"] for one in escalating.pager.incidents.values()] == ["acknowledged"]
        assert await escalating.commitments() == {"met": 1, "cancelled": 1}
