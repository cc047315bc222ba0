"""The Home tab: what is open, and what waits for me."""

from __future__ import annotations

from typing import Any

from bot.deps import Deps
from bot.domain.person import Actor
from bot.services import incidents
from bot.views import home as view


async def draw(by: Actor, deps: Deps) -> dict[str, Any]:
    waiting = await incidents.waiting_for(deps, by)
    return view.home(await incidents.open_incidents(deps, by), waiting.leading, waiting.postmortems)
