"""Several pieces of work share one transaction: whatever is handed in while one commits goes with the next."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Write = TypeVar("Write")
Result = TypeVar("Result")


class GroupCommit(Generic[Write, Result]):
    """`commit(writes)` writes a batch; a result, or an exception, for each. When it raises, each goes alone."""

    def __init__(
        self, commit: Callable[[Sequence[Write]], Awaitable[Sequence[Result | Exception]]], *, most: int = 64
    ) -> None:
        self._commit = commit
        self._most = most
        self._waiting: list[tuple[Write, asyncio.Future[Result]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def put(self, write: Write) -> Result:
        """Returns after the commit. Raises what committing it raised."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((write, future))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all())
        return await future

    async def _write_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
            await self._write(batch)

    async def _write(self, batch: list[tuple[Write, asyncio.Future[Result]]]) -> None:
        try:
            results = await self._commit([write for write, _ in batch])
        except Exception as problem:  # noqa: BLE001  whose fault it was is found out one by one
            if len(batch) == 1:
                _settle(batch[0][1], problem)
            else:
                for one in batch:
                    await self._write([one])
        else:
            for (_, future), result in zip(batch, results, strict=True):
                _settle(future, result)


def _settle(future: asyncio.Future[Result], result: Result | Exception) -> None:
    if future.done():  # the waiting task was cancelled
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
