"""The runbook that restarts an API, against a real supervisord and a real API."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from bot.domain.runs.outcome import Done, Failed, Waiting
from tests.engine.steps.support import make_context
from tests.runbooks.test_examples import example
from tests.support.clock import HandClock
from tests.support.programs import Supervisord, answers, supervisord
from tests.support.walk import Walk


def restart(
    server: Supervisord,
    *,
    clock: HandClock | None = None,
    hands: Mapping[str, Callable[[str], None]] | None = None,
    **given: object,
) -> Walk:
    ports = {"host": "127.0.0.1", "control_port": server.control_port, "api_port": server.api_port}
    return Walk(example("restart_api"), make_context(clock=clock or HandClock()), {**ports, **given}, hands)


def starts(server: Supervisord) -> int:
    return len((server.folder / "starts").read_text().splitlines())


async def test_an_api_that_is_stopped() -> None:
    """It is started, and the run ends when it answers."""
    with supervisord(starts_by_itself=False) as server:
        walk = restart(server)
        assert isinstance(await walk.go(), Done)
        assert isinstance(walk.outcomes["look"], Failed)
        assert "NOT_RUNNING" in walk.seen("stop")["body"]
        assert walk.done == ["look", "log", "stop", "start", "healthy"]
        assert answers(f"http://127.0.0.1:{server.api_port}/health")


async def test_an_api_that_is_ill() -> None:
    """It runs and answers 503; what it wrote is kept, and the process is another one afterwards."""
    with supervisord(starts_by_itself=True, ill_starts=1) as server:
        walk = restart(server)
        server.wait_for_api()
        assert isinstance(await walk.go(), Done)
        looked = walk.outcomes["look"]
        assert isinstance(looked, Failed)
        assert looked.result["status"] == 503
        assert "The pool is used up." in walk.seen("log")["body"]
        assert starts(server) == 2


async def test_an_api_that_is_well() -> None:
    """It is left alone, unless somebody says to restart it although it answers."""
    with supervisord(starts_by_itself=True) as server:
        server.wait_for_api()
        walk = restart(server)
        assert isinstance(await walk.go(), Done)
        assert walk.done == ["look", "healthy"]
        assert starts(server) == 1
        assert isinstance(await restart(server, even_if_healthy=True).go(), Done)
        assert starts(server) == 2


@pytest.mark.parametrize(
    ("program", "command", "fault"),
    [
        ("spi", None, "BAD_NAME"),
        ("api", "/nonexistent/api", "NO_FILE"),
        ("api", "/bin/false", "SPAWN_ERROR"),
    ],
    ids=["an unknown name", "a program that is not there", "a program that ends at once"],
)
async def test_supervisord_refuses(program: str, command: str | None, fault: str) -> None:
    """It refuses with a 200. The run sees that, and a person is asked, with a text that tells what to look for."""
    read: list[str] = []
    with supervisord(starts_by_itself=False, command=command) as server:
        walk = restart(server, program=program, hands={"by_hand": read.append})
        for step_id in ("look", "log", "stop", "start", "by_hand"):
            await walk.step(step_id)
        assert fault in walk.seen("start")["body"]
        assert len(read) == 1
        assert fault in read[0]


async def test_it_stays_ill() -> None:
    """The run fails after two minutes, and says what the API answers."""
    with supervisord(starts_by_itself=True, ill_starts=9) as server:
        server.wait_for_api()
        clock = HandClock()
        walk = restart(server, clock=clock)
        since = clock.now()
        assert isinstance(await walk.look("healthy", since=since), Waiting)
        clock.advance(minutes=2)
        outcome = await walk.look("healthy", since=since)
        assert isinstance(outcome, Failed)
        assert "503" in outcome.sentence
