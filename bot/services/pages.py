"""Waking people by PagerDuty, through the outbox."""

from __future__ import annotations

from bot.deps import Deps
from bot.domain.person import BOT
from bot.ports import Tx


async def wake(
    deps: Deps,
    tx: Tx,
    *,
    subject: str,
    target: str,
    service: str,
    title: str,
    text: str,
    key: str,
    rank: int = 0,
    by: str = BOT,
    climb: int | None = None,
    position: int | None = None,
) -> None:
    """Page `page:WHO-or-CONTACT` of `service` about `subject` (`ALR-7`, `INC-42`, `RUN-7`), once for each `key`.

    `climb` and `position` name the step of a ladder that asks for it: what stops the step stops the page, too, until
    the request leaves.
    """


async def acknowledged(deps: Deps, tx: Tx, subject: str, by: str) -> None:
    """Somebody is on it: whoever PagerDuty would wake next is left alone. Nothing goes back to where it came from."""


async def resolved(deps: Deps, tx: Tx, subject: str, by: str) -> None:
    """It is over, so it is over there."""
