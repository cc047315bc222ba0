"""The long fuzzing, started by `make soak`: thousands of odd requests at every route, new ones each time."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given, settings, strategies as st

from bot.intake import VENDORS
from tests.http.fuzz import BODIES, Mixed, mixed
from tests.http.test_fuzz import LIGHT, House, answered, house, kept

__all__ = ["house"]  # a fixture

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]

LONG = settings(LIGHT, max_examples=5_000, derandomize=False, print_blob=True)
LIMITS = {"/hooks/": 10_000_000, "/api/": 1_000_000}


@LONG
@given(data=st.data())
async def test_every_route_answers(data: st.DataObject, house: House) -> None:
    """No path, query, header or body at any route is answered 500 or worse, and every refusal is a sentence."""
    await answered(house, data)


@settings(LONG, max_examples=1_500)
@given(message=mixed())
async def test_no_alert_is_lost(message: Mixed, house: House) -> None:
    """Well-formed alerts are kept, whatever is beside them in their message."""
    await kept(house, message)


@settings(LONG, max_examples=60)
@given(
    path=st.sampled_from([*(f"/hooks/{vendor}" for vendor in sorted(VENDORS)), "/api/sre/incidents"]),
    beyond=st.sampled_from([-1, 0, 1, 1_000, 15_000_000]),
    filling=st.sampled_from([b" ", b"[", b'{"a":', b"\xff", b"9"]),
    body=BODIES,
)
async def test_large_bodies(path: str, beyond: int, filling: bytes, body: bytes, house: House) -> None:
    """At the limit a body is read or refused; beyond it is 413, whatever it is made of."""
    limit = next(size for prefix, size in LIMITS.items() if path.startswith(prefix))
    size = limit + beyond
    content = (body + filling * (size // len(filling) + 1))[:size]
    house.story.clock.advance(seconds=0.001)
    answer: httpx.Response = await house.api.post(path, content=content, headers=house.headers)
    assert answer.status_code == 413 if beyond > 0 else answer.status_code in (202, 400, 401, 422)
