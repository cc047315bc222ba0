"""/incident postmortem [INC-n] · edit the draft · mark it done"""

from __future__ import annotations

from bot.deps import Deps
from bot.domain.errors import Missing
from bot.domain.incidents import postmortem as drafts
from bot.interactions import BlockAction, Command, Modal, Reply, Submission
from bot.services.incidents import postmortem as postmortems, queries as incident_queries
from bot.views import incident as view, incident_forms
from bot.views.kit.blocks import context, section
from bot.views.kit.mrkdwn import escape

PIECE = 2800
PART = PIECE // 5  # escaping makes at most five characters of one
PIECES = 20


async def on_command(command: Command, deps: Deps) -> Reply:
    incident, _ = await incident_queries.named(deps, command.text, command.where, command.by)
    cut = _pieces(await postmortems.read(deps, incident))
    pieces = [section(f"```{escape(piece)}```") for piece in cut[:PIECES]]
    if len(cut) > PIECES:
        pieces.append(context(f"There is more: the file in its thread and `tocsin export {incident}` hold all of it."))
    head = view.postmortem_message(incident) if not incident.is_open else []
    return Reply(f"Post-mortem draft of {incident}.", [*head, *pieces])


def _pieces(markdown: str) -> list[str]:
    pieces = [""]
    for line in markdown.replace("```", "'''").splitlines():
        for start in range(0, max(len(line), 1), PART):
            part = line[start : start + PART]
            if len(escape(pieces[-1])) + len(escape(part)) > PIECE:
                pieces.append("")
            pieces[-1] += part + "\n"
    return pieces


async def edit(click: BlockAction, deps: Deps) -> Modal:
    incident = await incident_queries.by_subject(deps, click.value, click.by)
    found = drafts.sections(await postmortems.read(deps, incident))[1]
    return Modal(incident_forms.postmortem(incident, found), ("Edit draft", "postmortem.edit", incident.name))


async def on_submit(sent: Submission, deps: Deps) -> Reply:
    incident = await incident_queries.by_subject(deps, sent.metadata, sent.by)
    headings = [one.heading for one in drafts.sections(await postmortems.read(deps, incident))[1]]
    written = {name: str(value or "") for name, value in sent.values.items() if name.startswith("section_")}
    bodies = {
        heading: written.pop(f"section_{drafts.mark_of(heading)}")
        for heading in dict.fromkeys(headings)
        if f"section_{drafts.mark_of(heading)}" in written
    }
    if written:
        raise Missing("The draft has other sections by now. Copy what you wrote and open it again with *Edit draft*.")
    incident = await postmortems.edit(deps, incident.id, bodies, sent.by)
    return Reply(f"Saved. The new draft of {incident} goes into its thread.")


async def done(click: BlockAction, deps: Deps) -> Reply:
    incident = await incident_queries.by_subject(deps, click.value, click.by)
    incident, is_new = await postmortems.done(deps, incident.id, click.by)
    return Reply(
        f"The post-mortem of {incident} is done." if is_new else f"The post-mortem of {incident} was done already."
    )
