"""References to secrets, `env:NAME` and `file:/path`, resolved at the moment of use and never stored."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from bot.domain.errors import Misconfigured
from bot.domain.text.masking import Masker
from bot.domain.text.secret import Secret

MAX_BYTES = 64_000


class Secrets:
    """Resolves references in the environment that was handed in. `masker` hides all that were resolved so far."""

    def __init__(self, environment: Mapping[str, str], *, handed_on: Mapping[str, str] | None = None) -> None:
        self._environment = environment
        self.environment = handed_on or {}  # what programs may be given
        self.masker = Masker()

    def resolve(self, reference: str) -> Secret:
        """Raises Misconfigured, naming the reference and never a value."""
        sort, _, name = reference.partition(":")
        if sort == "env" and name:
            found = self._from_environment(name)
        elif sort == "file" and name.startswith("/"):
            found = _from_file(Path(name))
        else:
            raise Misconfigured("A secret is named as env:NAME or file:/path. Correct the reference.")
        self.masker.add(found)
        return found

    def _from_environment(self, name: str) -> Secret:
        value = self._environment.get(name, "")
        if not value:
            raise Misconfigured(f"{name} is not set. Set it where Tocsin runs.")
        return Secret(value)


def _from_file(path: Path) -> Secret:
    try:
        raw = _read(path)
    except OSError as problem:
        raise Misconfigured(f"{path} cannot be read: {problem.strerror}. Correct the path or its rights.") from None
    if len(raw) > MAX_BYTES:
        raise Misconfigured(f"{path} holds more than {MAX_BYTES:,} bytes. A secret is shorter.")
    try:
        value = raw.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise Misconfigured(f"{path} is not text in UTF-8. Store the secret as text.") from None
    if not value:
        raise Misconfigured(f"{path} is empty. Store the secret there.")
    return Secret(value)


def _read(path: Path) -> bytes:
    # Not blocking: a pipe without a writer would stop the whole process.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(0, "it is not a regular file")
        return file.read(MAX_BYTES + 1)
