"""References to secrets."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bot.domain.errors import Misconfigured
from bot.domain.text.secret import Secret
from bot.engine.secrets import Secrets


def test_the_environment_that_was_handed_in() -> None:
    """`env:` reads what was handed in and nothing else; what was resolved is hidden from then on."""
    secrets = Secrets({"TOKEN": "hunter22"})
    assert secrets.masker.mask("hunter22") == "hunter22"
    assert secrets.resolve("env:TOKEN") == Secret("hunter22")
    assert secrets.masker.mask("hunter22") == "***"
    with pytest.raises(Misconfigured, match="PATH is not set"):
        secrets.resolve("env:PATH")


def test_a_file(tmp_path: Path) -> None:
    """`file:` reads a text without its last line end."""
    path = tmp_path / "token"
    path.write_text("hunter22\n")
    assert Secrets({}).resolve(f"file:{path}").reveal() == "hunter22"


@pytest.mark.parametrize("reference", ["TOKEN", "env:", "file:relative", "http://x", "", "file:/", "file:/nowhere"])
def test_what_is_no_reference(reference: str) -> None:
    """Anything else is a sentence."""
    with pytest.raises(Misconfigured):
        Secrets({}).resolve(reference)


def test_files_that_are_none(tmp_path: Path) -> None:
    """An empty file, a large one, bytes that are no text, a device and a pipe nobody writes to are sentences."""
    (tmp_path / "empty").touch()
    (tmp_path / "large").write_text("x" * 70_000)
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    os.mkfifo(tmp_path / "pipe")
    for path in (*tmp_path.iterdir(), Path("/dev/zero")):
        with pytest.raises(Misconfigured, match=path.name):
            Secrets({}).resolve(f"file:{path}")
