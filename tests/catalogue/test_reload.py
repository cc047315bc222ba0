"""An edit takes over whole or not at all, and a broken one is said once."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bot.catalogue.reload import CatalogueWatcher
from bot.deps import CurrentCatalogue
from tests.catalogue.conftest import Files


@pytest.fixture
def current_catalogue(files: Files) -> CurrentCatalogue:
    files.service()
    catalogue = files.load().catalogue
    assert catalogue is not None
    return CurrentCatalogue(catalogue)


@pytest.fixture
def watcher(files: Files, current_catalogue: CurrentCatalogue) -> CatalogueWatcher:
    return CatalogueWatcher([files.root], [files.root / "templates"], current_catalogue)


async def test_nothing_changed(watcher: CatalogueWatcher, files: Files, current_catalogue: CurrentCatalogue) -> None:
    """Files as they were loaded leave the catalogue as it is."""
    (files.root / "templates").mkdir()
    before = current_catalogue.current
    assert [await watcher.look(), await watcher.look()] == [None, None]
    assert current_catalogue.current.version == before.version


async def test_good_edit(watcher: CatalogueWatcher, files: Files, current_catalogue: CurrentCatalogue) -> None:
    """A good edit is in force at the next look."""
    (files.root / "templates").mkdir()
    await watcher.look()
    files.service(extra="name: Shop")
    assert await watcher.look() == []
    assert current_catalogue.current.services["default"].name == "Shop"
    assert current_catalogue.findings == ()


async def test_broken_edit(watcher: CatalogueWatcher, files: Files, current_catalogue: CurrentCatalogue) -> None:
    """A broken edit keeps the last good version whole, is said once, and a repair is taken."""
    (files.root / "templates").mkdir()
    await watcher.look()
    files.service("checkout", extra="name: Shop")
    files.service(extra="nam: Shop")
    with capture_logs() as logs:
        (finding,) = await watcher.look() or []
    assert "Did you mean “name”?" in finding.sentence
    assert [(entry["event"], entry["line"]) for entry in logs] == [("catalogue.refused", 8)]
    assert current_catalogue.findings == (finding,)
    assert set(current_catalogue.current.services) == {"default"}
    assert await watcher.look() is None
    files.service("checkout", extra="name: Shop 2")
    assert await watcher.look() is None  # still the same finding: it was said
    files.service(extra="name: Shop")
    assert await watcher.look() == []
    assert set(current_catalogue.current.services) == {"default", "checkout"}
    assert current_catalogue.findings == ()


async def test_removed_file(watcher: CatalogueWatcher, files: Files, current_catalogue: CurrentCatalogue) -> None:
    """Removing the last service leaves the last good version in force."""
    (files.root / "templates").mkdir()
    await watcher.look()
    (files.root / "default" / "service.yml").unlink()
    assert [finding.sentence for finding in await watcher.look() or []] == [
        "No service is here. Add <key>/service.yml."
    ]
    assert set(current_catalogue.current.services) == {"default"}


async def test_broken_template(watcher: CatalogueWatcher, files: Files, current_catalogue: CurrentCatalogue) -> None:
    """A broken template is said as well, with its file."""
    (files.root / "templates").mkdir()
    await watcher.look()
    path: Path = files.write("templates/slack/update.txt", "{% if %}")
    (finding,) = await watcher.look() or []
    assert finding.file == str(path)
    path.unlink()
    assert await watcher.look() == []
