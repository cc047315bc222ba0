"""/incident escalate [INC-n|ALR-n]"""

from __future__ import annotations

from bot.deps import Deps
from bot.domain.errors import Unclear
from bot.interactions import Ask, Reply
from bot.services.response import find, page_and_escalate
from bot.views import escalation as view


async def ask(ask: Ask, deps: Deps) -> Reply:
    """The next level of its ladder goes out now, whoever is on it."""
    of, rest = await find.named(deps, ask.text, ask.where, ask.by)
    if rest:
        raise Unclear(
            f"The next level of the ladder goes out. To page somebody by name: `/incident page {of} @person`."
        )
    done = await page_and_escalate.escalate(deps, of, ask.by)
    return Reply(view.escalated(done.way.subject, done.way.ladder, done.first, done.following))
