"""/incident silence · silence 2h alertname="APIDown" [-- reason] · silence ALR-7 1h · silence end SIL-3 · unsilence"""

from __future__ import annotations

from bot.deps import Deps
from bot.domain.alerts import silence
from bot.domain.errors import Unclear
from bot.domain.people.person import Actor
from bot.interactions import Command, Reply
from bot.services.alerts import operations as alert_operations, silences
from bot.views import silence as view
from commands.alert import card


async def on_command(command: Command, deps: Deps) -> Reply:
    first, _, rest = command.text.strip().partition(" ")
    if not first:
        return Reply(view.silences(*await silences.in_force(deps)))
    if first.casefold() == "end":
        return await _end(deps, rest, command)
    group, how_long = await alert_operations.named(deps, command.text, command.where)
    if group and not {"=", "~"} & set(how_long):  # a matcher in the thread of a card means what it says
        return await _of_group(deps, group.id, how_long, command.by)
    made = await silences.make(deps, silence.read(command.text), command.by)
    return Reply(view.made(made.silence, made.names, made.total))


async def end(command: Command, deps: Deps) -> Reply:
    return await _end(deps, command.text, command)


async def _of_group(deps: Deps, number: int, word: str, by: Actor) -> Reply:
    if not word:
        raise Unclear(f"Say for how long: `/incident silence ALR-{number} 1h`, or `morning`.")
    return await card.silenced(deps, number, word.strip(), by)


async def _end(deps: Deps, word: str, command: Command) -> Reply:
    number = silence.number(word)
    group, _ = (None, "") if number else await alert_operations.named(deps, word, command.where)
    if group:
        return await card.unsilenced(deps, group.id, command.by)
    if number is None:
        raise Unclear("Name the silence or the alert: `/incident silence end SIL-3`. `/incident silence` lists them.")
    ended = await silences.end(deps, number, command.by)
    return Reply(view.unmade(ended.silence, ended.names, ended.total))
