"""Log lines: one shape for everybody's, and no secrets in them."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from bot import telemetry
from bot.domain.text.secret import Secret
from bot.telemetry import Event, get_logger


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """What was logged; the logging of the test run itself is put back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_json_lines_carry_event_level_and_time(stream: io.StringIO) -> None:
    """A JSON line names the event, its level and its time."""
    telemetry.configure("json", "info", stream)
    get_logger().info(Event.READY, port=8080)
    line = json.loads(stream.getvalue())
    assert (line["event"], line["level"], line["port"]) == ("tocsin.ready", "info", 8080)
    assert line["at"].endswith("Z")


def test_other_libraries_share_the_shape(stream: io.StringIO) -> None:
    """A line of a library's own logger comes out the same way."""
    telemetry.configure("json", "info", stream)
    logging.getLogger("some.library").warning("port %s is taken", 80)
    assert json.loads(stream.getvalue())["event"] == "port 80 is taken"


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_secrets_are_never_logged(log_format: str, stream: io.StringIO) -> None:
    """Tokens, passwords in URLs and wrapped secrets are replaced wherever they stand, tracebacks included."""
    telemetry.configure(log_format, "info", stream)
    try:
        raise RuntimeError("could not reach postgresql://tocsin:hunter2@db/tocsin")
    except RuntimeError:
        get_logger().exception(
            "xoxb-hunter2-x",
            header={"Authorization": "Bearer hunter2"},
            wrapped=Secret("hunter2"),
            several=["xapp-1-hunter2", "tocsin_hunter2hunter2hunter2"],
        )
    logging.getLogger("other").error("url https://hooks.slack.com/services/T/B/hunter2")
    assert "hunter2" not in stream.getvalue()
    assert "***" in stream.getvalue()


def test_event_names_are_unique() -> None:
    """No two events share a name."""
    assert len({event.value for event in Event}) == len(Event.__members__)
