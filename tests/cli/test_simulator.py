"""`tocsin simulator` as a process, and a bot that lives in it."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.cli.test_processes import ended, post, wait_for
from tests.support.backends import free_port

Start = Callable[..., "subprocess.Popen[str]"]


def test_it_shows_a_page_and_ends_cleanly(start: Start, tmp_path: Path) -> None:
    """The workspace alone says where it is, keeps a journal, and ends on a signal without a word."""
    port, journal = free_port(), tmp_path / "journal"
    simulator = start("simulator", "--port", str(port), "--journal", str(journal))
    url = f"http://127.0.0.1:{port}"
    assert b"<html" in wait_for(f"{url}/", simulator)
    assert not post(f"{url}/api/auth.test")["ok"]  # no token
    code, out, err = ended(simulator, signal.SIGTERM)
    assert (code, err) == (0, "")
    assert f"{url}/api/" in out
    assert "auth.test" in journal.read_text()


def test_a_taken_port_is_a_sentence(start: Start) -> None:
    """A workspace on a port that is taken says so, in one sentence."""
    port = free_port()
    first = start("simulator", "--port", str(port))
    wait_for(f"http://127.0.0.1:{port}/", first)
    second = start("simulator", "--port", str(port))
    out, err = second.communicate(timeout=30)
    assert (second.returncode, out, err.count("\n")) == (1, "", 1)
    assert str(port) in err
