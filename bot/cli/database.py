"""Commands about what the database holds: migrate, export."""

from __future__ import annotations

import json
from pathlib import Path

import click

from bot.cli.base import no_collections, read_settings, run_async
from bot.domain.incidents.incident import number
from bot.settings import Settings


@click.command()
def migrate() -> None:
    """Bring the database to the current schema."""
    settings = read_settings()
    from bot.store.db.process_lock import only_process
    from bot.store.db.schema import migrate as bring_up

    url = settings.database_url.reveal()
    with only_process(url):
        bring_up(url)
    click.echo("The database has the current schema.")


@click.command()
@click.argument("incident")
@click.option("--format", "shape", type=click.Choice(["md", "json"]), default="md", show_default=True)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file.")
def export(incident: str, shape: str, out: Path | None) -> int:
    """INC-42's post-mortem draft as Markdown, or everything known as JSON."""
    wanted = number(incident)
    if wanted is None:
        raise click.UsageError(f"“{incident}” is no incident. Write it like INC-42.")
    return run_async(_export(read_settings(), wanted, shape, out))


async def _export(settings: Settings, wanted: int, shape: str, out: Path | None) -> None:
    with no_collections():
        from bot.app import offline
    from bot.services.admin import export

    async with offline.looking(settings) as deps:
        if shape == "md":
            text = await export.markdown(deps, wanted)
        else:
            text = json.dumps(await export.everything(deps, wanted), indent=2, ensure_ascii=False) + "\n"
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as problem:
        raise click.ClickException(f"{out} cannot be written: {problem.strerror}.") from problem
