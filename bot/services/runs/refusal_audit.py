"""What people may not do with a run is in the audit log: each attempt that was not let through."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from bot.deps import Deps
from bot.domain.errors import Conflict, Missing, Refused
from bot.domain.people.person import Actor
from bot.queue import audit
from bot.services.runs.queries import Subject

P = ParamSpec("P")
T = TypeVar("T")


def refusals_are_kept(verb: Callable[P, Awaitable[T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    @wraps(verb)
    async def careful(*given: P.args, **named: P.kwargs) -> T:
        deps, about, *rest = cast(tuple[Any, ...], given)
        by = next(one for one in (*rest, *named.values()) if isinstance(one, Actor))
        run, step = (about.run, {"step": about.step[:60]}) if isinstance(about, Subject) else (about, {})
        async with refusal_is_kept(deps, by, "run.refused", f"RUN-{run}", attempted=verb.__name__, **step):
            return await verb(*given, **named)

    return careful


@asynccontextmanager
async def refusal_is_kept(deps: Deps, by: Actor, action: str, subject: str, **more: str) -> AsyncIterator[None]:
    """In a transaction of its own."""
    try:
        yield
    except (Refused, Conflict, Missing) as problem:
        async with deps.database.transaction() as tx:
            detail = {**more, "why": problem.sentence[:500], "source": by.source}
            await audit.record(tx, deps.clock, by.id, action, subject, **detail)
        raise
