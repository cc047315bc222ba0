"""Commands that run until they are stopped: serve, worker, demo, simulator."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from bot import telemetry
from bot.cli.base import no_collections, read_settings, run_async
from bot.settings import Settings


@click.command()
@click.option("--no-worker", is_flag=True, help="Only the doors; `tocsin worker` runs elsewhere (PostgreSQL).")
def serve(no_worker: bool) -> int:
    """The bot: HTTP door, Socket Mode when SLACK_APP_TOKEN is set, and a worker."""
    settings = read_settings()
    if no_worker and settings.on_sqlite:
        raise click.UsageError("--no-worker needs PostgreSQL: on SQLite one process does everything.")
    with no_collections():
        from bot.app import serve as serving

    return run_async(serving.serve(settings, with_worker=not no_worker))


@click.command()
def worker() -> int:
    """A worker alone; on PostgreSQL any number beside any number of `serve`."""
    settings = read_settings()
    settings.bot_token()
    with no_collections():
        from bot.app import serve as serving

    return run_async(serving.work(settings))


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=3000, show_default=True, type=click.IntRange(1, 65535))
@click.option("--speed", default=60.0, show_default=True, type=click.FloatRange(0.1, 3600), help="Times faster.")
@click.option(
    "--data", type=click.Path(path_type=Path, file_okay=False), help="Keep each demo's database in this folder."
)
def demo(host: str, port: int, speed: float, data: Path | None) -> int:
    """A simulated Slack workspace with the bot in it, in your browser. Needs no Slack account."""
    settings = Settings.read({})
    telemetry.configure("console", "warning")
    with no_collections():
        from bot.app import demo as play

    return run_async(play.run(settings, host=host, port=port, speed=speed, folder=data, say=click.echo))


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=3000, show_default=True, type=click.IntRange(1, 65535))
@click.option("--manifest", "path", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--journal", type=click.Path(path_type=Path, dir_okay=False), help="Write every call to this file.")
@click.option("--speed", default=1.0, show_default=True, type=click.FloatRange(0.1, 3600))
def simulator(host: str, port: int, path: Path | None, journal: Path | None, speed: float) -> int:
    """The simulated workspace alone; point a bot at it with SLACK_API_URL."""
    from bot import manifest

    chosen = manifest.read(path) if path else manifest.for_socket_mode()
    try:
        return run_async(_simulate(chosen, host, port, journal, speed))
    except OSError as problem:
        if problem.filename:
            raise click.ClickException(f"{problem.filename} cannot be written: {problem.strerror}.") from problem
        raise click.ClickException(f"Port {port} on {host} cannot be had: choose another with --port.") from problem


async def _simulate(manifest: dict[str, Any], host: str, port: int, journal: Path | None, speed: float) -> None:
    from bot.app.signals import stopping
    from bot.simulator import Simulator, run_simulator

    def say(simulator: Simulator) -> None:
        click.echo(f"The simulated workspace is at {simulator.url}, its Web API at {simulator.api_url}")

    stop = asyncio.Event()
    with stopping(stop):
        await run_simulator(manifest, host, port, journal, speed, listening=say, stop=stop)
