"""The buttons of a run and its steps: cancel, try again, take back, done, skip, and what became of an unknown one."""

from __future__ import annotations

from bot.asks import Modal, Press, Reply, Submission
from bot.deps import Deps
from bot.domain.errors import Unclear
from bot.domain.run import SPOKEN
from bot.domain.run import number as run_number
from bot.services import runs
from bot.views import blocks as b


def _run(value: str) -> int:
    found = run_number(value)
    if found is None:
        raise Unclear("That button belongs to no run that I know. `/runbook status` shows the latest.")
    return found


async def cancel(press: Press, deps: Deps) -> Reply:
    run, is_over = await runs.cancel(deps, _run(press.value), press.by)
    return Reply(f"{run} is cancelled." if is_over else f"{run} is being cancelled; its message shows when it is over.")


async def retry(press: Press, deps: Deps) -> Reply:
    run = await runs.retry(deps, _run(press.value), press.by)
    return Reply(f"{run} {SPOKEN[run.status]}: the step is done again.")


async def undo(press: Press, deps: Deps) -> Reply:
    run = await runs.undo(deps, _run(press.value), press.by)
    return Reply(f"Taking {run} back: it {SPOKEN[run.status]}.")


async def happened(press: Press, deps: Deps) -> Reply:
    return await _answer(press, deps, "happened", "It happened: the run goes on.")


async def redo(press: Press, deps: Deps) -> Reply:
    return await _answer(press, deps, "redo", "It is done again.")


async def stop(press: Press, deps: Deps) -> Reply:
    return await _answer(press, deps, "stop", "It stops here.")


async def _answer(press: Press, deps: Deps, verdict: str, said: str) -> Reply:
    run, _ = await runs.answer(deps, runs.subject_of(press.value), verdict, press.by)
    return Reply(f"{said} {run} {SPOKEN[run.status]}.")


async def done(press: Press, deps: Deps) -> Reply | Modal:
    about = runs.subject_of(press.value)
    _, runbook = await runs.with_runbook(deps, about.run)
    if runs.needs_evidence(runbook, about):
        element = b.text_input(multiline=True)
        fields = [b.field("evidence", "What did you see?", element)]
        return Modal(b.modal("step.done", f"Step of RUN-{about.run}", fields, submit="Done", carried=press.value))
    run = await runs.tick(deps, about, "", press.by)
    return Reply(f"Noted. {run} goes on.")


async def submit_done(sent: Submission, deps: Deps) -> Reply:
    run = await runs.tick(deps, runs.subject_of(sent.carried), str(sent.values.get("evidence") or ""), sent.by)
    return Reply(f"Noted. {run} goes on.")


async def skip(press: Press, deps: Deps) -> Modal:
    about = runs.subject_of(press.value)
    fields = [b.field("reason", "Why is it left out?", b.text_input(multiline=True, limit=500))]
    return Modal(b.modal("step.skip", f"Skip a step of RUN-{about.run}", fields, submit="Skip it", carried=press.value))


async def submit_skip(sent: Submission, deps: Deps) -> Reply:
    run = await runs.skip(deps, runs.subject_of(sent.carried), str(sent.values.get("reason") or ""), sent.by)
    return Reply(f"Skipped. {run} goes on.")
