"""/runbook plan ID [name=value …] · the Plan button · Change parameters"""

from __future__ import annotations

from bot.deps import Deps
from bot.domain.errors import Refused, Unclear
from bot.domain.people.person import Actor
from bot.domain.runs.run import number as run_number
from bot.interactions import BlockAction, Command, Modal, Reply, Where
from bot.services.runs import preview, request as run_request
from bot.services.runs.request import Draft, Wanted
from bot.services.workspace import permissions
from bot.views import runbook as view
from commands.runbook import arguments, form
from commands.runbook.arguments import Said


async def on_command(command: Command, deps: Deps) -> Reply:
    said = arguments.read(command.text)
    if not said.runbook:
        raise Unclear("Which runbook? `/runbook list` shows what there is; then `/runbook plan ID`.")
    return await _planned(deps, said, command.where, command.by)


async def on_click(click: BlockAction, deps: Deps) -> Reply | Modal:
    """`RUN-7`: the form with that run's parameters. `restart`, or `restart host=shop-1`: the plan."""
    if click.value.startswith("RUN-"):
        return await form.change(deps, run_number(click.value) or 0, click.by)
    return await _planned(deps, arguments.of_button(click.value), click.where, click.by)


async def _planned(deps: Deps, said: Said, where: Where, by: Actor) -> Reply:
    runbook = deps.catalogue.runbook(said.runbook)
    arguments.must_fit(runbook, said, whole=True)
    found = await run_request.draft(deps, Wanted(runbook.id, said.given, said.reason), where)
    blocks = view.plan(
        found.runbook,
        found.plan,
        approval=view.may_approve(found.approval, deps.catalogue.access, found.runbook),
        value=arguments.value(runbook.id, said.given, said.reason),
        seen=await _seen(deps, found, by),
    )
    return Reply(_summary(found), blocks)


async def _seen(deps: Deps, found: Draft, by: Actor) -> dict[str, str]:
    if found.plan.problems:
        return {}
    try:
        await permissions.must(deps, by.person, "respond")
    except Refused:
        return {}
    return await preview.looks(deps, found.runbook, found.plan, found.incident)


def _summary(found: Draft) -> str:
    trouble = [f"{view.where(place)}: {said}" for place, said in found.plan.problems.items()]
    verdict = f" It cannot run as it is. {' '.join(trouble)}" if trouble else ""
    return f"Plan of {found.runbook.id}, {found.plan.hash}. Nothing was done.{verdict}"
