"""A real `tocsin serve` is killed amid a storm of alerts: nothing it answered for is lost, nothing is posted twice."""

from __future__ import annotations

import pytest

from tests.support.alert_chaos import Storm, check, weathered
from tests.support.crash import NewDatabase

pytestmark = pytest.mark.timeout(300)  # processes start again and again, beside whatever else the machine does

SHORT = Storm(51, groups=12, hosts=4, together=5, kills=1)
WHOLE = Storm(51, groups=30, hosts=4, together=5, kills=2)


@pytest.mark.parametrize("storm", [SHORT, pytest.param(WHOLE, marks=pytest.mark.long)], ids=["short", "whole"])
async def test_killed_amid_a_storm(new_sqlite: NewDatabase, storm: Storm) -> None:
    """Killed amid alerts of many rules: each answered 2xx is in its group, in few messages."""
    outcome = await weathered(new_sqlite, storm)
    check(outcome)
    assert outcome.figures["kills"] >= storm.kills
