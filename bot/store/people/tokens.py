"""Statements about API tokens."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, or_, select, update

from bot.domain.people.token import Scope, Token
from bot.ports import Tx
from bot.store.db.dialect import insert_into
from bot.store.tables.people import tokens


async def add(tx: Tx, token: Token, digest: str) -> bool:
    """False where the name is taken."""
    values = {
        "name": token.name,
        "digest": digest,
        "scopes": [scope.value for scope in token.scopes],
        "owner": token.owner,
        "created_at": token.created_at,
    }
    statement = insert_into(tx, tokens).values(**values).on_conflict_do_nothing().returning(tokens.c.name)
    return (await tx.execute(statement)).scalar() is not None


async def every(tx: Tx) -> list[Token]:
    """By name, revoked ones too."""
    return [_token(row) for row in await tx.execute(select(tokens).order_by(tokens.c.name))]


async def by_digest(tx: Tx, digest: str) -> Token | None:
    row = (await tx.execute(select(tokens).where(tokens.c.digest == digest))).one_or_none()
    return _token(row) if row else None


async def revoke(tx: Tx, name: str, at: datetime) -> bool:
    """False where there is no such token, or it is revoked already."""
    statement = update(tokens).where(tokens.c.name == name, tokens.c.revoked_at.is_(None)).values(revoked_at=at)
    return (await tx.execute(statement)).rowcount == 1


async def touch(tx: Tx, name: str, *, at: datetime, unless_since: datetime) -> None:
    """Record a use, where the last one on record is not newer than `unless_since`."""
    is_old = or_(tokens.c.used_at.is_(None), tokens.c.used_at <= unless_since)
    await tx.execute(update(tokens).where(tokens.c.name == name, is_old).values(used_at=at))


def _token(row: Row[Any]) -> Token:
    scopes = tuple(Scope(scope) for scope in row.scopes)
    return Token(row.name, scopes, row.owner, row.created_at, row.used_at, row.revoked_at)
