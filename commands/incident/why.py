"""/incident why ALR-n"""

from __future__ import annotations

from bot.asks import Ask, Reply
from bot.deps import Deps
from bot.services import alert_groups


async def ask(ask: Ask, deps: Deps) -> Reply:
    """Which route matched, what it said, and what it led to."""
    group, _ = await alert_groups.named(deps, ask.text, ask.where)
    return Reply(await alert_groups.why(deps, group or await alert_groups.by_name(deps, ask.text)))
