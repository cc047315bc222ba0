"""wait: a time, and checks that come true."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bot.domain.catalogue.runbook import Kind
from bot.domain.runs.outcome import Done, Failed, Waiting
from bot.engine.steps import STEPS, ShellRules
from tests.engine.steps.support import make_context, web_server
from tests.support.clock import HandClock

perform = STEPS[Kind.WAIT]


async def test_a_duration_passes(clock: HandClock) -> None:
    """It waits for what is left, and is done when the time has passed; nothing sleeps meanwhile."""
    context = replace(make_context(clock=clock), started_at=clock.now())
    assert await perform({"for": "5m"}, context) == Waiting(300, "Waiting for 5 minutes.")
    clock.advance(minutes=4)
    assert await perform({"for": "5m"}, context) == Waiting(60, "Waiting for 1 minute.")
    clock.advance(minutes=1)
    assert isinstance(await perform({"for": "5m"}, context), Done)


async def test_a_check_comes_true(clock: HandClock) -> None:
    """It looks once each time, waits between looks, and ends with the check's own result."""
    statuses, keys = iter([503, 503, 200]), set()

    async def handle(request: web.Request) -> web.Response:
        keys.add(request.headers["Idempotency-Key"])
        return web.Response(status=next(statuses))

    async with web_server(handle) as url:
        arguments = {"until": {"http": {"url": url}}, "every": "5s", "deadline": "2m"}
        context = replace(make_context(clock=clock), started_at=clock.now())
        for _ in range(2):
            outcome = await perform(arguments, context)
            assert isinstance(outcome, Waiting)
            assert outcome.seconds == 5
            assert "503" in outcome.sentence
            clock.advance(5)
        done = await perform(arguments, context)
    assert isinstance(done, Done)
    assert done.result["status"] == 200
    assert len(keys) == 3


async def test_a_deadline_passes(clock: HandClock, tmp_path: Path) -> None:
    """The last look comes at the deadline, never after it; then it has failed, and says what it saw last."""
    context = replace(make_context(clock=clock, shell=ShellRules(tmp_path)), started_at=clock.now())
    arguments = {"until": {"shell": {"argv": ["/bin/false"]}}, "every": "50s", "deadline": "1m"}
    clock.advance(50)
    outcome = await perform(arguments, context)
    assert isinstance(outcome, Waiting)
    assert outcome.seconds == 10
    clock.advance(10)
    outcome = await perform(arguments, context)
    assert isinstance(outcome, Failed)
    assert "1 minute" in outcome.sentence
    assert "/bin/false" in outcome.sentence


@pytest.mark.parametrize(("query", "holds"), [("SELECT 1", True), ("SELECT 0", False), ("SELECT 1 WHERE 0", False)])
async def test_a_query_holds(tmp_path: Path, query: str, holds: bool) -> None:
    """A query holds where the first value of its first row is true."""
    (tmp_path / "empty.db").touch()
    context = make_context({"db": ("sql", f"sqlite:///{tmp_path / 'empty.db'}")})
    until = {"sql": {"connection": "db", "query": query}}
    outcome = await perform({"until": until, "every": "1s", "deadline": "1m"}, context)
    assert isinstance(outcome, Done if holds else Waiting)


@pytest.mark.parametrize(("key", "holds"), [("set", True), ("zero", False), ("missing", False)])
async def test_a_redis_value_holds(redis_url: str, key: str, holds: bool) -> None:
    """A value holds where it is there and not 0."""
    context = make_context({"cache": ("redis", redis_url)})
    argument = {"set": ["ECHO", "ready"], "zero": ["ECHO", "0"], "missing": ["GET", "no such key"]}[key]
    until = {"redis": {"connection": "cache", "command": argument}}
    outcome = await perform({"until": until, "every": "1s", "deadline": "1m"}, context)
    assert isinstance(outcome, Done if holds else Waiting)


@pytest.mark.parametrize("value", ["0.5", "2"])
async def test_a_prometheus_check_holds(value: str) -> None:
    """A query to Prometheus holds where its check does."""

    async def handle(_: web.Request) -> web.Response:
        return web.json_response({"status": "success", "data": {"resultType": "scalar", "result": [1, value]}})

    async with web_server(handle) as url:
        until = {"promql": {"connection": "metrics", "query": "up", "check": "value > 1"}}
        context = make_context({"metrics": ("prometheus", url)})
        outcome = await perform({"until": until, "every": "1s", "deadline": "1m"}, context)
    assert isinstance(outcome, Done if value == "2" else Waiting)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"for": "soon"},
        {"for": 5},
        {"for": "0s"},
        {"until": {}, "every": "1s", "deadline": "1m"},
        {"until": {"wait": {"for": "1s"}}, "every": "1s", "deadline": "1m"},
        {"until": {"sql": {"write": True}}, "every": "1s", "deadline": "1m"},
        {"until": {"http": {"url": "http://127.0.0.1/"}}, "deadline": "1m"},
    ],
)
async def test_what_does_not_fit_is_refused(arguments: dict[str, Any]) -> None:
    """A wait without an end, or upon something that changes things, is refused at once."""
    outcome = await perform(arguments, make_context())
    assert isinstance(outcome, Failed)
    assert outcome.certain
