"""The command line. Heavy parts are imported where they are used, so that every command starts quickly."""

from __future__ import annotations

import sys
from typing import NoReturn

import click

from bot import telemetry
from bot.cli import alerts, audit, database, runbooks, running, slack, tokens
from bot.cli.base import Commands
from bot.domain.errors import Problem


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


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tocsin")
def tocsin() -> None:
    """Runs incidents in Slack: declares, keeps everyone updated on time, resolves, drafts the post-mortem."""


for command in (
    running.serve,
    running.worker,
    running.demo,
    running.simulator,
    database.migrate,
    database.export,
    audit.audit,
    tokens.token,
    runbooks.plan,
    runbooks.check,
    alerts.route,
    slack.manifest,
):
    tocsin.add_command(command)
