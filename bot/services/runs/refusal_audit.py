"""What people may not do with a run is in the audit log, each attempt of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from bot.domain.errors import Conflict, Missing, Problem, Refused
from bot.domain.people.person import Actor
from bot.queue import audit
from bot.services.runs.queries import Subject

P = ParamSpec("P")
T = TypeVar("T")


def refusals_are_kept(verb: Callable[P, Awaitable[T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """For what people do with a run, or a step of it: each attempt that was not let through is in the audit log."""

    @wraps(verb)
    async def careful(*given: P.args, **named: P.kwargs) -> T:
        try:
            return await verb(*given, **named)
        except (Refused, Conflict, Missing) as problem:
            await _note_attempt(verb.__name__, problem, given, named)
            raise

    return careful


async def _note_attempt(attempted: str, problem: Problem, given: tuple[Any, ...], named: Mapping[str, Any]) -> None:
    deps, about, *rest = given
    by = next(one for one in (*rest, *named.values()) if isinstance(one, Actor))
    run, step = (about.run, about.step[:60]) if isinstance(about, Subject) else (about, "")
    async with deps.database.transaction() as tx:
        detail = {"attempted": attempted, "why": problem.sentence[:500], "source": by.source} | (
            {"step": step} if step else {}
        )
        await audit.record(tx, deps.clock, by.id, "run.refused", f"RUN-{run}", **detail)
