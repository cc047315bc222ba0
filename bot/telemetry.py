"""Every log event, named once, and how log lines are written: JSON or for people, never with a secret in them."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from enum import StrEnum
from typing import Any, TextIO

import structlog

EventDict = MutableMapping[str, Any]


class Event(StrEnum):
    """The value is what the log holds."""

    STARTED = "tocsin.started"
    READY = "tocsin.ready"
    STOPPING = "tocsin.stopping"
    STOPPED = "tocsin.stopped"
    FAILED = "tocsin.failed"
    CHANNEL_UNAVAILABLE = "channel.unavailable"
    HTTP_REQUEST = "http.request"
    HTTP_ERROR = "http.error"
    HOOK_REFUSED = "hook.refused"
    HOOK_REFUSALS = "hook.refusals"
    HOOK_CONTEXT = "hook.context"
    HOOK_REQUEST = "hook.subscription"
    ACCESS_REFUSED = "access.refused"
    ALARM = "alarm.raised"
    SLACK_AWAY = "slack.away"
    SLACK_CONNECTED = "slack.connected"
    SLACK_SOCKET_RENEWED = "slack.socket_renewed"
    SLACK_SIGNATURE_REFUSED = "slack.signature_refused"
    SLACK_QUESTION_FAILED = "slack.question_failed"
    SLACK_ANSWER_LOST = "slack.answer_lost"
    SLACK_EVENT_NOT_STORED = "slack.event_not_stored"
    SLACK_EVENT_REFUSED = "slack.event_refused"
    SLACK_TASK_FAILED = "slack.task_failed"
    LEASE_LOST = "lease.lost"
    WORK_LOST = "claim.work_lost"
    DATABASE_TROUBLE = "database.trouble"
    TIMER_STUMBLED = "timer.stumbled"
    TIMER_FAILED = "timer.failed"
    DELIVERY_STUMBLED = "delivery.stumbled"
    DELIVERY_THROTTLED = "delivery.throttled"
    DELIVERY_UNCONFIRMED = "delivery.unconfirmed"
    DELIVERY_RETRIED = "delivery.retried"
    DELIVERY_DROPPED = "delivery.dropped"
    DELIVERY_FAILED = "delivery.failed"
    INBOX_STUMBLED = "inbox.stumbled"
    INBOX_FAILED = "inbox.failed"
    COMMITMENT_MISSED = "commitment.missed"
    AUDIT_SEALED = "audit.sealed"
    PAGER_SILENT = "pager.silent"
    CATALOGUE_REFUSED = "catalogue.refused"
    HEARTBEAT_ENDED = "heartbeat.ended"


def get_logger() -> structlog.stdlib.BoundLogger:
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger("tocsin")
    return logger


_SECRETS = re.compile(
    r"xox[a-z](?:\.[a-z]+)?-[\w.-]+"  # Slack's bot and user tokens
    r"|xapp-[\w.-]+"
    r"|tocsin_[\w-]{16,}"  # our own API tokens
    r"|(?<=://)[^\s/@]+:[^\s/@]+(?=@)"  # user:password in a URL
    r"|(?i:(?<=bearer ))[\w.~+/=-]+"
    r"|https://hooks\.slack\.com/\S+"
)


def scrub(text: str) -> str:
    return _SECRETS.sub("***", text)


def _scrub_values(_logger: object, _method: str, event: EventDict) -> EventDict:
    return {key: _scrubbed(value) for key, value in event.items()}


def _scrubbed(value: Any) -> Any:
    if isinstance(value, str):
        return scrub(str(value))
    if isinstance(value, dict):
        return {key: _scrubbed(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_scrubbed(inner) for inner in value]
    return value if isinstance(value, int | float | bool | None) else scrub(str(value))


def configure(log_format: str = "json", log_level: str = "info", stream: TextIO | None = None) -> None:
    """Other libraries' lines go through it, too, to standard error. `log_format` is json or console.

    May be called again; the last call counts.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_formatter(log_format))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(log_level.upper())
    for noisy in ("apscheduler", "asyncio", "aiosqlite", "slack_bolt", "slack_sdk", "uvicorn", "alembic", "sqlalchemy"):
        logging.getLogger(noisy).setLevel("DEBUG" if log_level == "debug" else "WARNING")
    # A line per statement or tick helps nobody; one per request would name its address, with any secret in it.
    for chatty in ("aiosqlite", "sqlalchemy", "apscheduler", "httpx", "httpcore"):
        logging.getLogger(chatty).setLevel("WARNING")
    structlog.configure(
        processors=[*_shared(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _shared() -> list[structlog.types.Processor]:
    return [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
    ]


def _formatter(log_format: str) -> structlog.stdlib.ProcessorFormatter:
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*_shared(), structlog.stdlib.ExtraAdder()],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            _scrub_values,
            renderer,
        ],
    )
