"""The audit log: verify its chain, or export it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bot.cli.base import Commands, run_async, with_opened

if TYPE_CHECKING:
    from bot.app.database import Opened


@click.group(cls=Commands)
def audit() -> None:
    """The audit log: verify its chain, or export it."""


@audit.command()
def verify() -> int:
    """Walk the chain; exit 1 and name the first broken link."""
    return run_async(with_opened(_verify))


async def _verify(opened: Opened) -> int:
    from bot.store import audit as log

    async with opened.database.reading() as tx:
        broken = await log.verify(tx)
    click.echo(broken[0] if broken else "The audit log is whole.")
    return 1 if broken else 0


@audit.command("export")
def export_audit() -> int:
    """Every entry as JSON lines."""
    return run_async(with_opened(_print_lines))


async def _print_lines(opened: Opened) -> None:
    from bot.store import audit as log

    async with opened.database.reading() as tx:
        async for line in log.export(tx):
            click.echo(line)
