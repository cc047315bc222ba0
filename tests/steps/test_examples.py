"""The shipped runbooks do what they say: their steps, performed against real servers."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from bot.catalogue.load import load
from bot.domain.outcome import Done
from bot.domain.parameters import read
from bot.domain.runbook import Runbook
from bot.engine import expressions
from bot.engine.steps import redis, sql
from bot.paths import data
from tests.steps.support import make_context
from tests.support.backends import Postgres


def example(runbook_id: str) -> Runbook:
    catalogue = load([data("runbooks")]).catalogue
    assert catalogue is not None
    return catalogue.runbook(runbook_id)


def body(runbook: Runbook, step_id: str) -> dict[str, Any]:
    """A step's arguments, rendered with the parameters' defaults and shortened to what a test can wait for."""
    step = runbook.step(step_id)
    assert step is not None
    values = {"params": read(runbook, {}) | {"seconds": 0}}
    rendered = expressions.render_all(step.body, values)
    return rendered["until"]["sql"] if "until" in rendered else rendered


@pytest.fixture
def database(postgres: Postgres) -> Iterator[str]:
    url = postgres.empty()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE things (id integer PRIMARY KEY)")
        connection.execute("INSERT INTO things VALUES (1)")
    yield url
    postgres.drop(url)


def wait_for_row(url: str) -> None:
    with psycopg.connect(url) as waiting:
        waiting.execute("UPDATE things SET id = 2 WHERE id = 1")


async def test_blocked_sessions(database: str) -> None:
    """Who blocks is found and ended, and who waited goes on."""
    runbook = example("blocked_sessions")
    context = make_context({"app_db": ("sql", database)}, timeout_seconds=5.0)
    holder = psycopg.connect(database)
    holder.execute("SELECT * FROM things FOR UPDATE")
    waiter = threading.Thread(target=wait_for_row, args=(database,))
    waiter.start()
    try:
        found = await _until_blocked(body(runbook, "blocked"), context)
        assert [row["pid"] for row in found.result["rows"]] == [holder.info.backend_pid]
        ended = await sql.perform(body(runbook, "end"), context)
        assert isinstance(ended, Done)
        assert ended.result["rows"] == [{"pid": holder.info.backend_pid, "ended": True}]
    finally:
        holder.close()
        waiter.join(10)
    free = await sql.perform(body(runbook, "free"), context)
    assert isinstance(free, Done)
    assert free.result["rows"] == [{"free": True}]


async def _until_blocked(arguments: dict[str, Any], context: Any) -> Done:
    """Another process takes its own time to come to the lock."""
    deadline = time.monotonic() + 10
    while True:
        found = await sql.perform(arguments, context)
        assert isinstance(found, Done)
        if found.result["rows"]:
            return found
        assert time.monotonic() < deadline


async def test_redis_memory(redis_url: str) -> None:
    """Every command of the runbook is one that Redis has."""
    runbook = example("redis_memory")
    context = make_context({"cache": ("redis", redis_url)}, timeout_seconds=5.0)
    for step in runbook.steps:
        outcome = await redis.perform(body(runbook, step.id), context)
        assert isinstance(outcome, Done)


@pytest.mark.parametrize(
    "runbook_id", ["blocked_sessions", "redis_memory", "restart_api", "certificate_expiry", "error_rate"]
)
def test_arguments_render(runbook_id: str) -> None:
    """With nothing but defaults every argument that needs no earlier result can be rendered."""
    runbook = example(runbook_id)
    for step in runbook.steps:
        if "steps." not in str(step.body):
            expressions.render_all(step.body, {"params": read(runbook, {})})
