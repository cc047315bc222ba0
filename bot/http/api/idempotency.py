"""`Idempotency-Key`: a program's own name for one request, so that asking again asks for nothing new."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Header

from bot.deps import Deps
from bot.domain.people.person import Actor
from bot.http.access import Caller
from bot.queue import unit_of_work

Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=128,
        pattern=r"^[\x21-\x7e]+$",
        description="Any text of your own. The same key is the same request, however often it is sent.",
    ),
]


async def actor(deps: Deps, caller: Caller, key: str | None, content: dict[str, Any]) -> Actor:
    """With a key that is the token's own. Raises Unclear where it was used for something else."""
    if key is None:
        return Actor(caller.person, source="api")
    own = f"api:{caller.token.name}:{key}"
    await unit_of_work.bind(deps, own, content)
    return Actor(caller.person, key=own, source="api")
