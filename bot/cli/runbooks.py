"""Commands about what operators wrote: plan a run, check the files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click

from bot.cli.base import no_collections, read_settings, run_async
from bot.domain.errors import Unclear
from bot.settings import Settings


@click.command()
@click.argument("runbook")
@click.argument("given", nargs=-1, metavar="[NAME=VALUE]…")
def plan(runbook: str, given: Sequence[str]) -> int:
    """What a run would do, and its plan hash, without doing it; problems first, and exit code 1 with them."""
    return run_async(_plan(read_settings(), runbook, given))


async def _plan(settings: Settings, runbook: str, given: Sequence[str]) -> int:
    with no_collections():
        from bot.app import offline
    from bot.domain.runs import parameters
    from bot.interactions import Where
    from bot.services.runs import approvals, preview, request as run_request
    from bot.views.terminal import plan as terminal_plan

    deps = offline.planning(settings)
    try:
        found = await run_request.draft(deps, run_request.Wanted(runbook, parameters.pairs(given)), Where())
    except Unclear as problem:
        raise click.UsageError(problem.sentence) from None
    who = approvals.who_of(deps, found.approval) if found.approval else ()
    seen = {} if found.plan.problems else await preview.looks(deps, found.runbook, found.plan)
    text = "\n".join(terminal_plan.lines(found.runbook, found.plan, found.approval, who, seen))
    click.echo(deps.secrets.masker.mask(text))
    return 1 if found.plan.problems else 0


@click.command()
@click.argument("folders", nargs=-1, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--tests", is_flag=True, help="Run the runbooks' own tests too (<id>.test.yml).")
@click.option("--schema", is_flag=True, help="Print the JSON Schemas of the catalogue's files.")
def check(folders: Sequence[Path], tests: bool, schema: bool) -> int:
    """Validate catalogue, templates and manifest; each finding is `file:line: sentence`."""
    settings = read_settings()
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
        from bot.engine.testing.runner import try_all

        report = try_all(looked_at, settings.allow_shell)
        found, passed = [*found, *report.findings], str(report)
    for finding in found:
        click.echo(str(finding))
    if not found:
        click.echo("No findings.")
    if passed:
        click.echo(passed)
    return 1 if found else 0
