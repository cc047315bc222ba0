"""The long storms of alerts, started by `make soak`: thousands of them, with processes killed amid."""

from __future__ import annotations

import pytest

from tests.support.alert_chaos import Outcome, Storm, check, weathered
from tests.support.crash import NewDatabase

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]

KILLS = 20


def judged(outcome: Outcome) -> None:
    print(outcome)  # noqa: T201  the seed and the figures
    check(outcome)
    assert outcome.figures["kills"] >= KILLS


async def test_thousands_on_sqlite(new_sqlite: NewDatabase) -> None:
    """One process, killed twenty times amid three thousand alerts: none lost, none twice, the cards right."""
    judged(await weathered(new_sqlite, Storm(61, groups=300, hosts=10, together=20, kills=KILLS)))


async def test_thousands_on_postgresql(new_postgres: NewDatabase) -> None:
    """A bot and a worker beside it, either of them killed, twenty times in all."""
    storm = Storm(62, groups=300, hosts=10, together=20, kills=KILLS, victims=("serve", "worker"))
    judged(await weathered(new_postgres, storm))
