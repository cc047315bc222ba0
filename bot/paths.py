"""Where the data files are: the copy inside the installed package, or the checkout beside it."""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).resolve().parent


def data(name: str) -> Path:
    """`runbooks`, `demo`, `templates` or `manifest.yml`."""
    packaged = _HERE / "data" / name
    return packaged if packaged.exists() else _HERE.parent / name
