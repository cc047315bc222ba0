"""/runbook cancel RUN-n · the buttons of a run and its steps: cancel, try again, take back, done, skip, unknown."""

from __future__ import annotations

from dataclasses import replace

from bot.deps import Deps
from bot.domain.errors import Unclear
from bot.domain.people.person import Actor
from bot.domain.runs.run import SPOKEN, number as run_number
from bot.interactions import BlockAction, Command, Modal, Reply, Submission, Where
from bot.services.runs import control as run_control, queries as runs
from bot.services.runs.queries import Subject
from bot.views.kit import blocks as b


async def _run(click: BlockAction, deps: Deps) -> int:
    """Raises Unclear, Missing."""
    found = run_number(click.value)
    if found is None:
        raise Unclear("That button belongs to no run that I know. `/runbook status` shows the latest.")
    return (await runs.visible(deps, found, click.by)).id


async def _subject(deps: Deps, value: str, by: Actor, where: Where) -> Subject:
    """Raises Missing."""
    about = runs.subject_of(value)
    await runs.visible(deps, about.run, by)
    return replace(about, ts=where.ts)


async def ask_to_cancel(command: Command, deps: Deps) -> Reply:
    return await _cancel(deps, (await runs.named(deps, command.text.strip(), command.where, command.by)).id, command.by)


async def cancel(click: BlockAction, deps: Deps) -> Reply:
    return await _cancel(deps, await _run(click, deps), click.by)


async def _cancel(deps: Deps, number: int, by: Actor) -> Reply:
    run, is_over = await run_control.cancel(deps, number, by)
    return Reply(f"{run} is cancelled." if is_over else f"{run} is being cancelled; its message shows when it is over.")


async def retry(click: BlockAction, deps: Deps) -> Reply:
    run = await run_control.retry(deps, await _run(click, deps), click.by)
    return Reply(f"{run} {SPOKEN[run.status]}: the step is done again.")


async def undo(click: BlockAction, deps: Deps) -> Reply:
    run = await run_control.undo(deps, await _run(click, deps), click.by)
    return Reply(f"Taking {run} back: it {SPOKEN[run.status]}.")


async def happened(click: BlockAction, deps: Deps) -> Reply:
    return await _answer(click, deps, "happened", "It happened: the run goes on.")


async def redo(click: BlockAction, deps: Deps) -> Reply:
    return await _answer(click, deps, "redo", "It is done again.")


async def stop(click: BlockAction, deps: Deps) -> Reply:
    return await _answer(click, deps, "stop", "It stops here.")


async def _answer(click: BlockAction, deps: Deps, verdict: str, said: str) -> Reply:
    run, _ = await run_control.answer(deps, await _subject(deps, click.value, click.by, click.where), verdict, click.by)
    return Reply(f"{said} {run} {SPOKEN[run.status]}.")


async def done(click: BlockAction, deps: Deps) -> Reply | Modal:
    about = await _subject(deps, click.value, click.by, click.where)
    _, runbook = await runs.with_runbook(deps, about.run)
    if run_control.needs_evidence(runbook, about):
        title = f"Step of RUN-{about.run}"
        return b.question("step.done", title, "evidence", "What did you see?", click.value, "Done", limit=3000)
    return await _tick(deps, about, "", click.by)


async def on_submit_done(sent: Submission, deps: Deps) -> Reply:
    about = await _subject(deps, sent.metadata, sent.by, sent.where)
    return await _tick(deps, about, sent.text("evidence"), sent.by)


async def _tick(deps: Deps, about: Subject, evidence: str, by: Actor) -> Reply:
    return Reply(f"Noted. {await run_control.tick(deps, about, evidence, by)} goes on.")


async def skip(click: BlockAction, deps: Deps) -> Modal:
    about = await _subject(deps, click.value, click.by, click.where)
    title = f"Skip a step of RUN-{about.run}"
    return b.question("step.skip", title, "reason", "Why is it left out?", click.value, "Skip it")


async def on_submit_skip(sent: Submission, deps: Deps) -> Reply:
    about = await _subject(deps, sent.metadata, sent.by, sent.where)
    return Reply(f"Skipped. {await run_control.skip(deps, about, sent.text('reason'), sent.by)} goes on.")
