"""/incident oncall [service] · take 2h [service] [level] · give @person 2h [service] [level] · end [service] [level]"""

from __future__ import annotations

from bot.deps import Deps
from bot.domain.catalogue.levels import Level
from bot.domain.catalogue.service import Service
from bot.domain.errors import Refused, Unclear
from bot.domain.people import access
from bot.domain.people.person import Person
from bot.domain.text.wording import hint, listing
from bot.interactions import Command, Reply, Where
from bot.services.incidents import queries as incident_queries
from bot.services.oncall import overrides as oncall, shifts
from bot.services.workspace import people
from bot.views import oncall as view
from bot.views.kit.mrkdwn import mention


async def on_command(command: Command, deps: Deps) -> Reply:
    first, *words = command.text.split() or [""]
    change = {"take": _take, "give": _give, "end": _end}.get(first.casefold())
    return await change(words, command, deps) if change else await _look(command.text.split(), command, deps)


async def _look(words: list[str], command: Command, deps: Deps) -> Reply:
    service, others = await _here(deps, command.where), []
    if words and words[0].casefold() in deps.catalogue.services:
        service = deps.catalogue.service(words.pop(0))
    else:
        others = _others(deps, service)
    if words:
        known = [*deps.catalogue.services, "take", "give", "end"]
        raise Unclear(
            f"“{words[0][:60]}” is no service of mine, and nothing I can do with on-call. {hint(words[0], known)}"
        )
    found = await shifts.shifts(deps, service)
    return Reply(view.headline(service, found), view.shifts(service, found, others))


def _others(deps: Deps, service: Service) -> list[str]:
    return [key for key, one in deps.catalogue.services.items() if one.oncall and key != service.key]


async def _take(words: list[str], command: Command, deps: Deps) -> Reply:
    return await _hand_over(words, command.by.person, command, deps, say="take 2h")


async def _give(words: list[str], command: Command, deps: Deps) -> Reply:
    named = next((found for found in map(access.MENTION.fullmatch, words) if found), None)
    if named is None:
        raise Unclear("Say to whom, as a mention: `/incident oncall give @person 2h`.")
    try:
        person = await people.find(deps, named[1], must_be_fresh=True)
    except Refused:
        raise Unclear(f"Slack does not know {mention(named[1])}. Choose somebody of this workspace.") from None
    words = [word for word in words if word != named[0]]
    return await _hand_over(words, person, command, deps, say=f"give {mention(person.id)} 2h")


async def _hand_over(words: list[str], person: Person, command: Command, deps: Deps, *, say: str) -> Reply:
    span = next((word for word in words if word[:1].isdigit()), None)
    if span is None:
        rest = "".join(f" {word}" for word in words)[:200]
        raise Unclear(f"Say for how long, at most 7 days: `/incident oncall {say}{rest}`.")
    lasting = oncall.lasting(span)
    words.remove(span)
    service, level = await _which(deps, words, command.where)
    done = await oncall.take(deps, service, level, person, lasting, command.by)
    until = done.taken.ends_at
    if person.id == command.by.id:
        return Reply(view.taken(service, level.key, until, done.relieved, done.schedule))
    return Reply(view.given(person.id, service, level.key, until, done.schedule))


async def _end(words: list[str], command: Command, deps: Deps) -> Reply:
    if not words:
        ended = await oncall.end(deps, command.by)
    else:
        service, level = await _which(deps, words, command.where)
        is_whole = len(words) == 1 and words[0].casefold() == service.key
        ended = await oncall.end(deps, command.by, service.key, None if is_whole else level.key)
    places = dict.fromkeys(view.where(deps.catalogue.service_or_default(one.service), one.level) for one in ended)
    return Reply(f"Ended: on call for {listing(places)}. `/incident oncall` shows who has it now.")


# --- of which service and level ---


async def _here(deps: Deps, where: Where) -> Service:
    incident = await incident_queries.living_here(deps, where)
    return deps.catalogue.service_or_default(incident.service if incident else deps.catalogue.default_service)


async def _which(deps: Deps, words: list[str], where: Where) -> tuple[Service, Level]:
    """Without a level, the first. Raises Unclear with the nearest."""
    service, rest = await _here(deps, where), words
    if len(words) > 2:
        raise Unclear("Write a service and a level after it, no more: `/incident oncall take 2h payments secondary`.")
    if words and (len(words) == 2 or words[0].casefold() in deps.catalogue.services):
        service, rest = deps.catalogue.service(words[0]), words[1:]
    if not service.oncall:
        others = _others(deps, service)
        raise Unclear(" ".join([view.no_levels(service), *([view.elsewhere_too(others)] if others else [])]))
    if not rest:
        return service, next(iter(service.oncall.values()))
    return service, _level(deps, service, rest[0], is_level=len(words) == 2)


def _level(deps: Deps, service: Service, word: str, *, is_level: bool) -> Level:
    found = next((one for key, one in service.oncall.items() if key.casefold() == word.casefold()), None)
    if found is not None:
        return found
    if is_level:
        raise Unclear(f"{service.name} has no level “{word[:60]}” of on-call. {hint(word, service.oncall)}")
    known = [*service.oncall, *deps.catalogue.services]
    raise Unclear(f"“{word[:60]}” is neither a service nor a level of on-call for {service.name}. {hint(word, known)}")
