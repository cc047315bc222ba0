"""promql against a real HTTP server that speaks Prometheus' API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from bot.domain.catalogue.runbook import Kind
from bot.domain.runs.outcome import Done, Failed, Outcome
from bot.engine.steps import STEPS
from tests.engine.steps.support import NASTY, cancelled, make_context, web_server
from tests.support.backends import free_port
from tests.support.clock import START

perform = STEPS[Kind.PROMQL]


class Prometheus:
    """Answers by what is asked: a table of queries to results."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.arrived = asyncio.Event()
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.asked.append(form)
        self.paths.append(request.path)
        self.arrived.set()
        return await self._answer(form["query"])

    async def _answer(self, query: str) -> web.Response:
        match query:
            case "hang":
                await asyncio.sleep(30)
            case "parse error(":
                error = {"status": "error", "errorType": "bad_data", "error": "parse error: unclosed left parenthesis"}
                return web.json_response(error, status=400)
            case "html":
                return web.Response(text="<html>Welcome</html>")
            case "many":
                return _success("vector", [_one(host, value) for host, value in (("a", "0.5"), ("b", "3"))])
            case "empty":
                return _success("vector", [])
            case "nan":
                return _success("vector", [_one("a", "NaN")])
            case "time()":
                return _success("scalar", [1.0, "42"])
            case "range":
                values = [[1.0, "1"], [2.0, "+Inf"], [3.0, "3"]]
                return _success("matrix", [{"metric": {"host": "a"}, "values": values}])
        return _success("vector", [_one("a", "0.5")])

    async def ask(self, query: str, seconds: float = 5.0, **more: Any) -> Outcome:
        context = make_context({"metrics": ("prometheus", self.url + "/")}, timeout_seconds=seconds)
        return await perform({"connection": "metrics", "query": query, **more}, context)


def _success(sort: str, result: Any) -> web.Response:
    return web.json_response({"status": "success", "data": {"resultType": sort, "result": result}})


def _one(host: str, value: str) -> dict[str, Any]:
    return {"metric": {"__name__": "up", "host": host}, "value": [1_700_000_000.1, value]}


@pytest.fixture
async def prometheus() -> AsyncIterator[Prometheus]:
    made = Prometheus()
    async with web_server(made.handle) as made.url:
        yield made


async def test_it_succeeds(prometheus: Prometheus) -> None:
    """An instant query gives its value and its samples."""
    outcome = await prometheus.ask('up{host="a"}', check="value < 1")
    assert isinstance(outcome, Done)
    assert outcome.result["ok"] is True
    assert outcome.result["value"] == 0.5
    assert outcome.result["samples"][0]["labels"]["host"] == "a"
    assert "The check holds." in outcome.output
    assert prometheus.paths == ["/api/v1/query"]


async def test_a_check_that_does_not_hold_is_an_answer(prometheus: Prometheus) -> None:
    """Every series must pass; that one does not is `ok` false, for later steps to look at."""
    outcome = await prometheus.ask("many", check="value < 1")
    assert isinstance(outcome, Done)
    assert outcome.result["ok"] is False
    assert "does not hold" in outcome.output


async def test_an_empty_result_is_said(prometheus: Prometheus) -> None:
    """Nothing found is said, and no check holds for it."""
    outcome = await prometheus.ask("empty", check="value < 1")
    assert isinstance(outcome, Done)
    assert outcome.result == {"ok": False, "value": None, "samples": []}
    assert "found nothing" in outcome.output


async def test_a_range_ends_now(prometheus: Prometheus) -> None:
    """A range query ends at the wall's time; the check sees the newest value and all of them."""
    outcome = await prometheus.ask("range", range="1h", step="30s", check="value == 3 and values | length == 3")
    assert isinstance(outcome, Done)
    assert outcome.result["ok"] is True
    assert outcome.result["samples"][0]["values"] == [1.0, None, 3.0]
    [asked] = prometheus.asked
    assert prometheus.paths == ["/api/v1/query_range"]
    assert float(asked["end"]) == START.timestamp()
    assert float(asked["end"]) - float(asked["start"]) == 3600
    assert float(asked["step"]) == 30


async def test_other_results(prometheus: Prometheus) -> None:
    """A scalar is a sample without labels; what is not a number is nothing, and passes no comparison."""
    scalar = await prometheus.ask("time()")
    assert isinstance(scalar, Done)
    assert scalar.result["value"] == 42
    nan = await prometheus.ask("nan", check="value < 1 or value >= 1")
    assert isinstance(nan, Done)
    assert (nan.result["value"], nan.result["ok"]) == (None, False)


@pytest.mark.parametrize(
    ("query", "more", "word"),
    [
        ("parse error(", {}, "unclosed"),
        ("html", {}, "200"),
        ("up", {"check": "value <"}, "parse"),
        ("up", {"check": "().__class__"}, "__class__"),
        ("up", {"range": "1d", "step": "1s"}, "10,000"),
        ("up", {"range": "soon"}, "soon"),
    ],
)
async def test_it_fails_once(prometheus: Prometheus, query: str, more: dict[str, str], word: str) -> None:
    """What Prometheus refuses, and what cannot be worked out, is a sentence; it is asked once at most."""
    outcome = await prometheus.ask(query, **more)
    assert isinstance(outcome, Failed)
    assert word in outcome.sentence
    assert len(prometheus.asked) <= 1


async def test_it_times_out_once(prometheus: Prometheus) -> None:
    """No answer in time is a failure: it changed nothing."""
    outcome = await prometheus.ask("hang", seconds=0.2)
    assert isinstance(outcome, Failed)
    assert outcome.certain
    assert len(prometheus.asked) == 1


async def test_it_is_killed_in_mid_effect(prometheus: Prometheus) -> None:
    """Cancelled while Prometheus works, it ends at once."""
    await cancelled(prometheus.ask("hang"), prometheus.arrived)
    assert len(prometheus.asked) == 1


async def test_an_unreachable_server_is_certain() -> None:
    """Refused is a failure in a sentence."""
    away = Prometheus()
    away.url = f"http://127.0.0.1:{free_port()}"
    outcome = await away.ask("up")
    assert isinstance(outcome, Failed)
    assert outcome.certain


@pytest.mark.parametrize("text", NASTY)
async def test_one_argument_stays_one(prometheus: Prometheus, text: str) -> None:
    """Whatever the query holds, Prometheus is asked exactly that, and nothing beside it."""
    await prometheus.ask(f"up{{x='{text}'}}&time=1")
    [asked] = prometheus.asked
    assert asked == {"query": f"up{{x='{text}'}}&time=1", "timeout": "5000ms"}
