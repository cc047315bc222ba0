"""Real processes: quick to start, small, ended by a signal without a trace."""

from __future__ import annotations

import asyncio
import json
import shlex
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest

from bot import manifest
from bot.simulator import Simulator
from tests.support.backends import free_port

Start = Callable[..., "subprocess.Popen[str]"]
PATIENCE_SECONDS = 30.0


def wait_for(url: str, process: subprocess.Popen[str]) -> bytes:
    """The first good answer."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - a loopback address of our own
                return bytes(answer.read())
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)  # another process: there is no clock of its to move
    raise AssertionError(f"{url} did not answer.")


def post(url: str, **wish: object) -> dict[str, object]:
    request = urllib.request.Request(url, data=json.dumps(wish).encode())  # noqa: S310 - the same
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - the same
        found: dict[str, object] = json.loads(answer.read())
    return found


def ended(process: subprocess.Popen[str], sent: signal.Signals) -> tuple[int, str, str]:
    process.send_signal(sent)
    out, err = process.communicate(timeout=15)
    return process.returncode, out, err


def sends_what_it_says(line: str) -> None:
    """The request of `curl -H HEADER -d BODY URL`."""
    _, _, header, _, body, url = shlex.split(line)
    name, _, value = header.partition(": ")
    request = urllib.request.Request(url, body.encode(), {name: value})  # noqa: S310 - the same
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - the same
        assert answer.status == 202


def test_demo_shows_a_page_and_ends_cleanly(start: Start, tmp_path: Path) -> None:
    """The demo says where its page is and what to type; what is typed there works; a signal ends it without a word."""
    port = free_port()
    demo = start("demo", "--port", str(port), "--data", str(tmp_path))
    url = f"http://127.0.0.1:{port}"
    assert b"<html" in wait_for(f"{url}/", demo)
    declared: dict[str, object] = {}
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not declared.get("ok") and time.monotonic() < deadline:  # the bot connects a moment after the page is there
        declared = post(f"{url}/_sim/command", user="Ada", channel="incidents", text="/incident declare P1 x is down")
    assert "INC-1" in str(declared["response"])
    assert demo.stdout is not None
    said = [demo.stdout.readline()]
    while "curl" not in said[-1]:
        said.append(demo.stdout.readline())
    sends_what_it_says(said[-1])
    while b"CheckoutErrors" not in wait_for(f"{url}/_sim/channels/ops-alerts/messages", demo):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    code, _, err = ended(demo, signal.SIGTERM)
    assert (code, err) == (0, "")
    assert url in "".join(said)
    assert "/incident declare" in "".join(said)


@pytest.mark.long
def test_second_demo_on_a_port_is_a_sentence(start: Start, tmp_path: Path) -> None:
    """A demo on a port that is taken says so and what to do, in one sentence."""
    port = free_port()
    first = start("demo", "--port", str(port))
    wait_for(f"http://127.0.0.1:{port}/", first)
    second = start("demo", "--port", str(port))
    out, err = second.communicate(timeout=PATIENCE_SECONDS)
    assert (second.returncode, out, err.count("\n")) == (1, "", 1)
    assert str(port) in err


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    simulator = Simulator(manifest.for_socket_mode())
    await simulator.start()
    yield simulator
    await simulator.stop()


@pytest.mark.long
async def test_serve_is_ready_small_and_alone(start: Start, simulator: Simulator, tmp_path: Path) -> None:
    """`serve` gets ready, stays under 150 MB, keeps others off its SQLite file, and ends on SIGTERM with 0."""
    port = free_port()
    variables = {
        "TOCSIN_DATABASE_URL": f"sqlite:///{tmp_path / 'tocsin.db'}",
        "TOCSIN_HTTP_PORT": str(port),
        "SLACK_API_URL": simulator.api_url,
        "SLACK_BOT_TOKEN": simulator.bot_token,
        "SLACK_APP_TOKEN": simulator.app_token,
    }
    serve = start("serve", **variables)
    ready = await asyncio.to_thread(wait_for, f"http://127.0.0.1:{port}/readyz", serve)
    assert json.loads(ready)["status"] == "ok"
    assert psutil.Process(serve.pid).memory_info().rss < 150_000_000
    for second in (start("worker", **variables), start("migrate", **variables)):
        _, err = await asyncio.to_thread(second.communicate)
        assert (second.returncode, err.count("\n")) == (1, 1)
        assert f"Process {serve.pid}" in err
    beside = start("token", "create", "ci", "--scope", "read", "--owner", "U0ADA", **variables)
    out, _ = await asyncio.to_thread(beside.communicate)
    assert (beside.returncode, out[:7]) == (0, "tocsin_")
    code, _, err = await asyncio.to_thread(ended, serve, signal.SIGTERM)
    assert code == 0
    events = [json.loads(line)["event"] for line in err.splitlines()]
    assert "tocsin.ready" in events
    assert simulator.bot_token not in err


@pytest.mark.long
async def test_taken_http_port_names_the_variable(start: Start, simulator: Simulator, tmp_path: Path) -> None:
    """`serve` on a taken port is one sentence that names the variable."""
    serve = start(
        "serve",
        TOCSIN_DATABASE_URL=f"sqlite:///{tmp_path / 'tocsin.db'}",
        TOCSIN_HTTP_PORT=simulator.url.rpartition(":")[2],
        TOCSIN_LOG_LEVEL="error",
        SLACK_API_URL=simulator.api_url,
        SLACK_BOT_TOKEN=simulator.bot_token,
        SLACK_APP_TOKEN=simulator.app_token,
    )
    _, err = await asyncio.to_thread(serve.communicate)
    assert (serve.returncode, err.count("\n")) == (1, 1)
    assert "TOCSIN_HTTP_PORT" in err


def test_light_commands_import_little() -> None:
    """Help starts without the database, Slack and web frameworks."""
    code = "import sys, bot.cli; print(sorted({'sqlalchemy', 'slack_bolt', 'fastapi', 'aiohttp'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
