"""What happened, one JSON object a line: every call, delivery, acknowledgement and breach of Slack's contract."""

import json
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

KEPT_ENTRIES = 200_000


class Journal:
    """An append-only record in memory (the newest 200,000 entries) and, where a path is given, in a file."""

    def __init__(self, path: Path | None = None) -> None:
        self._entries: deque[dict[str, Any]] = deque(maxlen=KEPT_ENTRIES)
        self._seq = 0
        self._watchers: list[Callable[[dict[str, Any]], None]] = []
        self._file: IO[str] | None = path.open("a", buffering=1, encoding="utf-8") if path else None

    def add(self, entry: str, at: float, **details: Any) -> None:
        """`at`: Slack's time, epoch seconds."""
        self._seq += 1
        line = {"seq": self._seq, "entry": entry, "at": datetime.fromtimestamp(at, UTC).isoformat(), **details}
        self._entries.append(line)
        if self._file:
            self._file.write(json.dumps(line, default=str) + "\n")
        for watcher in self._watchers:
            watcher(line)

    def watch(self, watcher: Callable[[dict[str, Any]], None]) -> None:
        """At once: a call's entry before its answer is on its way."""
        self._watchers.append(watcher)

    def since(self, seq: int = 0) -> Iterator[dict[str, Any]]:
        return (line for line in self._entries if line["seq"] > seq)

    def lines(self, seq: int = 0) -> str:
        return "".join(json.dumps(line, default=str) + "\n" for line in self.since(seq))

    def clear(self) -> None:
        self._entries.clear()

    def close(self) -> None:
        if self._file:
            self._file.close()
            self._file = None
