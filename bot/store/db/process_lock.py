"""One process at a time works on a SQLite database; the second reads who the first is."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from bot.domain.errors import Misconfigured
from bot.store.db.database import parse


@contextmanager
def only_process(url: str) -> Iterator[None]:
    """Hold `<database>.lock` inside the block. Raises Misconfigured when another process does; PostgreSQL needs none.

    The file stays behind; the lock does not, however the process ends.
    """
    parsed = parse(url)
    if parsed.get_backend_name() != "sqlite":
        yield
        return
    with _open(lock_path(str(parsed.database))) as file:
        _take(file)
        yield
        file.truncate(0)


def lock_path(database: str) -> Path:
    path = Path(database).resolve()
    return path.with_name(path.name + ".lock")


def _open(path: Path) -> IO[str]:
    try:
        return path.open("a+", encoding="ascii")
    except OSError as problem:
        sentence = f"{path}, the lock beside the file in TOCSIN_DATABASE_URL, cannot be written: {problem.strerror}."
        raise Misconfigured(sentence) from problem


def _take(file: IO[str]) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as problem:
        raise Misconfigured(_taken(file)) from problem
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()


def _taken(file: IO[str]) -> str:
    file.seek(0)
    pid = file.read(32).strip()
    holder = f"Process {pid}" if pid.isdigit() else "Another process"
    database = str(file.name).removesuffix(".lock")
    return f"{holder} already works on {database}: stop it first, or use PostgreSQL for more than one process."
