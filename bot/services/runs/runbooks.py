from __future__ import annotations

from bot.deps import Deps
from bot.domain.catalogue.runbook import Runbook
from bot.domain.errors import Unclear
from bot.domain.people.person import Actor
from bot.domain.runs.approval import ApprovalRequest
from bot.domain.runs.run import Run
from bot.domain.text.wording import nearest
from bot.services.runs import approvals, queries
from bot.services.runs.queries import Record
from bot.store.runs import runs as store

LOOKED_AT = 100


def matching(deps: Deps, words: str) -> list[Runbook]:
    """By service and title. Raises Unclear where none has every one of the words."""
    wanted = words.casefold().split()
    every = sorted(deps.catalogue.runbooks.values(), key=lambda one: (one.service, one.title, one.id))
    found = [one for one in every if all(word in _text(one) for word in wanted)]
    if wanted and not found:
        close = nearest("_".join(wanted), deps.catalogue.runbooks)
        said = f"Did you mean “{close}”?" if close else "`/runbook list` shows what there is."
        raise Unclear(f"No runbook speaks of “{words.strip()[:60]}”. {said}")
    return found


def _text(runbook: Runbook) -> str:
    alerts = " ".join(text for trigger in runbook.triggers for text in trigger.match)
    return f"{runbook.id} {runbook.title} {runbook.service} {' '.join(runbook.guide.values())} {alerts}".casefold()


async def history(deps: Deps, runbook: str, by: Actor, limit: int = 10) -> tuple[list[Run], Record]:
    """Its newest runs that this person may see, and how it has done in all. Raises Unclear with the nearest id.

    One that has left the catalogue has its history still.
    """
    async with deps.database.reading() as tx:
        found = await store.of_runbook(tx, runbook.casefold(), limit=LOOKED_AT)
    if not found:
        deps.catalogue.runbook(runbook)
    seen = await queries.visible_of(deps, found[: limit * 3], by)
    return seen[:limit], queries.record_of(found)


async def to_decide(deps: Deps, by: Actor) -> list[tuple[Run, ApprovalRequest]]:
    waiting = await approvals.waiting_for(deps, by)
    return [(run, asked) for run, asked in waiting if await queries.may_see(deps, run, by)]


async def to_answer(deps: Deps, by: Actor) -> list[Run]:
    async with deps.database.reading() as tx:
        return await store.unknown_of(tx, by.id)
