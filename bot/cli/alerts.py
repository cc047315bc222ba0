"""Where an alert would go: route."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, BinaryIO

import click

from bot.cli.base import read_settings
from bot.domain.alerts.alert import Alert
from bot.domain.catalogue.catalogue import Catalogue
from bot.domain.text.wording import hint
from bot.settings import Settings


@click.command()
@click.argument("file", type=click.File("rb"))
@click.option("--from", "sender", default="alertmanager", show_default=True, help="Who sends it, as in /hooks/….")
def route(file: BinaryIO, sender: str) -> None:
    """Which route the alerts of a payload take, what they lead to, and why; `-` reads standard input."""
    settings = read_settings()
    from bot.domain.alerts.routing import route as way
    from bot.views.terminal.route import lines

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
    from bot.intake import VENDORS, generic

    mapping = catalogue.generic.get(sender)
    if mapping is None and sender not in VENDORS:
        known = [*VENDORS, *catalogue.generic]
        raise click.BadParameter(f"Nobody called “{sender}” is known. {hint(sender, known)}", param_hint="--from")
    read = partial(generic.read, mapping=mapping, source=sender) if mapping else VENDORS[sender]
    found = read(_payload(file), received_at=datetime.now(UTC)).alerts
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
