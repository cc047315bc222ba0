"""API tokens on both databases: made once, checked by scope, revoked for good."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pytest
from sqlalchemy import select

from bot.domain.errors import Conflict, Missing, Refused, Unclear
from bot.domain.people.token import Scope
from bot.services.admin import tokens
from bot.store.db.database import SqlDatabase
from bot.store.tables import audit as audit_tables, people as people_tables
from tests.support.clock import HandClock


@dataclass(frozen=True)
class Opened:
    database: SqlDatabase
    clock: HandClock


@pytest.fixture
def opened(database: SqlDatabase, clock: HandClock) -> Opened:
    return Opened(database, clock)


async def _create(opened: Opened, name: str = "ci", *scopes: Scope) -> str:
    secret = await tokens.create(opened, name, scopes or (Scope.READ,), "U0ADA", by="operator")
    return secret.reveal()


async def test_token_opens_what_its_scopes_say(opened: Opened) -> None:
    """A token is taken for its own scopes and refused, in a sentence with the remedy, for any other."""
    secret = await _create(opened, "ci", Scope.READ, Scope.WRITE)
    assert secret.startswith("tocsin_")
    assert (await tokens.check(opened, secret, Scope.WRITE)).owner == "U0ADA"
    with pytest.raises(Refused, match="--scope execute"):
        await tokens.check(opened, secret, Scope.EXECUTE)


async def test_only_a_digest_is_stored(opened: Opened) -> None:
    """The secret is nowhere in the database, nor in the audit log."""
    secret = await _create(opened)
    async with opened.database.reading() as tx:
        rows = [
            str(row)
            for table in (people_tables.tokens, audit_tables.audit_log)
            for row in await tx.execute(select(table))
        ]
    assert len(rows) == 2
    assert not any(secret in row for row in rows)


async def test_revoked_token_is_unknown(opened: Opened) -> None:
    """After it was revoked a token is as unknown as one that never was, and its name is not used again."""
    secret = await _create(opened)
    await tokens.revoke(opened, "ci", by="operator")
    for given in (secret, "tocsin_never", ""):
        with pytest.raises(tokens.Unknown):
            await tokens.check(opened, given, Scope.READ)
    with pytest.raises(Missing):
        await tokens.revoke(opened, "ci", by="operator")
    with pytest.raises(Conflict):
        await _create(opened)


@pytest.mark.parametrize(
    ("name", "owner", "scopes"), [("a b", "U1", ["read"]), ("ci", "ada", ["read"]), ("ci", "U1", [])]
)
async def test_malformed_token_is_refused(opened: Opened, name: str, owner: str, scopes: list[str]) -> None:
    """A name with spaces, an owner that is no Slack id and a token without scopes are each one sentence."""
    with pytest.raises(Unclear):
        await tokens.create(opened, name, [Scope(scope) for scope in scopes], owner, by="operator")


async def test_last_use_is_written_once_a_minute(opened: Opened) -> None:
    """A busy script costs one write a minute, not one a request."""
    secret = await _create(opened)
    first = opened.clock.now()
    for _ in range(2):
        await tokens.check(opened, secret, Scope.READ)
        assert (await tokens.listed(opened))[0].used_at == first
        opened.clock.advance(seconds=59)
    await tokens.check(opened, secret, Scope.READ)
    assert (await tokens.listed(opened))[0].used_at == first + timedelta(seconds=118)
