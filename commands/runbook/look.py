"""/runbook · list [words] · show ID · status [RUN-n] · history ID"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from bot.deps import Deps
from bot.domain.errors import Unclear
from bot.domain.runs.run import Run
from bot.interactions import Block, Command, Reply, Where
from bot.services.runs import queries as runs, runbooks
from bot.services.runs.queries import Shown
from bot.views import run as run_view, runbook as view
from bot.views.kit import links
from bot.views.kit.blocks import context
from bot.views.kit.mrkdwn import link, literal
from bot.views.run import Live
from commands.runbook import arguments, form

NONE_YET = "The catalogue has no runbooks yet. Your operators write them as files: docs/catalogue.md."


async def listed(command: Command, deps: Deps) -> Reply:
    wanted = arguments.as_typed(command.text).strip()
    found = runbooks.matching(deps, wanted)
    if not found:
        return Reply(NONE_YET)
    count = f"{len(found)} runbook{'' if len(found) == 1 else 's'}"
    title = f"{count} with “{literal(wanted[:60])}”:" if wanted else f"{count}:"
    needs = [(one, view.needs(one, await form.rule_here(deps, one, Where()))) for one in found]
    return Reply(title, view.listed(title, needs))


async def show(command: Command, deps: Deps) -> Reply:
    runbook = deps.catalogue.runbook(_named(command, "show"))
    rule = await form.rule_here(deps, runbook, command.where)
    blocks = view.whole(runbook, deps.catalogue, rule, await runs.record(deps, runbook.id))
    return Reply(f"{runbook.id}: {literal(runbook.title)}", blocks)


async def history(command: Command, deps: Deps) -> Reply:
    name = _named(command, "history")
    found, record = await runbooks.history(deps, name, command.by)
    said = f"`{literal(name)}`: {view.record_words(record)}."
    return _runs_listed(deps, said, found, "It has no runs that you may see.")


def _runs_listed(deps: Deps, title: str, found: Iterable[Run], none: str) -> Reply:
    return Reply(title, view.runs_listed(title, [(run, _address(deps, run)) for run in found], none))


def _named(command: Command, verb: str) -> str:
    """Raises Unclear."""
    first, *rest = arguments.as_typed(command.text).split() or [""]
    if not first:
        raise Unclear(f"Which runbook? `/runbook list` shows what there is; then `/runbook {verb} ID`.")
    if rest:
        said = " ".join([first, *rest])[:60]
        raise Unclear(f"`/runbook {verb}` takes one runbook's id. To look for words: `/runbook list {said}`.")
    return first.casefold()


# --- runs -------------------------------------------------------------------------------------------------------------


async def status(command: Command, deps: Deps) -> Reply:
    """`RUN-7`; without one, the run in whose thread it is said, else the latest."""
    text = command.text.strip()
    try:
        run = await runs.named(deps, text, command.where, command.by)
    except Unclear:
        if text:
            raise
        return _runs_listed(deps, "The latest runs:", await runs.latest(deps, command.by), "Nothing has been run yet.")
    live = _live(await runs.shown(deps, run.id), is_here=command.where.channel == run.channel)
    return Reply(run_view.fallback(live), [*run_view.live_message(live), *_thread(deps, run)])


def _live(shown: Shown, *, is_here: bool) -> Live:
    progress = shown.progress if is_here else {name: replace(one, output="") for name, one in shown.progress.items()}
    return Live(shown.run, shown.runbook, shown.plan, progress, shown.run.is_over and shown.undoable)


def _thread(deps: Deps, run: Run) -> list[Block]:
    address = _address(deps, run)
    return [context(f"{link(address, 'Its thread')} has its questions and what its steps said.")] if address else []


def _address(deps: Deps, run: Run) -> str | None:
    return links.permalink(deps, run.channel, run.ts)
