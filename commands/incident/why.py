"""/incident why ALR-n"""

from __future__ import annotations

from bot.deps import Deps
from bot.interactions import Ask, Reply
from bot.services.alerts import operations as alert_operations


async def ask(ask: Ask, deps: Deps) -> Reply:
    """Which route matched, what it said, and what it led to."""
    group, _ = await alert_operations.named(deps, ask.text, ask.where)
    return Reply(await alert_operations.why(deps, group or await alert_operations.by_name(deps, ask.text)))
