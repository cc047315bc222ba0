"""Who approves, rejects and breaks the glass: only somebody on the list, at that moment, as a full member."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.domain.catalogue.catalogue import Catalogue
from bot.services.workspace import people
from tests.security.bypass.conftest import Opener
from tests.security.bypass.scene import APPROVE, OPS, QUICK, TWO, Scene, form
from tests.support.clock import START, HandClock
from tests.support.pagerduty import PagerDutyStandIn, pager, shift, trusted
from tests.support.runbooks import ORG, RESTART, SERVICE
from tests.support.story import shown

OF_GROUP = RESTART.replace("team:sre", "S0SRE")
OF_ALL = RESTART.replace("team:sre", "everyone")
GLASS = RESTART.replace("expires: 30m", "expires: 30m, break_glass: [U0ADA, U0CLEO]")
NOT_NAMED = "not among those"

# Ben until 09:10, then Cleo for an hour.
SHIFTS = f"""{SERVICE}
oncall: {{primary: {{rotation: {{people: [U0BEN, U0CLEO], every: 1h, start: 2026-11-20T08:10:00+00:00}}}}}}
"""
THERE = f"{SERVICE}\noncall: {{primary: {{pagerduty_schedule: PABC123}}}}\n"
ON_CALL = RESTART.replace("team:sre", "oncall")
BY_HAND = """
title: Look at the shop
service: shop
policy: {approval: none}
steps:
  - {id: looked, manual: {text: Look at the shop, who: [oncall]}}
  - {id: told, message: {to: "dm:oncall", text: Somebody looked}}
"""


async def test_somebody_who_is_not_named(it: Scene) -> None:
    """A full member who is not on the list does not approve."""
    await it.story.clicks("Dan", OPS, await it.asked(), APPROVE)
    await it.is_refused("U0DAN", because=NOT_NAMED)


async def test_removed_from_the_group(opens: Opener) -> None:
    """Who was removed from the user group more than a minute ago does not approve."""
    async with opens(runbooks={"restart": OF_GROUP}) as it:
        question = await it.asked()
        await it.story.clicks("Dan", OPS, question, APPROVE)
        await it.is_refused("U0DAN", because=NOT_NAMED)
        it.story.group("S0SRE", "U0ADA", "U0CLEO")
        it.story.clock.advance(61)
        await it.story.clicks("Ben", OPS, question, APPROVE)
        await it.is_refused("U0BEN", because=NOT_NAMED)


async def test_slack_does_not_tell_who_is_in_the_group(opens: Opener) -> None:
    """What was known of a group more than a minute ago is not good enough, even where Slack does not answer."""
    async with opens(runbooks={"restart": OF_GROUP}) as it:
        question = await it.asked()
        await it.story.clicks("Dan", OPS, question, APPROVE)
        it.story.clock.advance(61)
        await it.story.fault("error", method="usergroups.users.list", error="fatal_error", times=5)
        await it.story.clicks("Ben", OPS, question, APPROVE)
        await it.is_refused("U0BEN", because="Slack did not tell me who is in")


@pytest.mark.parametrize("user", ["U0GUS", "U0EVE", "U0SIA", "U0TOCSIN"])
async def test_no_full_member(opens: Opener, user: str) -> None:
    """A guest, a deactivated account, somebody of another workspace and a bot are never among everyone."""
    async with opens(runbooks={"restart": OF_ALL}) as it:
        question = await it.asked()
        await it.clicks(user, question, APPROVE)
        await it.clicks(user, question, "approval.reject")
        await it.is_refused(user, times=2)


async def test_named_and_deactivated_since(it: Scene) -> None:
    """A name on the list is worth nothing once its account is deactivated."""
    question = await it.asked()
    await it.story.does("users", id="U0BEN", kind="deactivated")
    await it.story.settle()
    await it.clicks("U0BEN", question, APPROVE)
    await it.is_refused("U0BEN", because="deactivated")


async def test_voted_and_deactivated_since(opens: Opener) -> None:
    """A vote of somebody who has been deactivated since does not make up the quorum."""
    async with opens(runbooks={"restart": TWO}) as it:
        question = await it.asked()
        await it.story.clicks("Ben", OPS, question, APPROVE)
        await it.story.does("users", id="U0BEN", kind="deactivated")
        await it.story.settle()
        await it.story.clicks("Cleo", OPS, question, APPROVE)
        assert not it.there.counts
        assert "waits for approval" in await it.words()


async def test_somebody_that_slack_does_not_know(it: Scene) -> None:
    """A person's id that nobody has approves nothing, and the attempt is written down under it."""
    payload = it.click("U0BEN", await it.asked(), APPROVE)
    payload["user"]["id"] = "U0NOBODY"
    await it.posts(form(payload))
    await it.is_refused("U0NOBODY")


async def test_rejected_by_an_outsider(it: Scene) -> None:
    """Who may not approve may not reject either, if it is not their own run."""
    question = await it.asked()
    view = await it.story.opens_by_click("Dan", OPS, question, "approval.reject")
    await it.story.submits("Dan", view, reason="no")
    await it.is_refused("U0DAN", because=NOT_NAMED)


async def test_rejected_without_a_reason(it: Scene) -> None:
    """A rejection says why, also where the form was got round."""
    question = await it.asked()
    view = await it.story.opens_by_click("Ben", OPS, question, "approval.reject")
    await it.submits("U0BEN", {key: view[key] for key in ("callback_id", "private_metadata", "blocks")}, reason=" ")
    await it.is_refused("U0BEN", because="Say why")


# --- breaking the glass -----------------------------------------------------------------------------------------------


async def test_glass_that_is_not_there(it: Scene) -> None:
    """Where the runbook names nobody, there is no glass to break, and a forged button makes none."""
    question = await it.asked()
    await it.clicks("U0CLEO", question, "approval.break", value="RUN-1")
    view = it.story.simulator.workspace.stacks["U0CLEO"][-1].content
    await it.submits("U0CLEO", {key: view[key] for key in ("callback_id", "private_metadata", "blocks")}, reason="now")
    await it.is_refused("U0CLEO", because="has no break-glass")


async def test_glass_by_somebody_not_named(opens: Opener) -> None:
    """Somebody who may approve but is not named does not break the glass, nor does an administrator."""
    async with opens(runbooks={"restart": GLASS}) as it:
        question = await it.asked()
        for user in ("Ben", "Dan"):
            view = await it.story.opens_by_click(user, OPS, question, "approval.break")
            await it.story.submits(user, view, reason="now")
            await it.is_refused(f"U0{user.upper()}", because="may break the glass")


@pytest.mark.parametrize("reason", ["", "   ", "\n\t", "\u200b", "\u2060\u00ad"])
async def test_glass_without_a_reason(opens: Opener, reason: str) -> None:
    """Who breaks the glass says why, in something that can be seen."""
    async with opens(runbooks={"restart": GLASS}) as it:
        question = await it.asked()
        view = await it.story.opens_by_click("Ada", OPS, question, "approval.break")
        sent = {key: view[key] for key in ("callback_id", "private_metadata", "blocks")}
        await it.submits("U0ADA", sent, reason=reason)
        await it.is_refused("U0ADA", because="Say why")


async def test_the_review_of_ones_own_broken_glass(opens: Opener) -> None:
    """Neither who broke the glass nor who asked for the run reviews it, nor anybody from another message."""
    async with opens(runbooks={"restart": GLASS}) as it:
        question = await it.asked()
        view = await it.story.opens_by_click("Cleo", OPS, question, "approval.break")
        await it.story.submits("Cleo", view, reason="nobody is awake")
        assert dict(it.there.counts) == QUICK
        for user in ("U0ADA", "U0CLEO", "U0DAN"):
            await it.clicks(user, question, "approval.review", value="RUN-1")
            await it.is_audited(user)
        await it.clicks("U0BEN", question, "approval.review", value="RUN-1", ts="1.1")
        await it.is_audited("U0BEN", because="not the question about RUN-1")
        assert "It is still to be reviewed" in str(await it.question("RUN-1", "approval.review"))


async def test_broken_twice(opens: Opener) -> None:
    """Glass that is broken is not broken again, and nothing is done twice."""
    async with opens(runbooks={"restart": GLASS}) as it:
        question = await it.asked()
        views = [await it.story.opens_by_click(user, OPS, question, "approval.break") for user in ("Ada", "Cleo")]
        for user, view in zip(("Ada", "Cleo"), views, strict=True):
            await it.story.submits(user, view, reason="nobody is awake")
        assert dict(it.there.counts) == QUICK
        await it.is_audited("U0CLEO", because="already approved this.")


async def test_nobody_may_approve(opens: Opener) -> None:
    """Where nobody may approve, nobody may ask either: a run would wait for a way round."""
    plain = RESTART.replace("policy:\n  approval: {who: [team:sre], quorum: 1, expires: 30m}\n", "")
    async with opens(org=ORG.replace("approve: [team:sre]", "approve: []"), runbooks={"restart": plain}) as it:
        await it.story.types("Ada", "/runbook run restart", OPS)
        assert not it.there.counts
        await it.is_audited("U0ADA", "restart", because="Nobody may approve runs yet")


# --- the person on call -----------------------------------------------------------------------------------------------


async def test_whose_shift_is_over(opens: Opener) -> None:
    """Who was on call when it was asked, and is not when they click, does not approve; who is on call then does."""
    async with opens(service=SHIFTS, runbooks={"restart": ON_CALL}) as it:
        question = await it.asked()
        assert "It needs one approval of the person on call (now <@U0BEN>) by" in shown(question)
        await it.story.clicks("Cleo", OPS, question, APPROVE)
        await it.is_refused("U0CLEO", because="You are not among those who may approve this: the person on call.")
        it.story.clock.advance(minutes=11)
        await it.story.clicks("Ben", OPS, question, APPROVE)
        await it.is_refused("U0BEN", because="You are not among those who may approve this: the person on call.")
        await it.story.clicks("Cleo", OPS, question, APPROVE)
        assert dict(it.there.counts) == QUICK


async def test_a_vote_whose_shift_is_over(opens: Opener) -> None:
    """A vote given on call does not make up the quorum once the shift is over."""
    two = ON_CALL.replace("quorum: 1", "quorum: 2")
    async with opens(service=SHIFTS, runbooks={"restart": two}) as it:
        question = await it.asked()
        await it.story.clicks("Ben", OPS, question, APPROVE)
        it.story.clock.advance(minutes=11)
        await it.story.clicks("Cleo", OPS, question, APPROVE)
        assert not it.there.counts
        assert "waits for approval" in await it.words()


async def test_taken_over_and_given_back(opens: Opener) -> None:
    """Whom the files put on call approves as long as they have taken it over; whom they relieved does not meanwhile."""
    async with opens(service=SHIFTS, runbooks={"restart": ON_CALL}) as it:
        question = await it.asked()
        await it.story.types("Cleo", "/incident oncall take 1h", OPS)
        await it.story.clicks("Ben", OPS, question, APPROVE)
        await it.is_refused("U0BEN", because=NOT_NAMED)
        await it.story.types("Cleo", "/incident oncall end", OPS)
        await it.story.clicks("Cleo", OPS, question, APPROVE)
        await it.is_refused("U0CLEO", because=NOT_NAMED)
        await it.story.clicks("Ben", OPS, question, APPROVE)
        assert dict(it.there.counts) == QUICK


@pytest.mark.parametrize("way", ["take 1h", "give <@U0DAN> 1h"])
async def test_on_call_is_taken_to_approve(opens: Opener, way: str) -> None:
    """Whom the files neither put on call nor let approve is paged after taking it over, and approves nothing."""
    async with opens(service=SHIFTS, runbooks={"restart": ON_CALL}) as it:
        question = await it.asked()
        await it.story.types("Dan" if way.startswith("take") else "Ada", f"/incident oncall {way}", OPS)
        assert "<@U0DAN>" in await it.story.types("Ada", "/incident oncall", OPS)
        await it.story.clicks("Dan", OPS, question, APPROVE)
        await it.is_refused("U0DAN", because=NOT_NAMED)
        await it.story.clicks("Ben", OPS, question, APPROVE)
        assert dict(it.there.counts) == QUICK


async def test_ones_own_run_on_call(opens: Opener) -> None:
    """Four eyes stay: who asked does not approve by being on call, nor by taking it."""
    async with opens(service=SHIFTS, runbooks={"restart": ON_CALL}) as it:
        question = await it.asked()
        await it.story.types("Ada", "/incident oncall take 1h", OPS)
        await it.story.clicks("Ada", OPS, question, APPROVE)
        await it.is_refused("U0ADA", because="somebody else must approve it")


async def test_a_guest_is_given_on_call(opens: Opener) -> None:
    """A guest is never on call, so none approves that way."""
    async with opens(service=SHIFTS, runbooks={"restart": ON_CALL}) as it:
        question = await it.asked()
        await it.story.types("Ben", "/incident oncall give <@U0GUS> 1h", OPS)
        await it.clicks("U0GUS", question, APPROVE)
        await it.is_refused("U0GUS")


async def test_on_call_in_org_is_that_of_the_runbooks_service(opens: Opener) -> None:
    """`access.approve: [oncall]` means who is on call for the runbook's own service."""
    plain = RESTART.replace("policy:\n  approval: {who: [team:sre], quorum: 1, expires: 30m}\n", "")
    org = ORG.replace("approve: [team:sre]", "approve: [oncall]")
    async with opens(org=org, service=SHIFTS, runbooks={"restart": plain}) as it:
        question = await it.asked()
        await it.story.clicks("Cleo", OPS, question, APPROVE)
        await it.is_refused("U0CLEO", because=NOT_NAMED)
        await it.story.clicks("Ben", OPS, question, APPROVE)
        assert dict(it.there.counts) == QUICK


async def test_who_may_run_by_being_on_call(opens: Opener) -> None:
    """`policy.execute: [oncall]` lets nobody ask who is not on call at that moment."""
    mine = RESTART.replace("policy:\n", "policy:\n  execute: [oncall]\n")
    async with opens(service=SHIFTS, runbooks={"restart": mine}) as it:
        await it.story.types("Cleo", "/runbook run restart", OPS)
        await it.is_audited("U0CLEO", "restart", because="its policy names the person on call")
        await it.asked(user="Ben")
        assert "waits for approval" in await it.words()


async def test_a_step_for_whoever_is_on_call(opens: Opener) -> None:
    """A manual step for `oncall` is done by nobody whose shift is over; a message to `dm:oncall` reaches who has it."""
    async with opens(service=SHIFTS, runbooks={"restart": BY_HAND}) as it:
        await it.story.types("Ada", "/runbook run restart", OPS)
        question = await it.question(action="step.done")
        assert "step looked is yours*, the person on call (now <@U0BEN>)." in shown(question)
        it.story.clock.advance(minutes=11)
        await it.story.clicks("Ben", OPS, question, "step.done")
        await it.is_audited("U0BEN", because="This step is for the person on call.")
        await it.story.clicks("Cleo", OPS, question, "step.done")
        assert any("Somebody looked" in text for text in await it.story.direct("U0CLEO"))
        assert await it.story.direct("U0BEN") == []


async def test_nobody_could_ever_approve(opens: Opener) -> None:
    """Where only who is on call may approve and the service has no on-call, nobody may ask."""
    plain = RESTART.replace("policy:\n  approval: {who: [team:sre], quorum: 1, expires: 30m}\n", "")
    org = ORG.replace("approve: [team:sre]", "approve: [oncall]")
    async with opens(org=org, service=SHIFTS, runbooks={"restart": plain}) as it:
        it.story.deps.current_catalogue.current = _without_on_call(it.story.deps.catalogue)
        await it.story.types("Ada", "/runbook run restart", OPS)
        await it.is_audited("U0ADA", "restart", because="Only the person on call may approve it")


def _without_on_call(catalogue: Catalogue) -> Catalogue:
    services = {key: replace(service, oncall={}) for key, service in catalogue.services.items()}
    return replace(catalogue, services=services)


@pytest.fixture
async def stand_in(
    clock: HandClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[PagerDutyStandIn]:
    """A PagerDuty where Ben is on call for half a minute more, and Cleo after that."""
    soon, later = START + timedelta(seconds=30), START + timedelta(hours=1)
    async with PagerDutyStandIn().serving(trusted(tmp_path, monkeypatch)) as made:
        made.clock = clock
        made.schedules["PABC123"] = [shift("ben", START - timedelta(hours=1), soon), shift("cleo", soon, later)]
        yield made


async def test_whose_shift_at_pagerduty_is_over(opens: Opener, stand_in: PagerDutyStandIn) -> None:
    """An answer of PagerDuty's of half a minute ago is not good enough where a shift in it has ended since."""
    there = pager(stand_in)
    async with opens(service=THERE, config={"parts": {"pager": there}}, runbooks={"restart": ON_CALL}) as it:
        await people.prefill(it.story.deps)
        question = await it.asked()
        await it.story.clicks("Cleo", OPS, question, APPROVE)
        await it.is_refused("U0CLEO", because=NOT_NAMED)
        it.story.clock.advance(31)
        await it.story.clicks("Ben", OPS, question, APPROVE)
        await it.is_refused("U0BEN", because=NOT_NAMED)
        await it.story.clicks("Cleo", OPS, question, APPROVE)
        assert dict(it.there.counts) == QUICK
    there.close()


async def test_pagerduty_does_not_tell_who_is_on_call(opens: Opener, stand_in: PagerDutyStandIn) -> None:
    """What PagerDuty said more than a minute ago is not good enough; who is named otherwise approves all the same."""
    there, named = pager(stand_in), RESTART.replace("team:sre", "oncall, U0DAN")
    async with opens(service=THERE, config={"parts": {"pager": there}}, runbooks={"restart": named}) as it:
        await people.prefill(it.story.deps)
        question = await it.asked()
        await it.story.reads("Ada", "/incident oncall", OPS)
        stand_in.goes_away()
        it.story.clock.advance(61)
        await it.story.clicks("Cleo", OPS, question, APPROVE)
        await it.is_refused("U0CLEO", because="PagerDuty did not tell me who is on call. Try again in a moment.")
        await it.story.clicks("Dan", OPS, question, APPROVE)
        assert dict(it.there.counts) == QUICK
    there.close()
