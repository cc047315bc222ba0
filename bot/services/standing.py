"""Whether a step of a ladder is still wanted: asked once more just before anything leaves."""

from __future__ import annotations

from bot.deps import Deps
from bot.ports import Tx


async def stopped(deps: Deps, tx: Tx, climb: int, position: int) -> str | None:
    """Why it need not go out any more, in one sentence; None: it is wanted."""
    return None
