"""The command line. Heavy parts are imported where they are used, so that every command starts quickly."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import click

from bot import telemetry
from bot.domain.alert import Alert
from bot.domain.catalogue import Catalogue, hint, nearest
from bot.domain.errors import Problem, Unclear
from bot.domain.incident import number
from bot.settings import Settings

BY = "cli"  # the actor in the audit log


class Commands(click.Group):
    """A group that answers a typo with the nearest command."""

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
def _no_collections() -> Iterator[None]:
    """While hundreds of modules are imported there is no garbage, and looking for it is a tenth of the time.

    Afterwards it is looked for less often than Python does by itself: each look pauses everybody.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.set_threshold(5_000, 20, 10)
        gc.enable()


def main() -> NoReturn:
    """The console script: exit 0 fine, 1 findings or failure, 2 usage; errors are one sentence on standard error."""
    try:
        sys.exit(_run())
    except click.UsageError as problem:
        _fail(problem.format_message(), 2)
    except click.ClickException as problem:
        _fail(problem.format_message(), 1)
    except Problem as problem:
        _fail(problem.sentence, 1)
    except (KeyboardInterrupt, click.Abort):
        _fail("Stopped.", 1)
    except BaseExceptionGroup as group:
        _fail_of(group)
    except Exception as problem:  # noqa: BLE001 - the last door: a person reads a sentence, the log has the rest
        _broken(problem)


def _run() -> int:
    result = tocsin.main(standalone_mode=False)
    return result if isinstance(result, int) else 0


def _fail_of(group: BaseExceptionGroup[BaseException]) -> NoReturn:
    """One of several things that ran side by side failed; a Problem among them says it best."""
    first: BaseException = group
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    if isinstance(first, Problem):
        _fail(first.sentence, 1)
    _broken(first)


def _broken(problem: BaseException) -> NoReturn:
    telemetry.get_logger().debug(telemetry.Event.FAILED, exc_info=problem)
    sentence = telemetry.scrub(f"{type(problem).__name__}: {problem}".splitlines()[0])
    _fail(f"That failed unexpectedly ({sentence}). TOCSIN_LOG_LEVEL=debug shows where.", 1)


def _fail(sentence: str, code: int) -> NoReturn:
    click.echo(sentence, err=True)
    sys.exit(code)


def _settings() -> Settings:
    settings = Settings.read()
    telemetry.configure(settings.log_format, settings.log_level)
    return settings


def _do(work: Coroutine[Any, Any, int | None]) -> int:
    return asyncio.run(work) or 0


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tocsin")
def tocsin() -> None:
    """Runs incidents in Slack: declares, keeps everyone updated on time, resolves, drafts the post-mortem."""


# --- running ---


@tocsin.command()
@click.option("--no-worker", is_flag=True, help="Only the doors; `tocsin worker` runs elsewhere (PostgreSQL).")
def serve(no_worker: bool) -> int:
    """The bot: HTTP door, Socket Mode when SLACK_APP_TOKEN is set, and a worker."""
    settings = _settings()
    if no_worker and settings.on_sqlite:
        raise click.UsageError("--no-worker needs PostgreSQL: on SQLite one process does everything.")
    with _no_collections():
        from bot import main as house

    return _do(house.serve(settings, with_worker=not no_worker))


@tocsin.command()
def worker() -> int:
    """A worker alone; on PostgreSQL any number beside any number of `serve`."""
    settings = _settings()
    settings.bot_token()
    with _no_collections():
        from bot import main as house

    return _do(house.work(settings))


@tocsin.command()
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
    with _no_collections():
        from bot import demo as play

    return _do(play.run(settings, host=host, port=port, speed=speed, folder=data, say=click.echo))


@tocsin.command()
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
        return _do(_simulate(chosen, host, port, journal, speed))
    except OSError as problem:
        if problem.filename:
            raise click.ClickException(f"{problem.filename} cannot be written: {problem.strerror}.") from problem
        raise click.ClickException(f"Port {port} on {host} cannot be had: choose another with --port.") from problem


async def _simulate(manifest: dict[str, Any], host: str, port: int, journal: Path | None, speed: float) -> None:
    from bot.signals import stopping
    from bot.simulator import Simulator, run_simulator

    def say(simulator: Simulator) -> None:
        click.echo(f"The simulated workspace is at {simulator.url}, its Web API at {simulator.api_url}")

    stop = asyncio.Event()
    with stopping(stop):
        await run_simulator(manifest, host, port, journal, speed, listening=say, stop=stop)


# --- the database ---


@tocsin.command()
def migrate() -> None:
    """Bring the database to the current schema."""
    settings = _settings()
    from bot.store.lock import only_process
    from bot.store.schema import migrate as bring_up

    url = settings.database_url.reveal()
    with only_process(url):
        bring_up(url)
    click.echo("The database has the current schema.")


@tocsin.command()
@click.argument("incident")
@click.option("--format", "shape", type=click.Choice(["md", "json"]), default="md", show_default=True)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file.")
def export(incident: str, shape: str, out: Path | None) -> int:
    """INC-42's post-mortem draft as Markdown, or everything known as JSON."""
    wanted = number(incident)
    if wanted is None:
        raise click.UsageError(f"“{incident}” is no incident. Write it like INC-42.")
    return _do(_export(_settings(), wanted, shape, out))


async def _export(settings: Settings, wanted: int, shape: str, out: Path | None) -> None:
    with _no_collections():
        from bot import main as house
    from bot.services import export

    async with house.looking(settings) as deps:
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


@tocsin.group(cls=Commands)
def audit() -> None:
    """The audit log: verify its chain, or export it."""


@audit.command()
def verify() -> int:
    """Walk the chain; exit 1 and name the first broken link."""
    from bot.store import audit as log

    return _do(_with_database(lambda tx: _verify(log.verify(tx))))


async def _verify(walk: Coroutine[Any, Any, list[str]]) -> int:
    broken = await walk
    click.echo(broken[0] if broken else "The audit log is whole.")
    return 1 if broken else 0


@audit.command("export")
def export_audit() -> int:
    """Every entry as JSON lines."""
    from bot.store import audit as log

    async def lines(tx: Any) -> int:
        async for line in log.export(tx):
            click.echo(line)
        return 0

    return _do(_with_database(lines))


async def _with_database(act: Callable[[Any], Coroutine[Any, Any, int]]) -> int:
    with _no_collections():
        from bot import main as house

    async with house.clocked(_settings()) as (database, _), database.reading() as tx:
        return await act(tx)


# --- tokens ---


@tocsin.group(cls=Commands)
def token() -> None:
    """API tokens: their secrets are shown once and stored hashed."""


@token.command()
@click.argument("name")
@click.option(
    "--scope", "scopes", multiple=True, required=True, help="read, write, execute or ingest; may be repeated."
)
@click.option("--owner", required=True, help="The Slack user id who acts with it, e.g. U0123ABCD.")
def create(name: str, scopes: Sequence[str], owner: str) -> int:
    """Make a token; its secret alone on standard output, once."""
    from bot.domain.token import Scope
    from bot.services import tokens

    unknown = [scope for scope in scopes if scope not in set(Scope)]
    if unknown:
        raise click.UsageError(f"“{unknown[0]}” is no scope. Use read, write, execute or ingest.")

    async def make(books: Any) -> None:
        secret = await tokens.create(books, name, [Scope(scope) for scope in scopes], owner, by=BY)
        click.echo(secret.reveal())

    return _do(_with_books(make))


@token.command("list")
def list_tokens() -> int:
    """Names, scopes, owners; never a secret."""
    from bot.services import tokens

    async def show(books: Any) -> None:
        for one in await tokens.listed(books):
            state = "revoked" if one.revoked_at else "in force"
            click.echo(f"{one.name}\t{','.join(one.scopes)}\t{one.owner}\t{state}")

    return _do(_with_books(show))


@token.command()
@click.argument("name")
def revoke(name: str) -> int:
    """Refuse the token from now on."""
    from bot.services import tokens

    async def end(books: Any) -> None:
        await tokens.revoke(books, name, by=BY)
        click.echo(f"The token “{name}” is revoked.")

    return _do(_with_books(end))


async def _with_books(act: Callable[[Any], Coroutine[Any, Any, None]]) -> None:
    with _no_collections():
        from bot import main as house

    async with house.clocked(_settings()) as (database, clock):
        await act(house.Books(database, clock))


# --- runbooks ---


@tocsin.command()
@click.argument("runbook")
@click.argument("given", nargs=-1, metavar="[NAME=VALUE]…")
def plan(runbook: str, given: Sequence[str]) -> int:
    """What a run would do, and its plan hash, without doing it; problems first, and exit code 1 with them."""
    return _do(_plan(_settings(), runbook, given))


async def _plan(settings: Settings, runbook: str, given: Sequence[str]) -> int:
    with _no_collections():
        from bot import main as house
    from bot.asks import Where
    from bot.domain import parameters
    from bot.services import approvals, asking, glance
    from bot.views import outline

    deps = house.planning(settings)
    try:
        found = await asking.draft(deps, asking.Wanted(runbook, parameters.pairs(given)), Where())
    except Unclear as problem:
        raise click.UsageError(problem.sentence) from None
    who = approvals.who_of(deps, found.gate) if found.gate else ()
    seen = {} if found.plan.problems else await glance.looks(deps, found.runbook, found.plan)
    text = "\n".join(outline.lines(found.runbook, found.plan, found.gate, who, seen))
    click.echo(deps.vault.masker.mask(text))
    return 1 if found.plan.problems else 0


# --- files ---


@tocsin.command()
@click.argument("folders", nargs=-1, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--tests", is_flag=True, help="Run the runbooks' own tests too (<id>.test.yml).")
@click.option("--schema", is_flag=True, help="Print the JSON Schemas of the catalogue's files.")
def check(folders: Sequence[Path], tests: bool, schema: bool) -> int:
    """Validate catalogue, templates and manifest; each finding is `file:line: sentence`."""
    settings = _settings()
    from bot.catalogue import check as checks
    from bot.paths import data

    if schema:
        click.echo(json.dumps(checks.schemas(), indent=2))
        return 0
    looked_at = list(folders) or list(settings.catalog) or [data("runbooks")]
    templates = [*settings.templates, data("templates")]
    found = checks.check(looked_at, templates, data("manifest.yml"), settings.allow_shell)
    passed = ""
    if tests:
        from bot.engine.trials import try_all

        trial = try_all(looked_at, settings.allow_shell)
        found, passed = [*found, *trial.findings], str(trial)
    for finding in found:
        click.echo(str(finding))
    if not found:
        click.echo("No findings.")
    if passed:
        click.echo(passed)
    return 1 if found else 0


@tocsin.command()
@click.argument("file", type=click.File("rb"))
@click.option("--from", "sender", default="alertmanager", show_default=True, help="Who sends it, as in /hooks/….")
def route(file: BinaryIO, sender: str) -> None:
    """Which route the alerts of a payload take, what they lead to, and why; `-` reads standard input."""
    settings = _settings()
    from bot.domain.routing import route as way
    from bot.views.routed import lines

    catalogue = _catalogue(settings)
    for index, alert in enumerate(_alerts(file, sender, catalogue)):
        found = lines(alert, way(catalogue, alert.labels), settings.alerts_channel)
        click.echo("\n".join([*([""] if index else []), *found]))


def _catalogue(settings: Settings) -> Catalogue:
    from bot.catalogue.load import load
    from bot.paths import data

    loaded = load(settings.catalog or [data("runbooks")], allow_shell=settings.allow_shell)
    if loaded.findings or loaded.catalogue is None:
        raise click.ClickException("The catalogue has findings: `tocsin check` lists them. Correct them first.")
    return loaded.catalogue


def _alerts(file: BinaryIO, sender: str, catalogue: Catalogue) -> Sequence[Alert]:
    """The alerts of that payload, read as the door reads them; of a mapping of the catalogue by its name."""
    from bot.intake import VENDORS, generic

    mapping, now = catalogue.generic.get(sender), datetime.now(UTC)
    if mapping is None and sender not in VENDORS:
        known = [*VENDORS, *catalogue.generic]
        raise click.BadParameter(f"Nobody called “{sender}” is known. {hint(sender, known)}", param_hint="--from")
    payload = _payload(file)
    if mapping:
        found = generic.read(payload, received_at=now, mapping=mapping, source=sender).alerts
    else:
        found = VENDORS[sender](payload, received_at=now).alerts
    if not found:
        raise click.ClickException(f"{file.name} holds no alert.")
    return found


def _payload(file: BinaryIO) -> dict[str, Any]:
    try:
        payload = json.load(file)
    except (ValueError, RecursionError):
        raise click.ClickException(f"{file.name} is not JSON.") from None
    if not isinstance(payload, dict):
        raise click.ClickException(f"{file.name} is no payload: it must be a JSON object.")
    return payload


@tocsin.command()
@click.option("--url", help="https://host for HTTP mode; without it the manifest is for Socket Mode.")
def manifest(url: str | None) -> None:
    """Print the Slack app manifest."""
    from bot import manifest as app

    click.echo(app.as_yaml(app.for_http(url) if url else app.for_socket_mode()), nl=False)


if __name__ == "__main__":
    main()
