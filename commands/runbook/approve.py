"""The buttons under a question for approval: approve, reject, break the glass, review."""

from __future__ import annotations

from bot.deps import Deps
from bot.domain.people.person import Actor
from bot.interactions import BlockAction, Modal, Reply, Submission, Where
from bot.services.runs import approvals
from bot.services.runs.approvals import ApprovalClick
from bot.views.kit import blocks as b
from bot.views.run import asker, is_by_alert


async def _click(deps: Deps, value: str, where: Where, by: Actor) -> ApprovalClick:
    return await approvals.read_click(deps, value, where.channel, where.ts, by)


async def _pressed(deps: Deps, click: BlockAction) -> ApprovalClick:
    """A button in a form or on the Home tab is on no message, wherever it says that it was opened."""
    return await _click(deps, click.value, Where() if click.view else click.where, click.by)


async def on_click(click: BlockAction, deps: Deps) -> Reply:
    made = await approvals.approve(deps, await _pressed(deps, click), click.by)
    if made.missing:
        return Reply(f"Counted. {made.run} waits for {made.missing} more.")
    return Reply(f"Approved. {made.run} goes on.")


async def on_reject(click: BlockAction, deps: Deps) -> Modal:
    asked = await approvals.may_reject(deps, await _pressed(deps, click), click.by)
    return b.question(
        "approval.reject", f"Reject RUN-{asked.run}", "reason", "What would have to change?", click.value, "Reject"
    )


async def on_submit_reject(sent: Submission, deps: Deps) -> Reply:
    given = await _click(deps, sent.metadata, sent.where, sent.by)
    made = await approvals.reject(deps, given, sent.by, sent.text("reason"))
    return Reply(f"Rejected. {asker(made.run)} is told why." if not is_by_alert(made.run) else "Rejected.")


async def on_break_glass(click: BlockAction, deps: Deps) -> Modal:
    asked = await approvals.may_reject(deps, await _pressed(deps, click), click.by)
    label = "Why can it not wait? This is posted in the channel."
    title = f"Start RUN-{asked.run} alone"
    return b.question("approval.break", title, "reason", label, click.value, "Break the glass")


async def on_submit_break(sent: Submission, deps: Deps) -> Reply:
    given = await _click(deps, sent.metadata, sent.where, sent.by)
    made = await approvals.break_glass(deps, given, sent.by, sent.text("reason"))
    return Reply(f"{made.run} goes on without approval. The channel is told; somebody else reviews it.")


async def on_review(click: BlockAction, deps: Deps) -> Reply:
    await approvals.review(deps, await _pressed(deps, click), click.by)
    return Reply("Noted: you have reviewed it.")
