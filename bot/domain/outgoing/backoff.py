"""How long to wait before trying again: doubling, spread out, never longer than a minute."""

from __future__ import annotations

FIRST_SECONDS = 0.5
LONGEST_SECONDS = 60.0


def delay_seconds(attempts: int, dice: float) -> float:
    """The pause after the `attempts`-th failure (from 1). `dice` in [0, 1) spreads it over the upper half."""
    doublings = min(max(attempts - 1, 0), 16)
    ceiling = min(LONGEST_SECONDS, FIRST_SECONDS * 2.0**doublings)
    return ceiling * (0.5 + dice / 2)
