"""/runbook run [ID [name=value …]] · the Run buttons · the form"""

from __future__ import annotations

from bot.deps import Deps
from bot.domain.runs import parameters
from bot.domain.runs.run import SPOKEN, Run
from bot.interactions import BlockAction, Command, FieldErrors, Modal, Reply, Submission, Where
from bot.services.alerts import operations as alert_operations
from bot.services.runs import queries as runs, request as run_request
from bot.services.runs.request import Wanted
from bot.views import runbook as view
from bot.views.kit.mrkdwn import channel
from bot.views.runbook import PICK
from commands.runbook import arguments, form


async def on_command(command: Command, deps: Deps) -> Reply | Modal:
    said = arguments.read(command.text)
    if not said.runbook:
        return await form.picker(deps, command.by, command.where)
    runbook = deps.catalogue.runbook(said.runbook)
    arguments.must_fit(runbook, said, whole=False)
    if await form.needs_form(deps, runbook, said, command.where):
        return await form.of(deps, runbook, said, command.by, command.where)
    wanted = Wanted(runbook.id, said.given, said.reason)
    return Reply(begun(await run_request.request(deps, wanted, command.by, command.where), command.where))


async def on_click(click: BlockAction, deps: Deps) -> Modal:
    """`restart`, or `restart host=shop-1`: the form, to be looked over and sent off. Without any: the choice.

    On an alert's card it belongs to the alert.
    """
    said = arguments.of_button(click.value)
    if not said.runbook:
        return await form.picker(deps, click.by, click.where)
    alert = await alert_operations.at(deps, click.where)
    return await form.of(deps, deps.catalogue.runbook(said.runbook), said, click.by, click.where, alert)


async def chosen(click: BlockAction, deps: Deps) -> Modal:
    return await form.picker(deps, click.by, click.where, click.value, click.text(arguments.REASON))


async def on_submit(sent: Submission, deps: Deps) -> Reply | FieldErrors:
    about = form.carried(sent.metadata)
    if about.run is not None:
        return await _change(sent, deps, about.run)
    named = str(sent.values.get(PICK) or about.runbook)
    if not named:
        return FieldErrors({PICK: "Choose a runbook."})
    runbook = deps.catalogue.runbook(named)
    given, reason = view.given_in(runbook, sent.values), sent.text(arguments.REASON).strip()
    wrong = parameters.problems(runbook, given)
    if not reason and await form.must_say_why(deps, runbook, sent.where):
        wrong[arguments.REASON] = "Say why: the people who approve need to know."
    if wrong:
        return FieldErrors(wrong)
    run = await run_request.request(deps, Wanted(runbook.id, given, reason, group=about.group), sent.by, sent.where)
    return Reply(begun(run, sent.where))


async def _change(sent: Submission, deps: Deps, number: int) -> Reply | FieldErrors:
    await runs.visible(deps, number, sent.by)
    _, runbook = await runs.with_runbook(deps, number)
    given = view.given_in(runbook, sent.values)
    wrong = parameters.problems(runbook, given)
    if wrong:
        return FieldErrors(wrong)
    run = await run_request.change(deps, number, given, sent.by)
    return Reply(f"Changed. {run} {SPOKEN[run.status]} as it is now; the question is asked again in its thread.")


def begun(run: Run, where: Where) -> str:
    place = f"in {channel(run.channel)}" if run.channel else "in its service's alerts channel"
    if run.channel and run.channel == where.channel:
        place = "here"
    return f"{run} ({run.runbook}) {SPOKEN[run.status]}. Its message and thread follow {place}."
