"""promql {connection, query, range?, step?, check?} -> ok value samples. Instant, or over a range up to now

`check` is an expression over `value` (the newest), `values` (over a range, oldest first), `labels` and `samples`; it
must hold for every series. That it does not hold is an answer (`ok` false), not a failure.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import httpx

from bot.domain.errors import Unclear
from bot.domain.runs.outcome import Done, Failed, Outcome
from bot.engine.steps import arguments as read
from bot.engine.steps.bounds import within
from bot.engine.steps.context import StepContext
from bot.expressions.evaluate import holds

MAX_ANSWER = 5_000_000
MAX_SAMPLES = 1_000
POINTS = 60

Sample = dict[str, Any]


async def perform(arguments: Mapping[str, Any], context: StepContext) -> Outcome:
    """It changes nothing, so whatever goes wrong is certain."""
    try:
        path, form = _question(arguments, context)
        url = context.connections.address(read.text(arguments, "connection"), "prometheus").reveal()
        answer = await within(context.timeout_seconds, _ask(url, path, form, context))
    except TimeoutError:
        return Failed(f"Prometheus gave no answer within {context.timeout_seconds:g} s.", certain=True)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as problem:
        reason = str(problem).rstrip(".") or type(problem).__name__
        return Failed(f"Prometheus was not reached: {reason}.", certain=True)
    samples, check = _samples(answer), arguments.get("check")
    return _said(samples, is_met(check, samples), context, has_check=check is not None)


def _question(arguments: Mapping[str, Any], context: StepContext) -> tuple[str, dict[str, str]]:
    form = {"query": read.text(arguments, "query"), "timeout": f"{max(100, round(context.timeout_seconds * 1000))}ms"}
    if arguments.get("range") is None:
        return "query", form
    span = read.seconds(arguments, "range")
    step = read.seconds(arguments, "step") if arguments.get("step") is not None else max(1.0, span / POINTS)
    if span / step > 10_000:
        raise Unclear("This range has more than 10,000 points. Take a longer step.")
    now = context.clock.wall()
    return "query_range", form | {"start": f"{now - span:.3f}", "end": f"{now:.3f}", "step": f"{step:.3f}"}


async def _ask(url: str, path: str, form: dict[str, str], context: StepContext) -> Any:
    async with (
        context.client(True) as client,
        client.stream("POST", f"{url.rstrip('/')}/api/v1/{path}", data=form) as response,
    ):
        body = bytearray()
        async for chunk in response.aiter_bytes(65_536):
            body += chunk
            if len(body) > MAX_ANSWER:
                raise Unclear("The answer is too large. Ask for fewer series, or a longer step.")
    return _data(response.status_code, bytes(body), context)


def _data(status: int, body: bytes, context: StepContext) -> Any:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    if isinstance(answer, dict) and answer.get("status") == "success" and isinstance(answer.get("data"), dict):
        return answer["data"]
    if isinstance(answer, dict) and answer.get("error"):
        raise Unclear(f"Prometheus refused the query: {context.short(str(answer['error'])).rstrip('.')}.")
    raise Unclear(
        f"Prometheus answered {status} with something else than its API's answer. Check the connection's URL."
    )


def _samples(data: Any) -> list[Sample]:
    try:
        if data["resultType"] in ("scalar", "string"):
            return [_sample({}, [data["result"]])]
        found = data["result"]
        return [_sample(one["metric"], one["values"] if "values" in one else [one["value"]]) for one in found]
    except (KeyError, TypeError, ValueError, IndexError):
        raise Unclear("Prometheus answered in a form that is not known here (histograms are not).") from None


def _sample(labels: Any, points: Any) -> Sample:
    values = [float(value) for _, value in points]
    return {"labels": dict(labels), "value": values[-1], "values": values, "at": float(points[-1][0])}


def is_met(check: Any, samples: list[Sample]) -> bool:
    """Without a check: whether there is a series. Raises Unclear."""
    if check is None:
        return bool(samples)
    if not isinstance(check, str):
        raise Unclear("check must be an expression, for example value < 1.")
    # All are worked out, so that a mistake in the check is found whatever the first series says.
    found = [holds(check, {**one, "samples": samples}) for one in samples]
    return bool(found) and all(found)


def _said(samples: list[Sample], ok: bool, context: StepContext, *, has_check: bool) -> Done:
    lines = [f"{_label(one['labels'])} {one['value']:g}" for one in samples]
    if not samples:
        lines = ["The query found nothing." + (" The check does not hold." if has_check else "")]
    elif has_check:
        lines.append("The check holds." if ok else "The check does not hold.")
    output = context.shown("\n".join(lines))
    context.write(output + "\n")
    return done(samples, ok, output)


def done(samples: list[Sample], ok: bool, output: str = "") -> Done:
    kept = [_storable(one) for one in samples[:MAX_SAMPLES]]
    return Done({"ok": ok, "value": kept[0]["value"] if kept else None, "samples": kept}, output)


def _label(labels: Mapping[str, str]) -> str:
    inner = ", ".join(f"{name}={json.dumps(value)}" for name, value in labels.items() if name != "__name__")
    return f"{labels.get('__name__', '')}{{{inner}}}"


def _storable(sample: Sample) -> Sample:
    """NaN and the infinities are nothing: JSON has no word for them."""
    values = [value if math.isfinite(value) else None for value in sample["values"]]
    return sample | {"value": values[-1], "values": values}
