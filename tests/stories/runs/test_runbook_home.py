"""Runbooks where people look anyway: suggested in an incident, and waiting on the Home tab."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.ports import Database
from tests.stories.runs.test_runbook_verbs import LOOK, answer
from tests.support.clock import HandClock
from tests.support.runbooks import RESTART, Target, opened_shop
from tests.support.story import Story, buttons, shown, tidy

OPS = "ops-alerts"


@pytest.fixture
async def shop(sqlite_database: Database, clock: HandClock, tmp_path: Path) -> AsyncIterator[tuple[Story, Target]]:
    async with opened_shop(sqlite_database, clock, tmp_path, restart=RESTART, look=LOOK, calm=LOOK) as opened:
        yield opened


async def test_suggested_in_an_incident(shop: tuple[Story, Target]) -> None:
    """The runbooks of its service stand there, the one that fixed most first; Run opens the form in that channel."""
    story, _ = shop
    await story.types("Ada", "/runbook run look", OPS)
    await story.fast_forward(minutes=4)
    room = await story.declared("P1 the shop is slow")
    found = await answer(story, "/incident runbook", channel=room)
    text = shown(found)
    assert "Runbooks that may help with INC-1:" in text
    assert "*Look at the shop* `look`\nfixed this 1 of 1 time, median 4 min" in text
    assert "*Restart the shop* `restart`\nnot run to its end yet" in text
    values = [block["accessory"]["value"] for block in found["blocks"] if "accessory" in block]
    assert values == ["look", "calm", "restart"]

    whisper = next(one for one in await story.messages(room) if one.get("ephemeral"))
    opened = await story.clicks("Ada", room, whisper, "runbook.run", value="restart")
    await story.submits("Ada", opened["views"][-1], reason="it is slow")
    live = shown(await story.live("RUN-2", room))
    assert "for INC-1" in live
    assert "asked for RUN-2 (restart)" in await story.reads("Ada", "/incident timeline", room)


async def test_suggested_from_elsewhere(shop: tuple[Story, Target]) -> None:
    """Named from another channel they are listed without buttons, since a run from there would not belong to it."""
    story, _ = shop
    await story.declared("the shop is slow")
    found = await answer(story, "/incident runbook INC-1", channel="general")
    assert "`restart`" in shown(found)
    assert "ask again where people work on INC-1" in shown(found)
    assert not [block for block in found["blocks"] if "accessory" in block]


async def test_no_runbooks_to_suggest(sqlite_database: Database, clock: HandClock, tmp_path: Path) -> None:
    """A service without runbooks says so."""
    async with opened_shop(sqlite_database, clock, tmp_path) as (story, _):
        room = await story.declared("the shop is slow")
        assert "Shop has no runbooks yet." in await story.types("Ada", "/incident runbook", room)


async def test_what_waits_for_my_approval(shop: tuple[Story, Target]) -> None:
    """Home shows what, who asked, until when, and the way to the thread; not to the asker, and not once decided."""
    story, _ = shop
    await story.types("Ada", '/runbook run restart reason="it is slow"', OPS)
    question = await story.asked("RUN-1", "approval.approve")
    text = tidy(shown(await story.home("Ben")))
    assert "*Waiting for your approval*" in text
    assert "*RUN-1* Restart the shop, asked for by <@U0ADA>. Reason: it is slow\nDecide by 09:30 UTC in <http" in text
    assert f"/p{question['ts'].replace('.', '')}|its thread>" in text
    assert "approval" not in str(buttons(await story.home("Ben")))
    assert "Nothing waits for you." in shown(await story.home("Ada"))
    assert "Nothing waits for you." in shown(await story.home("Dan"))
    await story.clicks("Cleo", OPS, question, "approval.approve")
    assert "Nothing waits for you." in shown(await story.home("Ben"))


async def test_what_waits_for_my_answer(shop: tuple[Story, Target]) -> None:
    """A run of mine whose step is unknown is on my Home until somebody says what happened."""
    story, there = shop
    there.cut.add("/restart")
    await story.types("Ada", "/runbook run restart", OPS)
    await story.clicks("Ben", OPS, await story.asked("RUN-1", "approval.approve"), "approval.approve")
    text = shown(await story.home("Ada"))
    assert "*Your runs that wait for you*\n*RUN-1* Restart the shop: " in text
    assert "Answer in <http" in text
    assert "Nothing waits for you." in shown(await story.home("Ben"))
    await story.clicks("Ada", OPS, await story.asked("RUN-1", "step.happened"), "step.happened")
    assert "Nothing waits for you." in shown(await story.home("Ada"))


async def test_broken_glass_to_review(sqlite_database: Database, clock: HandClock, tmp_path: Path) -> None:
    """Broken glass waits on Home of those who may review it, not of the person who broke it."""
    glass = RESTART.replace("expires: 30m", "expires: 30m, break_glass: [U0BEN]")
    async with opened_shop(sqlite_database, clock, tmp_path, restart=glass) as (story, _):
        await story.types("Ada", "/runbook run restart", OPS)
        question = await story.asked("RUN-1", "approval.break")
        view = await story.opens_by_click("Ben", OPS, question, "approval.break")
        await story.submits("Ben", view, reason="nobody is awake")
        assert "<@U0BEN> broke the glass. Review it in <http" in shown(await story.home("Cleo"))
        for user in ("Ada", "Ben", "Dan"):
            assert "Nothing waits for you." in shown(await story.home(user))
