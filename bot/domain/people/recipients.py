"""Whom a `to` means at this moment, as addresses: what e-mail and pages need to know of people and contacts."""

from __future__ import annotations

from dataclasses import dataclass

NO_ADDRESS = "no address is known"


@dataclass(frozen=True)
class Recipients:
    """`written` are in the catalogue; `people` are (id, address); the others cannot be reached, or not yet."""

    written: tuple[str, ...] = ()
    people: tuple[tuple[str, str], ...] = ()
    unreachable: tuple[str, ...] = ()  # people without an address
    unavailable: tuple[str, ...] = ()  # people of whom Slack, which is away, has not told us
    pagerduty_service: str | None = None

    @property
    def addresses(self) -> tuple[str, ...]:
        return (*self.written, *(address for _, address in self.people))

    @property
    def missing(self) -> list[str]:
        return [f"{person}: {NO_ADDRESS}" for person in self.unreachable]


@dataclass(frozen=True)
class Meant:
    """Whom a step of a runbook means, and what its words belong to, at the moment in which it is done.

    `on_behalf`: the service of PagerDuty's for which people are paged. `thread`, `era` and `part` as in `Mail`.
    """

    reach: Recipients
    thread: str
    era: str = ""
    part: str = ""
    on_behalf: str | None = None
    link: str | None = None
    is_drill: bool = False
    is_private: bool = False
