"""Write revision 0100 again from the tables. Once a release is out, add revisions instead of rewriting this one."""

from __future__ import annotations

import tempfile
from pathlib import Path

from alembic import command

from bot.store.db.schema import alembic_config, engine_for
from bot.store.tables.base import know_postgres

FIRST = Path(__file__).parent / "versions" / "0100_first.py"


def regenerate() -> Path:
    FIRST.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        know_postgres()
        engine = engine_for(f"sqlite:///{folder}/empty.db")
        with engine.begin() as connection:
            command.revision(alembic_config(connection), "first", autogenerate=True, rev_id="0100")
        engine.dispose()
    return FIRST


if __name__ == "__main__":
    regenerate()
