"""Edits of a running bot's files: a good one takes over whole, a broken one is reported and changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import structlog

from bot.catalogue.load import Loaded, catalogue_files, load
from bot.deps import CurrentCatalogue
from bot.domain.catalogue.catalogue import Finding

_log = structlog.get_logger()

Signature = tuple[tuple[str, int, int, int], ...]


class CatalogueWatcher:
    """Looks at the files of `folders` and `templates`, and keeps `current_catalogue` at their last good version."""

    def __init__(
        self,
        folders: Sequence[Path],
        templates: Sequence[Path],
        current_catalogue: CurrentCatalogue,
        allow_shell: Sequence[Path] = (),
    ) -> None:
        self._folders = tuple(folders)
        self._templates = tuple(templates)
        self._box = current_catalogue
        self._load = partial(load, self._folders, templates=self._templates, allow_shell=tuple(allow_shell))
        self._seen: Signature | None = None

    async def look(self) -> list[Finding] | None:
        """None: nothing new to say. Empty: an edit is in force. Otherwise what is wrong with it, said once.

        Cheap where no file has changed. Call it from one task only.
        """
        seen = await asyncio.to_thread(self._signature)
        if seen == self._seen:
            return None
        loaded = await asyncio.to_thread(self._load)
        self._seen = seen
        return self._take(loaded)

    def _take(self, loaded: Loaded) -> list[Finding] | None:
        before = self._box.findings
        self._box.findings = loaded.findings
        if loaded.findings:
            return self._refuse(loaded, before)
        if loaded.catalogue is None:
            return None
        changed = loaded.catalogue.version != self._box.current.version
        self._box.current = loaded.catalogue
        if changed or before:
            _log.info("catalogue.loaded", version=loaded.catalogue.version, services=len(loaded.catalogue.services))
            return []
        return None

    def _refuse(self, loaded: Loaded, before: tuple[Finding, ...]) -> list[Finding] | None:
        if loaded.findings == before:
            return None
        for finding in loaded.findings:
            _log.warning("catalogue.refused", file=finding.file, line=finding.line, problem=finding.sentence)
        return list(loaded.findings)

    def _signature(self) -> Signature:
        return tuple(_stamp(path) for path in self._files())

    def _files(self) -> Iterator[Path]:
        yield from catalogue_files(self._folders)
        for folder in self._templates:
            yield from sorted(path for path in folder.rglob("*.*") if path.suffix in (".txt", ".md"))


def _stamp(path: Path) -> tuple[str, int, int, int]:
    try:
        stat = path.stat()
    except OSError:
        return (str(path), 0, 0, 0)
    return (str(path), stat.st_mtime_ns, stat.st_size, stat.st_ino)
