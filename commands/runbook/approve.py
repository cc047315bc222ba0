"""The buttons under a question for approval: approve, reject, break the glass, review."""

from __future__ import annotations

from bot.deps import Deps
from bot.domain.people.person import Actor
from bot.domain.runs.approval import Asked
from bot.interactions import Block, Modal, Press, Reply, Submission, Where
from bot.services.runs import approvals
from bot.services.runs.approvals import Ballot
from bot.views.kit import blocks as b
from bot.views.run import asker, is_by_alert


async def _ballot(deps: Deps, value: str, where: Where, by: Actor) -> Ballot:
    return await approvals.ballot(deps, value, where.channel, where.ts, by)


async def _pressed(deps: Deps, press: Press) -> Ballot:
    """A button in a form or on the Home tab stands on no message, wherever it says that it was opened."""
    return await _ballot(deps, press.value, Where() if press.view else press.where, press.by)


async def press(press: Press, deps: Deps) -> Reply:
    made = await approvals.approve(deps, await _pressed(deps, press), press.by)
    if made.missing:
        return Reply(f"Counted. {made.run} waits for {made.missing} more.")
    return Reply(f"Approved. {made.run} goes on.")


async def press_reject(press: Press, deps: Deps) -> Modal:
    asked = await approvals.may_reject(deps, await _pressed(deps, press), press.by)
    return Modal(_why("approval.reject", f"Reject {_named(asked)}", "What would have to change?", press, "Reject"))


async def submit_reject(sent: Submission, deps: Deps) -> Reply:
    given = await _ballot(deps, sent.carried, sent.where, sent.by)
    made = await approvals.reject(deps, given, sent.by, str(sent.values.get("reason") or ""))
    return Reply(f"Rejected. {asker(made.run)} is told why." if not is_by_alert(made.run) else "Rejected.")


async def press_break(press: Press, deps: Deps) -> Modal:
    asked = await approvals.may_reject(deps, await _pressed(deps, press), press.by)
    label = "Why can it not wait? This is posted in the channel."
    return Modal(_why("approval.break", f"Start {_named(asked)} alone", label, press, "Break the glass"))


async def submit_break(sent: Submission, deps: Deps) -> Reply:
    reason = str(sent.values.get("reason") or "")
    given = await _ballot(deps, sent.carried, sent.where, sent.by)
    made = await approvals.break_glass(deps, given, sent.by, reason)
    return Reply(f"{made.run} goes on without approval. The channel is told; somebody else reviews it.")


async def press_review(press: Press, deps: Deps) -> Reply:
    await approvals.review(deps, await _pressed(deps, press), press.by)
    return Reply("Noted: you have reviewed it.")


def _named(asked: Asked) -> str:
    return f"RUN-{asked.run}"


def _why(callback: str, title: str, label: str, press: Press, submit: str) -> Block:
    element = b.text_input(multiline=True, limit=500)
    return b.modal(callback, title, [b.field("reason", label, element)], submit=submit, carried=press.value)
