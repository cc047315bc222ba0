"""What stories are told with is what the bot would have: nothing that was kept for speed makes a difference."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

from bot import manifest
from bot.catalogue.load import load
from bot.paths import data
from tests.support.catalogues import PAYMENTS, catalogue, whole
from tests.support.databases import opened
from tests.support.story import app


def test_a_kept_catalogue_is_the_one_that_is_there(tmp_path: Path) -> None:
    """The same words in another folder, other words in the same one, a folder that may use the shell: as if read."""
    first = catalogue(tmp_path / "first", payments=PAYMENTS)
    second = catalogue(tmp_path / "second", payments=PAYMENTS)
    for folders in ([data("runbooks")], [first], [second]):
        assert whole(folders) == load(folders).catalogue
        assert whole(folders, allow_shell=folders) == load(folders, allow_shell=folders).catalogue
    (second / "payments" / "service.yml").write_text(PAYMENTS.replace("Payments", "Money"))
    assert whole([second]) == load([second]).catalogue
    assert whole([second]).services["payments"].name == "Money"


def test_the_kept_manifest_cannot_be_changed() -> None:
    """What one story does to its manifest, no other sees."""
    app()["settings"].clear()
    assert app() == manifest.for_socket_mode()


def test_a_kept_engine_keeps_nothing_else(sqlite_url: str) -> None:
    """The next test has another loop and a fresh file, and opens the same address."""
    path = Path(sqlite_url.removeprefix("sqlite:///"))

    async def notes() -> list[str]:
        database = await opened(sqlite_url)
        async with database.transaction() as tx:
            found = list((await tx.exec_driver_sql("SELECT text FROM notes")).scalars())
            await tx.exec_driver_sql("INSERT INTO notes VALUES ('seen')")
        await database.close()
        return found

    for _ in range(2):
        path.unlink(missing_ok=True)
        with closing(sqlite3.connect(path)) as made:
            made.execute("CREATE TABLE notes (text)")
        assert asyncio.run(notes()) == []
        assert asyncio.run(notes()) == ["seen"]
