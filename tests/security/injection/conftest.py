"""The log of each test, as an operator would read it."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest
import structlog

from bot import telemetry
from tests.security.injection.scene import Log


@pytest.fixture
def log() -> Iterator[Log]:
    """Everything that is logged meanwhile; the logging of the test run itself is put back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    telemetry.configure("json", "info", stream)
    yield Log(stream)
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
