from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import or_, select, update

from bot.domain.people.token import Scope, Token
from bot.ports import Tx
from bot.store.db.dialect import insert_into
from bot.store.db.rows import read_all, read_first, reader
from bot.store.tables.people import tokens


def _scopes(kept: Sequence[str]) -> tuple[Scope, ...]:
    return tuple(map(Scope, kept))


_token = reader(Token, scopes=_scopes)


async def add(tx: Tx, token: Token, digest: str) -> bool:
    """False where the name is taken."""
    values = {
        "name": token.name,
        "digest": digest,
        "scopes": [scope.value for scope in token.scopes],
        "owner": token.owner,
        "created_at": token.created_at,
    }
    statement = insert_into(tx, tokens).values(**values).on_conflict_do_nothing()
    return await tx.scalar(statement.returning(tokens.c.name)) is not None


async def every(tx: Tx) -> list[Token]:
    return await read_all(tx, select(tokens).order_by(tokens.c.name), _token)


async def by_digest(tx: Tx, digest: str) -> Token | None:
    return await read_first(tx, select(tokens).where(tokens.c.digest == digest), _token)


async def revoke(tx: Tx, name: str, at: datetime) -> bool:
    """False where there is no such token, or it is revoked already."""
    statement = update(tokens).where(tokens.c.name == name, tokens.c.revoked_at.is_(None)).values(revoked_at=at)
    return (await tx.execute(statement)).rowcount == 1


async def touch(tx: Tx, name: str, *, at: datetime, unless_since: datetime) -> None:
    is_old = or_(tokens.c.used_at.is_(None), tokens.c.used_at <= unless_since)
    await tx.execute(update(tokens).where(tokens.c.name == name, is_old).values(used_at=at))
