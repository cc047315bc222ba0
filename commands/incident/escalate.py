"""/incident escalate [INC-n|ALR-n]"""

from __future__ import annotations

from bot.deps import Deps
from bot.domain.errors import Unclear
from bot.interactions import Command, Reply
from bot.services.response import find, page_and_escalate
from bot.views import escalation as view


async def on_command(command: Command, deps: Deps) -> Reply:
    of, rest = await find.named(deps, command.text, command.where, command.by)
    if rest:
        raise Unclear(
            f"The next level of its policy goes out. To page somebody by name: `/incident page {of} @person`."
        )
    done = await page_and_escalate.escalate(deps, of, command.by)
    return Reply(view.escalated(done.escalation.subject, done.escalation.policy, done.first, done.following))
