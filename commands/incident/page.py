"""/incident page [INC-n|ALR-n] [service|contact|@person] [words]"""

from __future__ import annotations

from bot.deps import Deps
from bot.interactions import Command, Reply
from bot.services.response import find, page_and_escalate
from bot.views import escalation as view


async def on_command(command: Command, deps: Deps) -> Reply:
    of, rest = await find.named(deps, command.text, command.where, command.by)
    paged = await page_and_escalate.page(deps, of, rest, command.by)
    by_pager, by_mail = deps.pager is not None, deps.mailer is not None
    return Reply(view.paged(paged.subject, paged.spoken, by_pager, by_mail, is_drill=paged.is_drill))
