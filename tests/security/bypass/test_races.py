"""Two at the same moment: one decision, nothing done twice, and the loser is told and written down."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bot.ports import Database
from tests.security.bypass.scene import APPROVE, OPS, OPS_ID, QUICK, TWO, Scene, form, opened
from tests.support.clock import HandClock


def _reject(it: Scene, user: str, question: dict[str, Any]) -> str:
    place = f'{{"at": ["{OPS_ID}", null, "{question["ts"]}"], "metadata": "RUN-1"}}'
    return form(it.submission(user, {"callback_id": "approval.reject", "private_metadata": place}, reason="not now"))


@pytest.mark.parametrize("first", ["approve", "reject"])
async def test_approved_and_rejected(database: Database, clock: HandClock, tmp_path: Path, first: str) -> None:
    """Of an approval and a rejection at the same moment exactly one counts."""
    async with opened(database, clock, tmp_path) as it:
        question = await it.asked()
        bodies = [form(it.click("U0BEN", question, APPROVE)), _reject(it, "U0CLEO", question)]
        await asyncio.gather(*map(it.posts, bodies if first == "approve" else reversed(bodies)))
        actions = [action for _, action in await it.story.audited("RUN-1")]
        assert sum(actions.count(one) for one in ("approval.given", "approval.rejected")) == 1
        assert dict(it.there.counts) == (QUICK if "approval.given" in actions else {})
        loser = "U0CLEO" if "approval.given" in actions else "U0BEN"
        await it.is_audited(loser, because="already")


@pytest.mark.parametrize("first", ["approve", "cancel"])
async def test_approved_and_cancelled(database: Database, clock: HandClock, tmp_path: Path, first: str) -> None:
    """A run that was cancelled before its approval counted does nothing, and nothing is ever done twice."""
    async with opened(database, clock, tmp_path) as it:
        question = await it.asked()
        live = await it.story.live("RUN-1", OPS)
        bodies = [form(it.click("U0BEN", question, APPROVE)), form(it.click("U0ADA", live, "run.cancel"))]
        await asyncio.gather(*map(it.posts, bodies if first == "approve" else reversed(bodies)))
        assert all(count == 1 for count in it.there.counts.values())
        actions = [action for _, action in await it.story.audited("RUN-1")]
        if "approval.given" not in actions:
            assert not it.there.counts
            assert "was cancelled" in await it.words()
            await it.is_audited("U0BEN")


@pytest.mark.parametrize("first", ["approve", "change"])
async def test_approved_and_changed(database: Database, clock: HandClock, tmp_path: Path, first: str) -> None:
    """What runs is what was on the screen of the person who approved it, or nothing."""
    async with opened(database, clock, tmp_path) as it:
        question = await it.asked()
        view = await it.story.opens_by_click("Ada", OPS, await it.story.live("RUN-1", OPS), "runbook.plan")
        sent = {key: view[key] for key in ("callback_id", "private_metadata")}
        change = form(it.submission("U0ADA", sent, host="shop-9", note="slow"))
        bodies = [form(it.click("U0BEN", question, APPROVE)), change]
        await asyncio.gather(*map(it.posts, bodies if first == "approve" else reversed(bodies)))
        assert '{"host":"shop-9"}' not in it.there.bodies
        if it.there.counts:
            await it.is_audited("U0ADA", because="its parameters stand")
        else:
            await it.is_audited("U0BEN")


async def test_one_person_twenty_times(database: Database, clock: HandClock, tmp_path: Path) -> None:
    """Twenty clicks of one person at once are one vote of two."""
    async with opened(database, clock, tmp_path, runbooks={"restart": TWO}) as it:
        question = await it.asked()
        bodies = [form(it.click("U0BEN", question, APPROVE)) for _ in range(20)]
        await asyncio.gather(*map(it.posts, bodies))
        await it.is_refused("U0BEN", because="approved this already", times=19)


async def test_both_of_two_at_once(database: Database, clock: HandClock, tmp_path: Path) -> None:
    """Two votes at the same moment make a quorum of two, once, and the requester's makes none."""
    async with opened(database, clock, tmp_path, runbooks={"restart": TWO}) as it:
        question = await it.asked()
        await asyncio.gather(*(it.posts(form(it.click(user, question, APPROVE))) for user in ("U0ADA", "U0BEN")))
        await it.is_refused("U0ADA")
        await asyncio.gather(*(it.posts(form(it.click(user, question, APPROVE))) for user in ("U0ADA", "U0CLEO")))
        assert dict(it.there.counts) == QUICK
