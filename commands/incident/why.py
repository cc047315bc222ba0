"""/incident why ALR-n"""

from __future__ import annotations

from bot.deps import Deps
from bot.interactions import Command, Reply
from bot.services.alerts import operations as alert_operations


async def on_command(command: Command, deps: Deps) -> Reply:
    group, _ = await alert_operations.named(deps, command.text, command.where)
    return Reply(await alert_operations.why(deps, group or await alert_operations.by_name(deps, command.text)))
