"""The Jinja that e-mail is written in: plain text, in the words' sandbox. Its HTML is made of the text afterwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bot.catalogue.templates.sandbox import Sandbox, timed
from bot.views.kit.mrkdwn import Safe

MAILS = ("declared", "update", "resolved", "reopened")
SUBJECT_LIMIT = 200
MAIL_LIMIT = 20_000


def mail_sandbox(folders: Sequence[Path]) -> Sandbox:
    """Times are written out in UTC, and a link as its address: no mail program knows Slack's markup."""
    sandbox = Sandbox(folders, finish_for_mail)
    sandbox.offer(clock=_at("%H:%M UTC"), moment=_at("%d %b, %H:%M UTC"), link=_link)
    return sandbox


def finish_for_mail(value: Any) -> Safe:
    """A value as text; nothing in it means anything, until the HTML is made of it, which escapes."""
    if isinstance(value, Safe):
        return value
    if isinstance(value, datetime):
        return Safe(_utc(value, "%Y-%m-%d %H:%M UTC"))
    if isinstance(value, list | tuple):
        return Safe(", ".join(map(finish_for_mail, value)))
    return Safe("" if value is None else str(value))  # str of what is undefined raises, naming what is missing


def _at(shape: str) -> Callable[[Any], Safe]:
    return timed(lambda at: Safe(_utc(at, shape)))


def _utc(at: datetime, shape: str) -> str:
    return at.astimezone(UTC).strftime(shape)


def _link(url: str, text: str) -> Safe:
    return Safe(f"{text}: {url}")
