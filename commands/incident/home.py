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
    decisions = [_decision(deps, run, asked) for run, asked in await runbooks.to_decide(deps, by)]
    questions = [_question(deps, run) for run in await runbooks.to_answer(deps, by)]
    found = await incident_queries.open_incidents(deps, by)
    alerts = await alert_operations.nobody_on(deps, view.ALERTS_SHOWN + 1)
    return view.home(found, waiting.leading, waiting.postmortems, decisions, questions, alerts)


def _decision(deps: Deps, run: Run, asked: ApprovalRequest) -> Decision:
    link = links.permalink(deps, asked.channel, asked.ts) or links.permalink(deps, run.channel, run.ts)
    return Decision(run, _title(deps, run), asked, link)


def _question(deps: Deps, run: Run) -> Question:
    return Question(run, _title(deps, run), links.permalink(deps, run.channel, run.ts))


def _title(deps: Deps, run: Run) -> str:
    runbook = deps.catalogue.runbooks.get(run.runbook)
    return runbook.title if runbook else run.runbook
