"""A figure with its bar, and the table of all of them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

BUSY_SECONDS = 0.15


@dataclass(frozen=True)
class Figure:
    """One measured value. `bar` is the most it may be; None: measured without a bar, for comparison."""

    name: str
    value: float
    unit: str
    bar: float | None = None

    @property
    def is_met(self) -> bool:
        return self.bar is None or self.value <= self.bar


def table(figures: Sequence[Figure]) -> str:
    rows = [("figure", "measured", "bar", ""), *(_row(figure) for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def _row(figure: Figure) -> tuple[str, str, str, str]:
    bar = "" if figure.bar is None else f"<= {figure.bar:g} {figure.unit}".rstrip()
    state = "" if figure.bar is None else "ok" if figure.is_met else "MISSED"
    return figure.name, f"{figure.value:.4g} {figure.unit}".rstrip(), bar, state


def percentile(values: Iterable[float], share: float) -> float:
    """The value below which this share of the values lies; `share` 0.5 is the median."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def raw(figures: Sequence[Figure]) -> str:
    """One JSON object a line."""
    return "\n".join(
        json.dumps({"figure": one.name, "value": one.value, "unit": one.unit, "bar": one.bar}) for one in figures
    )


def contention() -> float:
    """1 on a quiet machine, more where others work."""
    wall, own = time.perf_counter(), time.thread_time()
    while time.thread_time() - own < BUSY_SECONDS:
        pass
    return (time.perf_counter() - wall) / (time.thread_time() - own)
