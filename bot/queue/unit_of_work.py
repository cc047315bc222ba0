"""One public verb is one transaction, keyed: what arrives twice is carried out once, and the second asker is told what
the first was told. Workers are woken after it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from bot.deps import Deps
from bot.domain.errors import Repeated, Unclear
from bot.domain.people.person import Actor
from bot.ports import Tx
from bot.store.queue import requests as store


@asynccontextmanager
async def begin(deps: Deps, by: Actor | None = None) -> AsyncIterator[Tx]:
    """Raises Repeated where the actor's key was already carried out."""
    async with deps.database.transaction() as tx:
        if by:
            await once(deps, tx, by.key)
        yield tx
    deps.wakeups.wake()


async def once(deps: Deps, tx: Tx, key: str | None) -> None:
    """The first statement of a keyed transaction. Raises Repeated(answer, subject) when the key was carried out.

    A key of None is not checked. When the transaction rolls back, the key is free again.
    """
    if key is None or await store.insert(tx, key, at=deps.clock.now()):
        return
    first = await store.answer_of(tx, key)
    raise Repeated(first.answer, first.subject)


async def answered(tx: Tx, key: str | None, *, subject: str | None, answer: dict[str, Any] | None) -> None:
    if key is not None:
        await store.answer(tx, key, subject=subject, answer=answer)


async def subject_of(deps: Deps, key: str | None) -> str | None:
    """None where the key is new."""
    if key is None:
        return None
    async with deps.database.reading() as tx:
        first = await store.find(tx, key)
    return first.subject if first else None


async def bind(deps: Deps, key: str, content: dict[str, Any]) -> None:
    """Tie the key to this content. Raises Unclear where it has another."""
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    bound = f"content:{key}"
    async with deps.database.transaction() as tx:
        if await store.insert(tx, bound, at=deps.clock.now()):
            await store.answer(tx, bound, subject=None, answer={"sha256": digest})
            return
        first = await store.answer_of(tx, bound)
    if first.answer != {"sha256": digest}:
        raise Unclear("This Idempotency-Key was used for another request. Choose a new key for a new request.")
