"""API tokens on both databases: made once, checked by scope, revoked for good."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pytest
from sqlalchemy import select

from bot.domain.errors import Conflict, Missing, Refused, Unclear
from bot.domain.token import Scope
from bot.services import tokens
from bot.store import tables
from bot.store.database import SqlDatabase
from tests.support.clock import HandClock


@dataclass(frozen=True)
class Books:
    database: SqlDatabase
    clock: HandClock


@pytest.fixture
def books(database: SqlDatabase, clock: HandClock) -> Books:
    return Books(database, clock)


async def _create(books: Books, name: str = "ci", *scopes: Scope) -> str:
    secret = await tokens.create(books, name, scopes or (Scope.READ,), "U0ADA", by="operator")
    return secret.reveal()


async def test_token_opens_what_its_scopes_say(books: Books) -> None:
    """A token is taken for its own scopes and refused, in a sentence with the remedy, for any other."""
    secret = await _create(books, "ci", Scope.READ, Scope.WRITE)
    assert secret.startswith("tocsin_")
    assert (await tokens.check(books, secret, Scope.WRITE)).owner == "U0ADA"
    with pytest.raises(Refused, match="--scope execute"):
        await tokens.check(books, secret, Scope.EXECUTE)


async def test_only_a_digest_is_stored(books: Books) -> None:
    """The secret stands nowhere in the database, nor in the audit log."""
    secret = await _create(books)
    async with books.database.reading() as tx:
        rows = [str(row) for table in (tables.tokens, tables.audit_log) for row in await tx.execute(select(table))]
    assert len(rows) == 2
    assert not any(secret in row for row in rows)


async def test_revoked_token_is_unknown(books: Books) -> None:
    """After it was revoked a token is as unknown as one that never was, and its name is not used again."""
    secret = await _create(books)
    await tokens.revoke(books, "ci", by="operator")
    for given in (secret, "tocsin_never", ""):
        with pytest.raises(tokens.Unknown):
            await tokens.check(books, given, Scope.READ)
    with pytest.raises(Missing):
        await tokens.revoke(books, "ci", by="operator")
    with pytest.raises(Conflict):
        await _create(books)


@pytest.mark.parametrize(
    ("name", "owner", "scopes"), [("a b", "U1", ["read"]), ("ci", "ada", ["read"]), ("ci", "U1", [])]
)
async def test_malformed_token_is_refused(books: Books, name: str, owner: str, scopes: list[str]) -> None:
    """A name with spaces, an owner that is no Slack id and a token without scopes are each one sentence."""
    with pytest.raises(Unclear):
        await tokens.create(books, name, [Scope(scope) for scope in scopes], owner, by="operator")


async def test_last_use_is_written_once_a_minute(books: Books) -> None:
    """A busy script costs one write a minute, not one a request."""
    secret = await _create(books)
    first = books.clock.now()
    for _ in range(2):
        await tokens.check(books, secret, Scope.READ)
        assert (await tokens.listed(books))[0].used_at == first
        books.clock.advance(seconds=59)
    await tokens.check(books, secret, Scope.READ)
    assert (await tokens.listed(books))[0].used_at == first + timedelta(seconds=118)
