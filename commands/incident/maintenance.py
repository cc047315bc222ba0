"""/incident maintenance · maintenance [on] <service> 2h [reason] · maintenance end MNT-3|<service>"""

from __future__ import annotations

from bot.deps import Deps
from bot.domain.alerts import maintenance as rules
from bot.domain.alerts.maintenance import Window
from bot.domain.errors import Unclear
from bot.domain.people.person import Actor
from bot.interactions import Command, Reply
from bot.services.alerts import maintenance
from bot.views import silence as view


async def on_command(command: Command, deps: Deps) -> Reply:
    first, _, rest = command.text.strip().partition(" ")
    if not first:
        found, firing = await maintenance.on(deps)
        services = {key: service.name for key, service in deps.catalogue.services.items()}
        return Reply(view.windows(found, services, firing))
    if first.casefold() == "end":
        return await _end(deps, rest.strip(), command.by)
    window, total, is_new = await maintenance.begin(deps, rules.read(command.text), command.by)
    return Reply(view.begun(window, _name(deps, window), total, is_new=is_new))


async def _end(deps: Deps, word: str, by: Actor) -> Reply:
    if not word:
        raise Unclear("Say what ends: `/incident maintenance end MNT-3`, or the service.")
    number = rules.number(word)
    if number is None:
        number = await maintenance.named(deps, word)
    window, total = await maintenance.end(deps, number, by)
    return Reply(view.window_over(window, _name(deps, window), total))


def _name(deps: Deps, window: Window) -> str:
    service = deps.catalogue.services.get(window.service)
    return service.name if service else window.service
