"""The Home tab: what is open, what waits for me, and the alerts that wait for anybody."""

from __future__ import annotations

from typing import Any

from bot.deps import Deps
from bot.domain.people.person import Actor
from bot.domain.runs.approval import ApprovalRequest
from bot.domain.runs.run import Run
from bot.services.alerts import operations as alert_operations
from bot.services.incidents import queries as incident_queries
from bot.services.runs import runbooks
from bot.views import home as view
from bot.views.home import Decision, Question
from bot.views.kit import links


async def draw(by: Actor, deps: Deps) -> dict[str, Any]:
    """Approving happens in the thread only: from here a link leads there."""
    waiting = await incident_queries.waiting_for(deps, by)
    return view.home(
        await incident_queries.open_incidents(deps, by),
        waiting.leading,
        waiting.postmortems,
        decisions=[_decision(deps, run, asked) for run, asked in await runbooks.to_decide(deps, by)],
        questions=[Question(run, _title(deps, run), _link(deps, run)) for run in await runbooks.to_answer(deps, by)],
        alerts=await alert_operations.nobody_on(deps, view.ALERTS_SHOWN + 1),
    )


def _decision(deps: Deps, run: Run, asked: ApprovalRequest) -> Decision:
    return Decision(run, _title(deps, run), asked, links.permalink(deps, asked.channel, asked.ts) or _link(deps, run))


def _link(deps: Deps, run: Run) -> str | None:
    return links.permalink(deps, run.channel, run.ts)


def _title(deps: Deps, run: Run) -> str:
    runbook = deps.catalogue.runbooks.get(run.runbook)
    return runbook.title if runbook else run.runbook
