"""The shipped runbooks do what they say: their steps, performed against real servers."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import psycopg
import pytest

from bot.catalogue.load import load
from bot.domain.catalogue.runbook import Effect, Runbook
from bot.domain.runs.outcome import Done
from bot.domain.runs.parameters import read
from bot.expressions import evaluate
from bot.paths import data
from tests.engine.steps.support import make_context
from tests.support.backends import Postgres
from tests.support.walk import Walk

GUIDE = {"overview", "impact", "diagnosis", "resolution", "prevention", "escalation"}
EXAMPLES = (
    "backup_and_verify", "blocked_sessions", "certificate_expiry", "error_rate", "redis_memory", "restart_api",
)  # fmt: skip
GIVEN = {"backup_and_verify": {"database": "shop", "table": "orders"}}


def example(runbook_id: str) -> Runbook:
    """From the packaged catalogue, or from the folder beside it whose runbooks start programs."""
    folders = [data("runbooks"), data("runbooks") / "_shell"]
    loaded = load(folders, allow_shell=folders[1:])
    assert loaded.findings == ()
    assert loaded.catalogue is not None
    return loaded.catalogue.runbook(runbook_id)


@pytest.mark.parametrize("runbook_id", EXAMPLES)
def test_arguments_render(runbook_id: str) -> None:
    """With nothing but defaults every argument that needs no earlier result can be rendered."""
    runbook = example(runbook_id)
    for step in runbook.steps:
        if "steps." not in str(step.body):
            evaluate.render_all(step.body, {"params": read(runbook, GIVEN.get(runbook_id, {}))})


@pytest.mark.parametrize("runbook_id", EXAMPLES)
def test_guides_are_whole(runbook_id: str) -> None:
    """Each has every part of a guide, a target, a title for every step and help for every parameter."""
    runbook = example(runbook_id)
    assert runbook.guide.keys() == GUIDE
    assert runbook.mttr_target is not None
    assert all(step.title for step in runbook.steps)
    assert all(parameter.help for parameter in runbook.parameters)


@pytest.mark.parametrize("runbook_id", EXAMPLES)
def test_nothing_happens_but_what_may_happen_twice(runbook_id: str) -> None:
    """No shipped step is one that a crash would leave a person to puzzle over."""
    runbook = example(runbook_id)
    every = [one for step in runbook.steps for one in (step, step.undo) if one]
    assert all(one.effect is not Effect.ONCE for one in every)


# --- PostgreSQL and Redis -------------------------------------------------------------------------------------------


@pytest.fixture
def database(postgres: Postgres) -> Iterator[str]:
    url = postgres.empty()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE things (id integer PRIMARY KEY)")
        connection.execute("INSERT INTO things VALUES (1)")
    yield url
    postgres.drop(url)


@pytest.fixture
def waiter(database: str) -> Iterator[threading.Thread]:
    """Waits for a row, on a connection of its own."""
    thread = threading.Thread(target=_wait_for_row, args=(database,))
    yield thread
    thread.join(10)


def _wait_for_row(url: str) -> None:
    with psycopg.connect(url) as waiting:
        waiting.execute("UPDATE things SET id = 2 WHERE id = 1")


def blocked_sessions(database: str) -> Walk:
    walk = Walk(example("blocked_sessions"), make_context({"app_db": ("sql", database)}))
    walk.set("seconds", 0)
    return walk


async def test_blocked_sessions(database: str, waiter: threading.Thread) -> None:
    """Who blocks is found and ended, and who waited goes on."""
    walk = blocked_sessions(database)
    holder = psycopg.connect(database)
    holder.execute("SELECT * FROM things FOR UPDATE")
    waiter.start()
    try:
        await _until_blocked(walk)
        found = walk.seen("blocked")["rows"][0]
        assert (found["pid"], found["state"], found["waiting"]) == (
            holder.info.backend_pid, "idle in transaction", 1,
        )  # fmt: skip
        assert found["query"] == "SELECT * FROM things FOR UPDATE"
        await walk.step("end")
        assert walk.seen("end")["rows"] == [{"pid": holder.info.backend_pid, "ended": True}]
    finally:
        holder.close()
    waiter.join(10)
    assert isinstance(await walk.step("free"), Done)


async def test_a_session_that_let_go_meanwhile_is_left_alone(database: str, waiter: threading.Thread) -> None:
    """Between the list and its approval the holder commits: it no longer blocks anybody, and stays."""
    walk = blocked_sessions(database)
    with psycopg.connect(database) as holder:
        holder.execute("SELECT * FROM things FOR UPDATE")
        waiter.start()
        await _until_blocked(walk)
        holder.commit()
        waiter.join(10)
        await walk.step("end")
        assert walk.seen("end")["rows"] == []
        holder.execute("SELECT 1")


async def test_nobody_is_blocked(database: str) -> None:
    """Then nothing is ended, and nobody is asked to approve anything."""
    walk = blocked_sessions(database)
    assert isinstance(await walk.go(), Done)
    assert walk.done == ["blocked", "prepared", "free"]


def test_ending_sessions_needs_somebody_else() -> None:
    """Looking needs no approval; what is ended is approved with the sessions named."""
    runbook = example("blocked_sessions")
    end = runbook.step("end")
    assert end is not None
    assert end.approval is not None
    assert runbook.policy.needs_none
    assert evaluate.needs(end.body) == ("blocked",)


async def _until_blocked(walk: Walk) -> None:
    """Another session takes its own time to come to the lock."""
    deadline = time.monotonic() + 10
    while True:
        assert isinstance(await walk.step("blocked"), Done)
        if walk.seen("blocked")["count"]:
            return
        assert time.monotonic() < deadline


async def test_redis_memory(redis_url: str) -> None:
    """Every command of the runbook is one that Redis has, and says what its title promises."""
    walk = Walk(example("redis_memory"), make_context({"cache": ("redis", redis_url)}))
    assert isinstance(await walk.go(), Done)
    assert all(isinstance(outcome, Done) for outcome in walk.outcomes.values())
    assert "maxmemory:" in walk.seen("before")["value"]
    assert "evicted_keys:" in walk.seen("evicted")["value"]
