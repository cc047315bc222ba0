"""On the way: steps skipped, repeated, ticked and taken back, and arguments that nobody knew when it was approved."""

from __future__ import annotations

from tests.security.bypass.conftest import Opener
from tests.security.bypass.scene import APPROVE, OPS, Scene

SURE = """
title: Ask on the way
service: shop
policy:
  approval: {who: [team:sre]}
steps:
  - {id: look, http: {url: "{url}/look"}, effect: read}
  - {id: sure, approval: {who: [team:sre], text: "Is it dark?"}}
  - {id: restart, http: {method: POST, url: "{url}/restart"}, effect: once}
"""
GATED = """
title: A gate of its own
service: shop
policy:
  approval: {who: [team:sre]}
steps:
  - {id: look, http: {url: "{url}/look"}, effect: read}
  - {id: restart, http: {method: POST, url: "{url}/restart"}, effect: once, approval: {who: [U0CLEO], quorum: 1}}
"""
LATE = """
title: End the oldest
service: shop
policy:
  approval: {who: [team:sre]}
steps:
  - {id: find, http: {url: "{url}/find"}, effect: read, save: {which: json.count}}
  - {id: end, http: {method: POST, url: "{url}/end", json: {which: "{{ steps.find.which }}"}}, effect: once}
"""
HANDS = """
title: By hand
service: shop
policy:
  approval: {who: [team:sre]}
deadline: 20m
steps:
  - {id: look, http: {url: "{url}/look"}, effect: read, on_failure: continue}
  - id: restart
    http: {method: POST, url: "{url}/restart"}
    effect: once
    undo: {http: {method: POST, url: "{url}/start"}, effect: once}
  - {id: pull, manual: {text: Pull the plug}}
  - {id: clean, http: {method: POST, url: "{url}/clean"}, effect: once}
"""


async def _form_to_skip(it: Scene, user: str, step: str) -> None:
    """The form for that step, opened by a forged button and sent off."""
    await it.clicks(user, await it.story.live("RUN-1", OPS), "step.skip", value=f"RUN-1:{step}")
    view = it.story.simulator.workspace.stacks[user][-1].content
    await it.submits(user, {key: view[key] for key in ("callback_id", "private_metadata", "blocks")}, reason="no need")


async def test_skipping_the_approval_step(opens: Opener) -> None:
    """A step that is an approval is never left out."""
    async with opens(runbooks={"restart": SURE}) as it:
        await it.asked()
        await it.approved()
        assert dict(it.there.counts) == {"/look": 1}
        it.there.counts.clear()
        for user in ("U0ADA", "U0BEN"):
            await _form_to_skip(it, user, "sure")
            await it.is_refused(user, because="An approval is never skipped")


async def test_skipping_the_gated_step(opens: Opener) -> None:
    """A step that waits for its own approval is not skipped, nor repeated, nor declared done."""
    async with opens(runbooks={"restart": GATED}) as it:
        await it.asked()
        await it.approved()
        it.there.counts.clear()
        await _form_to_skip(it, "U0ADA", "restart")
        question = await it.question()
        for action in ("step.done", "step.redo", "step.happened"):
            await it.clicks("U0ADA", question, action, value="RUN-1:restart")
        await it.is_refused("U0ADA", times=4)


async def test_one_question_for_another(opens: Opener) -> None:
    """The approval of the whole run is not that of its gated step, on whichever message it is given."""
    async with opens(runbooks={"restart": GATED}) as it:
        whole = await it.asked()
        await it.approved()
        it.there.counts.clear()
        gated = await it.question()
        await it.clicks("U0BEN", whole, APPROVE, value="RUN-1:restart")
        await it.clicks("U0BEN", gated, APPROVE, value="RUN-1")
        await it.clicks("U0BEN", gated, APPROVE)
        await it.is_refused("U0BEN", because="not among those", times=3)
        await it.clicks("U0CLEO", whole, APPROVE, value="RUN-1:restart")
        await it.is_refused("U0CLEO", because="not the question about RUN-1")


async def test_a_gate_that_lets_another_step_through(opens: Opener) -> None:
    """A step that has no gate, and one that does not exist, are nobody's to approve."""
    async with opens(runbooks={"restart": GATED}) as it:
        question = await it.asked()
        for step in ("look", "restart", "nothing", "@undo"):
            await it.clicks("U0BEN", question, APPROVE, value=f"RUN-1:{step}")
        await it.is_refused("U0BEN", because="has asked no such question", times=4)


# --- an approval that is too old --------------------------------------------------------------------------------------


async def _failed(it: Scene, path: str) -> None:
    """Approved, failed at that path, and then left alone for longer than its approval holds."""
    it.there.status[path] = 404
    await it.asked()
    await it.approved()
    assert "failed" in await it.words()
    it.there.status.clear()
    it.there.counts.clear()
    it.story.clock.advance(minutes=30)


async def test_trying_again_too_late(it: Scene) -> None:
    """A failed step is not done again on an approval that is too old."""
    await _failed(it, "/restart")
    await it.story.clicks("Ada", OPS, await it.story.live("RUN-1", OPS), "run.retry")
    for user in ("Ada", "Dan"):
        await it.story.clicks(user, OPS, await it.question(), APPROVE)
        await it.is_refused(f"U0{user.upper()}")
    await it.approved("Cleo")
    assert it.there.counts["/restart"] == 1


async def test_skipping_too_late(it: Scene) -> None:
    """Leaving out a failed step does not let what follows run on an approval that is too old."""
    await _failed(it, "/look")
    await _form_to_skip(it, "U0BEN", "look")
    await it.story.clicks("Ada", OPS, await it.question(), APPROVE)
    await it.story.clicks("Ben", OPS, await it.question(), APPROVE)
    await it.is_refused("U0ADA")
    await it.is_refused("U0BEN")
    await it.approved("Cleo")
    assert dict(it.there.counts) == {"/restart": 1, "/health": 1}


async def test_doing_it_again_too_late(it: Scene) -> None:
    """Who says that an unknown step did not happen does not approve that it is done again."""
    it.there.cut.add("/restart")
    await it.asked()
    await it.approved()
    it.there.cut.clear()
    it.there.counts.clear()
    it.story.clock.advance(minutes=30)
    question = await it.question("RUN-1", "step.redo")
    await it.story.clicks("Dan", OPS, question, "step.redo")
    await it.is_audited("U0DAN")
    assert "needs an answer" in await it.words()
    await it.story.clicks("Ben", OPS, question, "step.redo")
    await it.story.clicks("Ben", OPS, await it.question(), APPROVE)
    await it.is_refused("U0BEN")
    await it.approved("Cleo")
    assert it.there.counts["/restart"] == 1


async def test_an_old_question_after_another_try(it: Scene) -> None:
    """The question of before the failure was answered then, and is not answered once more."""
    await _failed(it, "/restart")
    first = await it.story.replies(OPS, await it.story.live("RUN-1", OPS))
    await it.story.clicks("Ada", OPS, await it.story.live("RUN-1", OPS), "run.retry")
    await it.clicks("U0CLEO", first[0], APPROVE, value="RUN-1")
    await it.is_refused("U0CLEO", because="not the question about RUN-1")


# --- a manual step that was never ticked ------------------------------------------------------------------------------


async def test_ticking_instead_of_approving_to_take_back(opens: Opener) -> None:
    """Ticking the manual step of a run that was cancelled does not let its taking back begin unapproved."""
    async with opens(runbooks={"restart": HANDS}) as it:
        await it.asked()
        await it.approved()
        task = await it.question("RUN-1", "step.done")
        await it.story.clicks("Ada", OPS, await it.story.live("RUN-1", OPS), "run.cancel")
        await it.story.clicks("Ada", OPS, await it.story.live("RUN-1", OPS), "run.undo")
        it.there.counts.clear()
        await it.clicks("U0ADA", task, "step.done", value="RUN-1:pull")
        await it.is_refused("U0ADA", because="waits for approval")
        await _form_to_skip(it, "U0ADA", "pull")
        await it.is_refused("U0ADA", because="not one to skip now", times=2)


async def test_ticking_instead_of_approving_anew(opens: Opener) -> None:
    """Nor does it let a run go on whose approval is asked for again."""
    async with opens(runbooks={"restart": HANDS}) as it:
        it.there.status["/look"] = 404
        await it.asked()
        await it.approved()
        task = await it.question("RUN-1", "step.done")
        await it.story.fast_forward(minutes=31)
        await it.story.clicks("Ada", OPS, await it.story.live("RUN-1", OPS), "run.retry")
        it.there.counts.clear()
        await it.clicks("U0ADA", task, "step.done", value="RUN-1:pull")
        await it.is_refused("U0ADA", because="waits for approval")


async def test_ticking_by_an_outsider(opens: Opener) -> None:
    """Who may not run it does not say for others that their part is done."""
    async with opens(runbooks={"restart": HANDS}) as it:
        await it.asked()
        await it.approved()
        await it.story.clicks("Dan", OPS, await it.question("RUN-1", "step.done"), "step.done")
        assert "/clean" not in it.there.counts
        await it.is_audited("U0DAN")
        assert "is waiting" in await it.words()


# --- taking back ------------------------------------------------------------------------------------------------------


async def test_taking_back_without_approval(it: Scene) -> None:
    """The approval of the run is not that of taking it back; after a rejection it is asked for again, and waits."""
    whole = await it.asked()
    await it.approved()
    it.there.counts.clear()
    await it.story.clicks("Ada", OPS, await it.story.live("RUN-1", OPS), "run.undo")
    await it.clicks("U0BEN", whole, APPROVE, value="RUN-1")
    await it.clicks("U0BEN", whole, APPROVE, value="RUN-1:@undo")
    await it.clicks("U0BEN", await it.question(), APPROVE, value="RUN-1")
    await it.is_refused("U0BEN", times=3)
    await it.clicks("U0ADA", await it.question(), APPROVE)
    await it.is_refused("U0ADA")
    view = await it.story.opens_by_click("Ben", OPS, await it.question(), "approval.reject")
    await it.story.submits("Ben", view, reason="it runs well")
    await it.clicks("U0ADA", whole, "run.undo", value="RUN-1")
    assert not it.there.counts
    assert "waits for approval" in await it.words()
    await it.is_audited("U0ADA")


async def test_taking_back_by_an_outsider(it: Scene) -> None:
    """Who may not run it does not take it back, nor try it again, nor cancel it."""
    await it.asked()
    for action in ("run.undo", "run.retry", "run.cancel"):
        await it.clicks("U0GUS", await it.question(), action, value="RUN-1")
    await it.is_refused("U0GUS", times=3)
    for action in ("run.undo", "run.retry"):
        await it.clicks("U0DAN", await it.question(), action, value="RUN-1")
    await it.is_refused("U0DAN", times=2)


# --- arguments that were not known ------------------------------------------------------------------------------------


async def test_a_late_argument_that_changes(opens: Opener) -> None:
    """What was shown is what is done, whatever the source of it says by then; and only with an approval of its own."""
    async with opens(runbooks={"restart": LATE}) as it:
        await it.asked()
        await it.approved()
        question = await it.question()
        assert "/end" not in it.there.counts
        await it.clicks("U0ADA", question, APPROVE)
        await it.is_audited("U0ADA")
        it.there.counts["/find"] = 40  # the next answer would be another
        await it.story.clicks("Ben", OPS, question, APPROVE)
        assert it.there.counts["/find"] == 40
        assert it.there.counts["/end"] == 1
        assert '{"which":1}' in it.there.bodies


async def test_a_late_argument_of_another_run(opens: Opener) -> None:
    """The approval of a late argument is good for the run that asked, not for one that found something else."""
    async with opens(runbooks={"restart": LATE}) as it:
        questions = []
        for run in ("RUN-1", "RUN-2"):
            await it.asked(run=run)
            await it.approved(run=run)
            questions.append(await it.question(run))
        await it.clicks("U0CLEO", questions[0], APPROVE, value="RUN-2:end")
        await it.clicks("U0CLEO", questions[1], APPROVE, value="RUN-1:end")
        assert "/end" not in it.there.counts
        for run in ("RUN-1", "RUN-2"):
            await it.is_audited("U0CLEO", run, because=f"not the question about {run}")


async def test_the_gate_of_a_step_tried_again_too_late(opens: Opener) -> None:
    """A step with a gate of its own asks for it again where that approval is too old."""
    async with opens(runbooks={"restart": GATED}) as it:
        it.there.status["/restart"] = 404
        await it.asked()
        await it.approved()
        await it.approved("Cleo")
        it.there.counts.clear()
        it.story.clock.advance(minutes=30)
        await it.story.clicks("Ada", OPS, await it.story.live("RUN-1", OPS), "run.retry")
        await it.approved("Ben")
        await it.clicks("U0BEN", await it.question(), APPROVE)
        await it.is_refused("U0BEN", because="not among those")
