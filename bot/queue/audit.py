"""Who did what: one row beside the deed, in its transaction. The worker seals it within a second."""

from __future__ import annotations

from typing import Any

from bot.ports import Clock, Tx
from bot.store import audit


async def record(tx: Tx, clock: Clock, actor: str, action: str, subject: str, /, **detail: Any) -> None:
    """Write down that `actor` (a person's id, or tocsin) did `action` (`incident.declared`) to `subject` (`INC-42`).

    `detail` is what else matters, as JSON values; never a secret.
    """
    await audit.add(tx, clock.now(), actor, action, subject, detail)


def row(clock: Clock, actor: str, action: str, subject: str, detail: dict[str, Any]) -> dict[str, Any]:
    """The same as a row, for `bot.store.audit.add_all`: where many deeds share a transaction."""
    return {"at": clock.now(), "actor": actor, "action": action, "subject": subject, "detail": detail}
