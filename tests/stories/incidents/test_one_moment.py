"""What happens in one act happens at one moment, however slow the machine."""

from __future__ import annotations

import re
from datetime import datetime

from bot.ports import Database
from tests.support.clock import HandClock
from tests.support.story import told


class RestlessClock(HandClock):
    """Every look at it finds it a second later."""

    def now(self) -> datetime:
        return self.advance(1)


async def test_mitigated_and_resolved_at_once(sqlite_database: Database) -> None:
    """Who resolves without a word before has mitigated at that very moment: the draft shows one duration for both."""
    async with told(sqlite_database, RestlessClock()) as story:
        room = await story.declared("P1 checkout is down")
        await story.types("Ada", "/incident resolve rolled back", room)
        [draft] = await story.files(room)
        mitigated, resolved = (re.search(rf"Time to {what} \| (.+) \|", draft) for what in ("mitigate", "resolve"))
        assert mitigated, draft
        assert resolved, draft
        assert mitigated[1] == resolved[1]
