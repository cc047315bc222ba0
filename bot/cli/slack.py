"""The Slack app: manifest."""

from __future__ import annotations

import click


@click.command()
@click.option("--url", help="https://host for HTTP mode; without it the manifest is for Socket Mode.")
def manifest(url: str | None) -> None:
    """Print the Slack app manifest."""
    from bot import manifest as app

    click.echo(app.as_yaml(app.for_http(url) if url else app.for_socket_mode()), nl=False)
