"""One process at a time works on a SQLite database."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bot.domain.errors import Misconfigured
from bot.store.db.process_lock import only_process

HOLD = """
import sys
from bot.store.db.process_lock import only_process
with only_process(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_second_process_reads_who_is_first(tmp_path: Path) -> None:
    """While a process holds the lock another is told its number and the file, through a link too."""
    url, link = f"sqlite:///{tmp_path}/tocsin.db", tmp_path / "link.db"
    link.symlink_to(tmp_path / "tocsin.db")
    with subprocess.Popen([sys.executable, "-c", HOLD, url], stdin=-1, stdout=-1) as holder:
        assert holder.stdout
        holder.stdout.readline()
        for name in (url, f"sqlite:///{link}"):
            with pytest.raises(Misconfigured) as problem, only_process(name):
                pass
            assert f"Process {holder.pid} already works on {tmp_path}/tocsin.db:" in problem.value.sentence
        holder.kill()
        holder.wait()
        with only_process(url):
            assert (tmp_path / "tocsin.db.lock").read_text() == f"{os.getpid()}\n"


def test_the_lock_is_given_back(tmp_path: Path) -> None:
    """After the block, an exception included, the next one may."""
    url = f"sqlite:///{tmp_path}/tocsin.db"
    with pytest.raises(KeyError), only_process(url):
        raise KeyError
    with only_process(url):
        pass


def test_postgres_needs_no_lock() -> None:
    """Any number of processes may work on PostgreSQL."""
    url = "postgresql://localhost/tocsin"
    with only_process(url), only_process(url):
        pass


def test_a_missing_folder_is_a_sentence(tmp_path: Path) -> None:
    """A lock that cannot be written is explained."""
    with pytest.raises(Misconfigured, match="cannot be written"), only_process(f"sqlite:///{tmp_path}/no/tocsin.db"):
        pass
