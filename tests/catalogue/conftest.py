"""Catalogues and templates written for one test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from bot.catalogue.load import Loaded, load

SERVICE = """\
service: {key}
default_severity: P1
severities:
  - key: P1
    aliases: [high]
    update_every: 30m
  - {{key: P2, channel: false}}
"""


class Files:
    """A folder to write into. `service` writes the smallest service that loads, or the given text."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")
        return path

    def service(self, key: str = "default", text: str = SERVICE, *, extra: str = "") -> Path:
        return self.write(f"{key}/service.yml", dedent(text).format(key=key) + extra)

    def load(self) -> Loaded:
        return load([self.root])

    def findings(self) -> list[str]:
        """`line: sentence`, without the folder."""
        return [str(finding).removeprefix(f"{self.root}/") for finding in self.load().findings]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    root = tmp_path / "catalogue"
    root.mkdir()
    return Files(root)


@pytest.fixture
def more_files(tmp_path: Path) -> Callable[[str], Files]:
    def make(name: str) -> Files:
        (tmp_path / name).mkdir()
        return Files(tmp_path / name)

    return make
