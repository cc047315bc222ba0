"""API tokens: made, listed, revoked, checked. Their secrets are random, shown once, and kept as SHA-256 only."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

from bot.domain.errors import Conflict, Missing, Refused, Unclear
from bot.domain.people.token import Scope, Token, name_from, owner_from
from bot.domain.text.secret import Secret
from bot.ports import Clock, Database
from bot.queue import audit
from bot.store.people import tokens as store

PREFIX = "tocsin_"
USE_RECORDED_EVERY = timedelta(minutes=1)


class TokenDeps(Protocol):
    """The command line has no more than this."""

    @property
    def database(self) -> Database: ...

    @property
    def clock(self) -> Clock: ...


class Unknown(Exception):
    """No token in force has this secret."""


async def create(deps: TokenDeps, name: str, scopes: Sequence[Scope], owner: str, *, by: str) -> Secret:
    """Returns the secret, which is kept nowhere. Raises Unclear, Conflict."""
    if not scopes:
        raise Unclear("A token needs at least one scope: read, write, execute or ingest.")
    kept = tuple(scope for scope in Scope if scope in scopes)
    token = Token(name_from(name), kept, owner_from(owner), deps.clock.now())
    secret = PREFIX + secrets.token_urlsafe(32)
    async with deps.database.transaction() as tx:
        if not await store.add(tx, token, _digest(secret)):
            raise Conflict(f"There is already a token “{name}”, and names are not used again: choose another one.")
        await audit.record(tx, deps.clock, by, "token.created", name, scopes=list(kept), owner=owner)
    return Secret(secret)


async def listed(deps: TokenDeps) -> list[Token]:
    async with deps.database.reading() as tx:
        return await store.every(tx)


async def revoke(deps: TokenDeps, name: str, *, by: str) -> None:
    """Raises Missing."""
    async with deps.database.transaction() as tx:
        if not await store.revoke(tx, name, deps.clock.now()):
            raise Missing(f"There is no token “{name}” in force: `tocsin token list` shows them.")
        await audit.record(tx, deps.clock, by, "token.revoked", name)


async def check(deps: TokenDeps, secret: str, scope: Scope, *, route: str | None = None) -> Token:
    """Raises Unknown where the token is not in force, Refused where the scope is missing.

    `route`: the request may change something, so that its use is written into the audit log.
    """
    async with deps.database.reading() as tx:
        token = await store.by_digest(tx, _digest(secret))
    if token is None:
        raise Unknown
    if token.revoked_at is not None:
        await _record_refusal(deps, token, route, "It was revoked.")
        raise Unknown
    if scope not in token.scopes:
        problem = Refused(f"The token “{token.name}” has no {scope} scope: create one with `--scope {scope}`.")
        await _record_refusal(deps, token, route, problem.sentence)
        raise problem
    await _record_use(deps, token, route)
    return token


async def _record_use(deps: TokenDeps, token: Token, route: str | None) -> None:
    now = deps.clock.now()
    since = now - USE_RECORDED_EVERY
    if route is None and token.used_at is not None and token.used_at > since:
        return
    async with deps.database.transaction() as tx:
        await store.touch(tx, token.name, at=now, unless_since=since)
        if route is not None:
            await audit.record(tx, deps.clock, token.owner, "token.used", token.name, route=route)


async def _record_refusal(deps: TokenDeps, token: Token, route: str | None, why: str) -> None:
    if route is None:
        return
    async with deps.database.transaction() as tx:
        await audit.record(tx, deps.clock, token.owner, "token.refused", token.name, route=route, why=why)


def _digest(secret: str) -> str:
    # A secret with 256 random bits needs no slow hash: there is nothing to guess.
    return hashlib.sha256(secret.encode()).hexdigest()
