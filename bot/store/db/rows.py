from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, TypeVar

from sqlalchemy import Executable, Row

from bot.domain.errors import Missing
from bot.ports import Tx

Value = TypeVar("Value")
Reader = Callable[[Row[Any]], Value]


def reader(kind: type[Value], /, **converted: Callable[[Any], Any]) -> Reader[Value]:
    """Fills a dataclass from the columns named like its fields. `converted`: from what a column holds to the field."""
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]  # no bound says dataclass

    def read(row: Row[Any]) -> Value:
        columns = row._mapping  # half the time of asking the row for each
        values = {name: columns[name] for name in names}
        for name, convert in converted.items():
            values[name] = convert(values[name])
        return kind(**values)

    return read


async def read_all(
    tx: Tx, query: Executable, read: Reader[Value], given: Mapping[str, Any] | None = None
) -> list[Value]:
    return [read(row) for row in await tx.execute(query, given)]


async def read_first(
    tx: Tx, query: Executable, read: Reader[Value], given: Mapping[str, Any] | None = None
) -> Value | None:
    row = (await tx.execute(query, given)).first()
    return read(row) if row else None


async def read_one(tx: Tx, query: Executable, read: Reader[Value], given: Mapping[str, Any] | None = None) -> Value:
    """Raises NoResultFound."""
    return read((await tx.execute(query, given)).one())


def or_missing(found: Value | None, sentence: str) -> Value:
    if found is None:
        raise Missing(sentence)
    return found
