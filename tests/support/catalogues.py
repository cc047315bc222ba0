"""Small catalogues and template folders for tests, written as operators write them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bot.catalogue.load import catalogue_files, load
from bot.domain.catalogue.catalogue import Catalogue
from bot.domain.catalogue.runbook import Runbook
from bot.paths import data

PAYMENTS = """
service: payments
name: Payments
default_severity: S2
severities:
  - {key: S1, aliases: [urgent], name: Urgent, update_every: 15m, watch: 20m, postmortem_due: 48h}
  - {key: S2, name: Normal, update_every: 30m}
"""


def catalogue(folder: Path, *, org: str = "", **services: str) -> Path:
    """The packaged catalogue with these services beside its own, and `org` in place of its org.yml."""
    made = folder / "catalogue"
    shutil.copytree(data("runbooks"), made)
    for key, text in services.items():
        (made / key).mkdir()
        (made / key / "service.yml").write_text(text)
    if org:
        # The packaged runbooks name the packaged connections.
        packaged = (made / "org.yml").read_text()
        connections = packaged[packaged.index("\nconnections:") :]
        (made / "org.yml").write_text(org if "connections:" in org else f"{org}\n{connections}")
    return made


def templates(folder: Path, **files: str) -> Path:
    """A template folder: `templates(tmp_path, **{"slack/update.txt": "…"})`."""
    made = folder / "templates"
    for name, text in files.items():
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_text(text)
    return made


_known: dict[object, tuple[Sequence[Path], Catalogue]] = {}


def whole(folders: Sequence[Path], *, allow_shell: Sequence[Path] = ()) -> Catalogue:
    """What `load` makes of folders without a finding; what was read of the same words before is not read again."""
    allowed = {one.resolve() for one in allow_shell}
    key = (_content(folders), tuple(folder.resolve() in allowed for folder in folders))
    if key not in _known:
        loaded = load(folders, allow_shell=allow_shell)
        assert not loaded.findings, loaded.findings
        assert loaded.catalogue is not None
        _known[key] = folders, loaded.catalogue
    places, catalogue = _known[key]
    moved = dict(zip(map(str, places), map(str, folders), strict=True))
    return replace(catalogue, runbooks={id_: _moved(one, moved) for id_, one in catalogue.runbooks.items()})


def _content(folders: Sequence[Path]) -> tuple[tuple[tuple[str, ...], bytes], ...]:
    """The layout of each folder and the words of each file. What is no catalogue's file is a finding, or nothing."""
    return tuple(
        ((str(number), folder.name, *path.relative_to(folder).parts), path.read_bytes() if path.is_file() else b"")
        for number, folder in enumerate(folders)
        for path in (*catalogue_files([folder]), *folder.glob("*.yaml"), *folder.glob("*/*.yaml"))
    )


def _moved(runbook: Runbook, places: dict[str, str]) -> Runbook:
    place = places[runbook.folder]
    return replace(runbook, folder=place, file=place + runbook.file.removeprefix(runbook.folder))
