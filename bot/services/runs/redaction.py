"""The secrets of a run: hidden in what people type about it, also in a process that has not met them; or in place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bot.deps import Deps
from bot.domain.errors import Misconfigured
from bot.domain.runs.parameters import Reference
from bot.domain.runs.run import Run


def typed(deps: Deps, run: Run, text: str) -> str:
    know(deps, run)
    return deps.secrets.masker.mask(text)


def quoted(text: str) -> str:
    """No mention comes out of somebody's words."""
    return text.replace("<@", "<\N{WORD JOINER}@")


def know(deps: Deps, run: Run) -> None:
    """A secret that cannot be found cannot come back either."""
    for reference in references(run):
        try:
            deps.secrets.resolve(reference)
        except Misconfigured:
            continue


def revealed(deps: Deps, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """For the moment of use. Raises Misconfigured."""
    resolve = deps.secrets.resolve
    return {
        name: resolve(one.source).reveal() if isinstance(one, Reference) else one for name, one in parameters.items()
    }


def references(run: Run) -> Iterator[str]:
    yield from (one.source for one in run.parameters.values() if isinstance(one, Reference))
    yield from (one.reference for one in run.connections.values())
