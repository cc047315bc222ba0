"""Whom a `to` means at this moment, as addresses: what e-mail and pages need to know of people and contacts."""

from __future__ import annotations

from dataclasses import dataclass

NO_ADDRESS = "no address is known"


@dataclass(frozen=True)
class Reach:
    """`written` stand in the catalogue; `people` are (id, address); the others cannot be reached, or not yet."""

    written: tuple[str, ...] = ()
    people: tuple[tuple[str, str], ...] = ()
    unreachable: tuple[str, ...] = ()  # people without an address
    untold: tuple[str, ...] = ()  # people of whom Slack, which is away, has not told us
    pagerduty_service: str | None = None

    @property
    def addresses(self) -> tuple[str, ...]:
        return (*self.written, *(address for _, address in self.people))

    @property
    def missing(self) -> list[str]:
        return [f"{person}: {NO_ADDRESS}" for person in self.unreachable]
