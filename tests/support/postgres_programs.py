"""PostgreSQL's client programs, of the version of a server or newer: pg_dump refuses a server that is newer than it."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg

from tests.support.backends import _postgres_candidates, absent

NEEDED = ("pg_dump", "pg_restore", "psql")


def programs_for(url: str) -> Path:
    """The folder they are in. Without it the test is skipped, or fails where real servers are required."""
    with psycopg.connect(url) as connection:
        wanted = connection.info.server_version // 10_000
    found = next((folder for folder in _folders() if _version(folder) >= wanted), None)
    return found or absent("PostgreSQL")


def _folders() -> Iterator[Path]:
    on_path = shutil.which("pg_dump")
    if on_path:
        yield Path(on_path).resolve().parent
    yield from _postgres_candidates()


def _version(folder: Path) -> int:
    if not all((folder / name).exists() for name in NEEDED):
        return 0
    try:
        said = subprocess.run([folder / "pg_dump", "--version"], capture_output=True, text=True, cwd="/").stdout
    except OSError:
        return 0
    found = re.search(r" (\d+)", said)
    return int(found[1]) if found else 0
