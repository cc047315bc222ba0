"""/incident silence · silence 2h alertname="APIDown" [-- reason] · silence ALR-7 1h · silence end SIL-3 · unsilence"""

from __future__ import annotations

from bot.asks import Ask, Reply
from bot.deps import Deps
from bot.domain import alert_group, silence
from bot.domain.errors import Unclear
from bot.domain.person import Actor
from bot.services import silences
from bot.views import quiet as view
from commands.alert import card


async def ask(ask: Ask, deps: Deps) -> Reply:
    first, _, rest = ask.text.strip().partition(" ")
    if not first:
        return Reply(view.silences(*await silences.in_force(deps)))
    if first.casefold() == "end":
        return await _end(deps, rest, ask.by)
    group = alert_group.number(first)
    if group is not None:
        return await _of_group(deps, group, rest, ask.by)
    made = await silences.make(deps, silence.read(ask.text), ask.by)
    return Reply(view.made(made.silence, made.names, made.total))


async def end(ask: Ask, deps: Deps) -> Reply:
    """`/incident unsilence SIL-3`"""
    return await _end(deps, ask.text, ask.by)


async def _of_group(deps: Deps, number: int, word: str, by: Actor) -> Reply:
    if not word:
        raise Unclear(f"Say for how long: `/incident silence ALR-{number} 1h`, or `morning`.")
    return await card.silenced(deps, number, word.strip(), by)


async def _end(deps: Deps, word: str, by: Actor) -> Reply:
    group, number = alert_group.number(word), silence.number(word)
    if group is not None:
        return await card.unsilenced(deps, group, by)
    if number is None:
        raise Unclear("Name the silence or the alert: `/incident silence end SIL-3`. `/incident silence` lists them.")
    ended = await silences.end(deps, number, by)
    return Reply(view.unmade(ended.silence, ended.names, ended.total))
