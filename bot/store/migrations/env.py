"""Alembic's entry: one transaction on the connection that `bot.store.db.schema` hands over, one migrator at a time."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from alembic.operations.ops import DropTableOp, MigrationScript, ModifyTableOps
from sqlalchemy import Connection

from bot.store.tables import Utc, metadata


def render_item(kind: str, item: Any, autogen: AutogenContext) -> str | Literal[False]:
    """A revision must not change when `Utc` does, so it names the column type underneath."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, Utc) else False


def leave_out_indexes(_context: Any, _revision: Any, scripts: list[MigrationScript]) -> None:
    """A downgrade that drops a table need not drop its indexes first."""
    for downgrade in (script.downgrade_ops for script in scripts if script.downgrade_ops):
        dropped = {each.table_name for each in downgrade.ops if isinstance(each, DropTableOp)}
        downgrade.ops = [
            each for each in downgrade.ops if not (isinstance(each, ModifyTableOps) and each.table_name in dropped)
        ]


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_item=render_item,
        process_revision_directives=leave_out_indexes,
        transactional_ddl=True,  # in SQLite too: a migration happens whole or not at all
    )
    context.run_migrations()


run(context.config.attributes["connection"])
