"""API tokens: create, list, revoke."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from bot.cli.base import BY, Commands, run_async, with_opened

if TYPE_CHECKING:
    from bot.app.database import Opened


@click.group(cls=Commands)
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
    from bot.domain.people.token import Scope
    from bot.services.admin import tokens

    unknown = [scope for scope in scopes if scope not in set(Scope)]
    if unknown:
        raise click.UsageError(f"“{unknown[0]}” is no scope. Use read, write, execute or ingest.")

    async def make(opened: Opened) -> None:
        secret = await tokens.create(opened, name, [Scope(scope) for scope in scopes], owner, by=BY)
        click.echo(secret.reveal())

    return run_async(with_opened(make))


@token.command("list")
def list_tokens() -> int:
    """Names, scopes, owners; never a secret."""
    from bot.services.admin import tokens

    async def show(opened: Opened) -> None:
        for one in await tokens.listed(opened):
            state = "revoked" if one.revoked_at else "in force"
            click.echo(f"{one.name}\t{','.join(one.scopes)}\t{one.owner}\t{state}")

    return run_async(with_opened(show))


@token.command()
@click.argument("name")
def revoke(name: str) -> int:
    """Refuse the token from now on."""
    from bot.services.admin import tokens

    async def end(opened: Opened) -> None:
        await tokens.revoke(opened, name, by=BY)
        click.echo(f"The token “{name}” is revoked.")

    return run_async(with_opened(end))
