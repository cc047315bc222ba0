"""/incident why ALR-n"""

from __future__ import annotations

from bot.asks import Ask, Reply
from bot.deps import Deps
from bot.services import alert_groups


async def ask(ask: Ask, deps: Deps) -> Reply:
    """Which route matched, what it said, and what it led to."""
    group = await alert_groups.by_name(deps, ask.text)
    return Reply(await alert_groups.why(deps, group))
