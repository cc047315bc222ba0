"""What every command of the line shares: settings, exit codes, and quick starts."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from bot import telemetry
from bot.domain.text.wording import nearest
from bot.settings import Settings

if TYPE_CHECKING:
    from bot.app.database import Opened

BY = "cli"  # the actor in the audit log


class Commands(click.Group):
    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            close = nearest(args[0], self.list_commands(ctx))
            said = f"Did you mean “{close}”?" if close else "`tocsin --help` lists the commands."
            raise click.UsageError(f"There is no command “{args[0]}”. {said}", ctx) from None


@contextmanager
def no_collections() -> Iterator[None]:
    """While hundreds of modules are imported there is no garbage, and looking for it is a tenth of the time.

    Afterwards it is looked for less often than Python does by itself: each look pauses everybody.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.set_threshold(5_000, 20, 10)
        gc.enable()


def read_settings() -> Settings:
    settings = Settings.read()
    telemetry.configure(settings.log_format, settings.log_level)
    return settings


def run_async(work: Coroutine[Any, Any, int | None]) -> int:
    return asyncio.run(work) or 0


async def with_opened(act: Callable[[Opened], Coroutine[Any, Any, int | None]]) -> int:
    """Beside a running bot."""
    with no_collections():
        from bot.app import database

    async with database.clocked(read_settings()) as opened:
        return await act(opened) or 0
