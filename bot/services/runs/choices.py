"""What a choice may be just now: its query, asked of its connection while somebody waits."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.deps import Deps
from bot.domain.catalogue.runbook import Kind, Parameter, ParameterType, Runbook
from bot.domain.runs.outcome import Done
from bot.domain.text.wording import nearest
from bot.engine.steps import STEPS, Connections, StepContext

SECONDS = 1.5  # a form must open within Slack's three
OFFERED = 100  # what a select of Slack's holds
LOOKED_THROUGH = 10_000


@dataclass(frozen=True)
class Choice:
    """`value` is the row's first column; `label` all of them."""

    value: str
    label: str


async def offered(deps: Deps, runbook: Runbook) -> dict[str, list[Choice]]:
    """By parameter. One whose query does not answer in time, finds nothing, or finds too much is left out."""
    every = _choices_of(runbook)
    found = await asyncio.gather(*(_found(deps, one, OFFERED) for one in every))
    return {one.name: some for one, some in zip(every, found, strict=True) if some}


async def problems(deps: Deps, runbook: Runbook, values: Mapping[str, Any]) -> dict[str, str]:
    """`parameter NAME` -> a sentence. What cannot be told is a problem, too."""
    given = [one for one in _choices_of(runbook) if values.get(one.name) is not None]
    found = await asyncio.gather(*(_found(deps, one, LOOKED_THROUGH) for one in given))
    said = {
        f"parameter {one.name}": _problem(one, str(values[one.name]), some)
        for one, some in zip(given, found, strict=True)
    }
    return {name: sentence for name, sentence in said.items() if sentence}


def _problem(parameter: Parameter, value: str, found: list[Choice] | None) -> str:
    if found is None:
        return f"What “{parameter.name}” may be could not be read from {_source(parameter)['connection']}."
    known = [one.value for one in found]
    if value in known:
        return ""
    close = _nearest(value, known)
    meant = f" Did you mean “{close}”?" if close else ""
    return f"“{value[:60]}” is none of the choices that {_source(parameter)['connection']} has now.{meant}"


def _nearest(value: str, known: list[str]) -> str | None:
    spelled = {one.casefold(): one for one in known}
    return spelled.get(nearest(value, spelled) or "")


def _choices_of(runbook: Runbook) -> list[Parameter]:
    return [one for one in runbook.parameters if one.type is ParameterType.CHOICE]


def _source(parameter: Parameter) -> Mapping[str, str]:
    source: Mapping[str, str] = parameter.source
    return source


async def _found(deps: Deps, parameter: Parameter, limit: int) -> list[Choice] | None:
    """None where the query did not answer, or there is more than `limit`."""
    arguments = {**_source(parameter), "max_rows": min(limit + 1, LOOKED_THROUGH)}
    outcome = await STEPS[Kind.SQL](arguments, _context(deps, parameter))
    if not isinstance(outcome, Done):
        return None
    rows = outcome.result["rows"]
    if len(rows) > limit or len(rows) < outcome.result["rowcount"]:
        return None
    texts = [[str(cell) for cell in row.values() if cell is not None] for row in rows]
    found = {cells[0]: Choice(cells[0], " · ".join(cells)) for cells in texts if cells}
    # What holds a secret is never shown, so it is no choice.
    return [one for one in found.values() if deps.secrets.masker.mask(one.label) == one.label]


def _context(deps: Deps, parameter: Parameter) -> StepContext:
    return StepContext(
        key=f"choice-{parameter.name}",
        timeout_seconds=SECONDS,
        clock=deps.clock,
        connections=Connections(deps.catalogue.connections, deps.secrets.resolve),
    )
