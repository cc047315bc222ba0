"""/runbook run ID [name=value …] · plan ID [name=value …]"""

from __future__ import annotations

import shlex

from bot.asks import Ask, Reply
from bot.deps import Deps
from bot.domain import parameters
from bot.domain.errors import Unclear
from bot.domain.run import SPOKEN, Run
from bot.services import runs
from bot.services.runs import Wanted
from bot.views import mrkdwn
from bot.views import run as view
from bot.views.blocks import context, section


async def ask(ask: Ask, deps: Deps) -> Reply:
    run = await runs.request(deps, _wanted(ask), ask.by, ask.where)
    return Reply(begun(run))


def begun(run: Run) -> str:
    return f"{run} ({run.runbook}) {SPOKEN[run.status]}. Its message and thread follow here."


async def plan(ask: Ask, deps: Deps) -> Reply:
    found = await runs.draft(deps, _wanted(ask), ask.where)
    lines = view.plan_lines(found.plan.steps)
    trouble = [f"Step {step}: {sentence}" for step, sentence in found.plan.problems.items()]
    text = f"Plan of {found.runbook.id}, {found.plan.hash[:12]}. Nothing was done."
    blocks = [section(f"*{mrkdwn.literal(found.runbook.title)}*"), section("\n".join(lines))]
    if trouble:
        blocks.append(section("It cannot run as it stands.\n" + mrkdwn.escape("\n".join(trouble))))
    return Reply(text, [*blocks, context(text)])


def _wanted(ask: Ask) -> Wanted:
    try:
        words = shlex.split(ask.text)
    except ValueError:
        raise Unclear('A quotation mark is not closed. Write name="two words".') from None
    if not words:
        raise Unclear("Which runbook? `/runbook list` shows what there is.")
    return Wanted(words[0], parameters.pairs(words[1:]))
