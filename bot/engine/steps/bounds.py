"""Bounds on time and size that several kinds share."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

MAX_OUTPUT = 1_000_000  # bytes of a response or of a program's output that are kept
MAX_RESULT = 200_000  # characters of a result that later steps may read
MAX_SHOWN = 3_000  # characters of a result that people see at once
AGAIN_SECONDS = 2.0
GAP = 100  # what the line between both ends may take, so that an expression takes the whole
MAX_DEPTH = 50  # of lists and mappings within one another

T = TypeVar("T")


async def within(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """Raises TimeoutError. Work that does not listen to being cancelled is told again and again."""
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
        if not done:
            raise TimeoutError
        return task.result()
    finally:
        await _end(task)


async def _end(task: asyncio.Task[Any]) -> None:
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=AGAIN_SECONDS)
    if not task.cancelled():
        task.exception()  # looked at, so that nobody reports it as forgotten


def shown(text: str, limit: int = MAX_SHOWN) -> str:
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n… {len(text) - 2 * half:,} characters left out …\n{text[-half:]}"


def is_deep(value: Any) -> bool:
    left = [(value, 0)]
    while left:
        one, depth = left.pop()
        if depth > MAX_DEPTH:
            return True
        inner = one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
        left += [(each, depth + 1) for each in inner if isinstance(each, dict | list)]
    return False


def result(value: Mapping[str, Any]) -> dict[str, Any]:
    left = [MAX_RESULT]  # every name of a result stays: an expression may ask for it
    return {name: _cut(one, left) for name, one in value.items()}


def _cut(value: Any, left: list[int]) -> Any:
    match value:
        case str():
            kept = value[: max(0, left[0])]
            left[0] -= len(kept)
            return kept
        case dict():
            return {name: _cut(one, left) for name, one in value.items() if left[0] > 0}
        case list():
            return [_cut(one, left) for one in value if left[0] > 0]
    left[0] -= 8
    return value


class HeadAndTail:
    """Keeps the first and the last half of `limit` bytes, however many come."""

    def __init__(self, limit: int = MAX_OUTPUT) -> None:
        self._half = (limit - GAP if limit > 2 * GAP else limit) // 2
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        self.left_out = 0

    def add(self, chunk: bytes) -> None:
        room = self._half - len(self._head)
        self._head += chunk[:room]
        if rest := chunk[room:]:
            self._tail.append(rest)
            self._tail_size += len(rest)
        while self._tail_size > self._half:
            self._drop()

    def _drop(self) -> None:
        oldest = self._tail.popleft()
        over = min(len(oldest), self._tail_size - self._half)
        self._tail_size -= over
        self.left_out += over
        if over < len(oldest):
            self._tail.appendleft(oldest[over:])

    def text(self) -> str:
        head, tail = bytes(self._head), b"".join(self._tail)
        if not self.left_out:
            return (head + tail).decode("utf-8", "replace")
        gap = f"\n… {self.left_out:,} bytes left out …\n"
        return head.decode("utf-8", "replace") + gap + tail.decode("utf-8", "replace")
