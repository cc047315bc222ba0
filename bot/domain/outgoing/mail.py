"""E-mail as values: to whom, saying what, and how it hangs together with the incident's other mail."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from bot.domain.catalogue.service import NOWHERE

SUBJECT_LIMIT = 200

_ADDRESS = re.compile(r"[^\s@<>,;:()\[\]\\\"]{1,64}@[^\s@<>,;:()\[\]\\\"]{1,190}")
_URL = re.compile(r"https?://[^\s<>\"]+[^\s<>\".,;:!?)\]]")


@dataclass(frozen=True)
class Mail:
    """One message to some addresses. Every part of a `thread` answers its first message, whose `part` is empty."""

    to: tuple[str, ...]
    subject: str
    text: str
    sent_at: datetime  # of the wall: what the reader's clock said
    thread: str  # inc-42
    era: str = ""  # tells installations apart that write from one address
    part: str = ""  # update-7

    @property
    def line(self) -> str:
        """The subject in one line: what has line ends in it could begin another header.

        So could an encoded word, `=?utf-8?q?=0ABcc:…?=`, which Python takes apart and writes out with its line end.
        """
        return one_line(self.subject).replace("=?", "= ?")[:SUBJECT_LIMIT]

    @property
    def html(self) -> str:
        return as_html(self.text)


@dataclass(frozen=True)
class Refusal:
    """An address that was not written to. One that is not `permanent` may be tried again."""

    address: str
    reason: str
    permanent: bool = True
    is_placeholder: bool = False

    def __str__(self) -> str:
        return f"{self.address}: {self.reason}"


@dataclass(frozen=True)
class Sent:
    accepted: tuple[str, ...]
    refused: tuple[Refusal, ...] = ()


def is_address(text: str) -> bool:
    return bool(_ADDRESS.fullmatch(text)) and text.isascii() and text.isprintable()


def is_nowhere(address: str) -> bool:
    return f".{address.rpartition('@')[2]}".rstrip(".").casefold().endswith(NOWHERE)


def one_line(text: str) -> str:
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())


def unique(addresses: Iterable[str]) -> tuple[str, ...]:
    return tuple({address.casefold(): address for address in addresses}.values())


def as_html(text: str) -> str:
    """Made of the text, so that the two cannot say different things."""
    paragraphs = [_paragraph(part) for part in re.split(r"\n\s*\n", text.strip())]
    return f'<html><body style="font-family: sans-serif">{"".join(paragraphs)}</body></html>\n'


def _paragraph(text: str) -> str:
    return f"<p>{'<br>'.join(_linked(line) for line in text.splitlines())}</p>"


def _linked(line: str) -> str:
    pieces, end = [], 0
    for found in _URL.finditer(line):
        url = html.escape(found[0])
        pieces += [html.escape(line[end : found.start()]), f'<a href="{url}">{url}</a>']
        end = found.end()
    return "".join([*pieces, html.escape(line[end:])])
