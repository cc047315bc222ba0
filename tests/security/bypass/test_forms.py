"""Forms sent off with something in them that the form did not allow."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.views.runbook import PICK
from tests.security.bypass.conftest import Opener
from tests.security.bypass.scene import APPROVE, OPS, OPS_ID, QUICK, Scene
from tests.support.runbooks import RESTART

FOR_DAN = RESTART.replace("policy:\n", "policy:\n  execute: [U0DAN]\n").replace("/restart", "/wipe")
WITH_KEY = RESTART.replace(
    "  - {name: note, default: slow}\n",
    "  - {name: note, default: slow}\n  - {name: key, type: secret, from: env:KEY}\n",
)


def _view(callback: str, carried: str, ts: str = "") -> dict[str, Any]:
    """A form that was opened here, if one believes it."""
    place = json.dumps({"at": [OPS_ID, None, ts or None], "metadata": carried})
    return {"callback_id": callback, "private_metadata": place, "blocks": []}


def _run_form(runbook: str = "restart", run: str = "") -> dict[str, Any]:
    return _view("runbook.run", json.dumps({"runbook": runbook, "run": run}))


async def test_the_form_of_another_runbook(opens: Opener) -> None:
    """A form opened for one runbook and sent off for another is asked whether that one may be run."""
    async with opens(runbooks={"restart": RESTART, "wipe": FOR_DAN}) as it:
        await it.submits("U0ADA", _run_form("wipe"))
        await it.submits("U0ADA", _run_form("restart"), **{PICK: "wipe"})
        assert not it.there.counts
        await it.is_audited("U0ADA", "wipe", because="You may not run wipe", times=2)
        assert await it.story.by_the_bot(OPS) == []


@pytest.mark.parametrize(
    "carried", ["", "null", "[]", "{}", '{"runbook": 1}', '{"runbook": ["restart"], "run": {}}', "RUN-1", "{" * 500]
)
async def test_a_form_that_carries_nonsense(it: Scene, carried: str) -> None:
    """What a form carries is read as it was written, or not at all."""
    await it.submits("U0ADA", _view("runbook.run", carried), host="shop-2")
    assert not it.there.counts
    assert await it.story.by_the_bot(OPS) == []


async def test_fields_that_the_form_does_not_have(it: Scene) -> None:
    """A field that no parameter belongs to reaches nothing: not the gate, not the requester, not the steps."""
    hidden = {"requested_by": "U0BEN", "source": "automation", "status": "running", "approval": "none", "steps": "[]"}
    await it.submits("U0ADA", _run_form(), host="shop-2", **hidden)
    assert not it.there.counts
    assert [who for who, action in await it.story.audited("RUN-1") if action == "run.requested"] in ([], ["U0ADA"])
    if await it.story.by_the_bot(OPS):
        await it.story.clicks("Ada", OPS, await it.question(), APPROVE)
        await it.is_refused("U0ADA")


async def test_a_secret_that_is_typed(opens: Opener) -> None:
    """A secret comes from where the file says, and no field replaces it."""
    async with opens(runbooks={"restart": WITH_KEY}) as it:
        await it.submits("U0ADA", _run_form(), host="shop-2", key="hunter2-hunter2")
        assert not it.there.counts
        assert "hunter2" not in str(await it.story.messages(OPS))


@pytest.mark.parametrize("host", ["shop 1", "SHOP", "shop-1\n", "a/../b", "shop-1 ", "ѕhop", "a" * 501, "$(id)", "@"])
async def test_a_value_that_breaks_its_pattern(it: Scene, host: str) -> None:
    """The rule of a parameter is asked of what arrives, not of what the form would have let through."""
    await it.submits("U0ADA", _run_form(), host=host)
    assert not it.there.counts
    assert await it.story.by_the_bot(OPS) == []


async def test_changing_somebody_elses_run(it: Scene) -> None:
    """Who may not run it does not change its parameters either, and its question stays as it was."""
    question = await it.asked()
    await it.submits("U0DAN", _run_form(run="RUN-1"), host="shop-2")
    await it.is_refused("U0DAN")
    await it.story.clicks("Ben", OPS, question, APPROVE)
    assert '{"host":"shop-1"}' in it.there.bodies


async def test_changing_it_after_the_approval(it: Scene) -> None:
    """What was approved is no longer changed, with a form that was opened before."""
    await it.asked()
    view = await it.story.opens_by_click("Ada", OPS, await it.story.live("RUN-1", OPS), "runbook.plan")
    await it.approved()
    await it.story.submits("Ada", view, host="shop-9", note="slow")
    assert dict(it.there.counts) == QUICK
    assert '{"host":"shop-9"}' not in it.there.bodies
    await it.is_audited("U0ADA", because="its parameters stand")


async def test_changing_it_between_two_votes_and_back(opens: Opener) -> None:
    """Parameters that were changed and changed back are asked about again: the first vote was for another question."""
    async with opens(runbooks={"restart": RESTART.replace("quorum: 1", "quorum: 2")}) as it:
        first = await it.asked()
        await it.story.clicks("Ben", OPS, first, APPROVE)
        for host in ("shop-9", "shop-1"):
            view = await it.story.opens_by_click("Ada", OPS, await it.story.live("RUN-1", OPS), "runbook.plan")
            await it.story.submits("Ada", view, host=host, note="slow")
        await it.clicks("U0CLEO", first, APPROVE, value="RUN-1")
        await it.is_refused("U0CLEO", because="not the question about RUN-1")
        await it.story.clicks("Cleo", OPS, await it.question(), APPROVE)
        assert not it.there.counts


@pytest.mark.parametrize("callback", ["approval.reject", "approval.break"])
async def test_a_form_about_another_run(it: Scene, callback: str) -> None:
    """A form opened from one run's question decides nothing about another's."""
    first = await it.asked()
    await it.asked("restart host=shop-2", run="RUN-2")
    await it.submits("U0BEN", _view(callback, "RUN-2", first["ts"]), reason="because")
    await it.submits("U0BEN", _view(callback, "RUN-2"), reason="because")
    await it.submits("U0BEN", _view(callback, "RUN-2:@run", first["ts"]), reason="because")
    assert not it.there.counts
    await it.is_audited("U0BEN", "RUN-2", because="not the question about RUN-2", times=2)
    assert len(await it.refusals("U0BEN")) == 3
    assert "waits for approval" in await it.words("RUN-2")


async def test_a_button_with_more_in_it(opens: Opener) -> None:
    """A Run button whose value names what nobody may see of it opens a form at most, and starts nothing."""
    async with opens(runbooks={"restart": RESTART, "wipe": FOR_DAN}) as it:
        await it.asked()
        live = await it.story.live("RUN-1", OPS)
        await it.clicks("U0ADA", live, "runbook.run", value="wipe host=shop-1 reason=now")
        await it.clicks("U0DAN", live, "runbook.plan", value="RUN-1")
        await it.is_audited("U0ADA", "wipe", because="You may not run wipe")
        await it.is_refused("U0DAN")
