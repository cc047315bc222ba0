"""A key that a program chose stands for one request, and for no other."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from bot.deps import Deps
from bot.domain.errors import Unclear
from bot.store import requests as store


async def bind(deps: Deps, key: str, content: dict[str, Any]) -> None:
    """Tie the key to this content; the same again changes nothing. Raises Unclear where it means something else."""
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    bound = f"content:{key}"
    async with deps.database.transaction() as tx:
        if await store.insert(tx, bound, at=deps.clock.now()):
            await store.answer(tx, bound, subject=None, answer={"sha256": digest})
            return
        first = await store.answer_of(tx, bound)
    if first.answer != {"sha256": digest}:
        raise Unclear("This Idempotency-Key was used for another request. Choose a new key for a new request.")
