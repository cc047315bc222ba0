"""Ladders climbed: who is told when, until somebody is on it. Called in the transaction of the fact."""

from __future__ import annotations

from bot.deps import Deps
from bot.domain.alert_group import AlertGroup
from bot.domain.incident import Incident
from bot.domain.person import Actor
from bot.ports import Tx

Climber = AlertGroup | Incident


async def begin(deps: Deps, tx: Tx, of: Climber) -> None:
    """T+0 is now, unless it climbs this ladder already. An incident of an alert group leaves it to the group."""


async def again(deps: Deps, tx: Tx, of: Climber) -> None:
    """Nobody is on it any more: from the first step once more."""


async def end(deps: Deps, tx: Tx, of: Climber, why: str) -> None:
    """Nothing more goes out: `resolved`, `silenced`, `maintenance`."""


async def acknowledged(deps: Deps, tx: Tx, of: Climber, by: Actor) -> None:
    """Somebody is on it: what waits for that is not sent, here and at PagerDuty."""
