"""Taking an object from outside apart, field by field: what is understood is taken, the rest stays and is kept.

An odd value is never an error: it is said in a sentence and stays in the rest.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

LONGEST_TEXT = 4_000
LONGEST_NAME = 300
LONGEST_URL = 2_000
LONGEST_KEY = 100_000  # it is hashed, and two keys may differ at their ends
MOST_NOTES = 50
MOST_ENTRIES = 64
DEEPEST = 8
MOST_PIECES = 400  # of everything that is kept of one object
MOST_CHARACTERS = 16_000  # the same
CUT = "…"

_EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DIGITS = re.compile(r"\d{9,19}(?:\.\d{1,9})?", re.ASCII)
# PostgreSQL stores no NUL, and nobody can write half a surrogate pair as UTF-8.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_NOT_IN_URL = re.compile(r"[\x00-\x20\x7f-\xa0<>|\"`\\]")


class Notes:
    """Each once, and not endlessly many."""

    def __init__(self) -> None:
        self._said: dict[str, None] = {}
        self._more = 0

    def say(self, sentence: str) -> None:
        if sentence in self._said:
            return
        if len(self._said) < MOST_NOTES:
            self._said[sentence] = None
        else:
            self._more += 1

    def all(self) -> tuple[str, ...]:
        more = (f"{self._more} more things were odd.",) if self._more else ()
        return (*self._said, *more)


class Item:
    """One object. Each reader takes a field out of the rest if it understands it, and answers empty if not."""

    def __init__(self, value: Mapping[str, Any], path: str, notes: Notes) -> None:
        self._left = dict(value)
        self._opened: list[tuple[str, Item]] = []
        self.is_empty = not value
        self.path = path
        self.notes = notes

    def __contains__(self, name: str) -> bool:
        return self._left.get(name) is not None

    def text(self, *names: str, longest: int = LONGEST_TEXT) -> str:
        for name in names:
            found = as_text(self._left.get(name))
            if found is None:
                self.odd(name, "text")
            elif found.strip():
                del self._left[name]
                return self.short(found.strip(), name, longest)
        return ""

    def time(self, *names: str) -> datetime | None:
        for name in names:
            value = self._left.get(name)
            if value in (None, "") or _is_zero_time(value):
                self._left.pop(name, None)
                continue
            found = as_time(value)
            if found is not None:
                del self._left[name]
                return found
            self.odd(name, "a time")
        return None

    def url(self, *names: str) -> str:
        """The first of these fields that holds a link that a person may follow."""
        for name in names:
            value = self._left.get(name)
            if value in (None, ""):
                self._left.pop(name, None)
                continue
            if is_link(value):
                del self._left[name]
                return str(value)
            self.odd(name, "a link of http or https")
        return ""

    def count(self, name: str) -> int:
        value = self._left.get(name)
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9:
            del self._left[name]
            return value
        self.odd(name, "a number")
        return 0

    def open(self, name: str) -> Item:
        """An empty one if there is none. What stays in it stays in the rest of this one."""
        if not self.has_object(name):
            self.odd(name, "an object")
            return Item({}, f"{self.path}.{name}", self.notes)
        opened = Item(self.take(name), f"{self.path}.{name}".lstrip("."), self.notes)
        self._opened.append((name, opened))
        return opened

    def open_if_object(self, name: str) -> Item:
        """Anything else in that field is left without a word."""
        return self.open(name) if self.has_object(name) else Item({}, name, self.notes)

    def has_object(self, name: str) -> bool:
        return isinstance(self._left.get(name), Mapping)

    def listed(self, name: str) -> list[Any]:
        if isinstance(self._left.get(name), list):
            return list(self.take(name))
        self.odd(name, "a list")
        return []

    def texts(self, name: str) -> dict[str, str]:
        """Whole, to be bounded later. Anything nested becomes text."""
        if not self.has_object(name):
            self.odd(name, "an object")
            return {}
        found = {clean(key): self._one_text(f"{name}.{key}", one) for key, one in self.take(name).items()}
        return {key: one for key, one in found.items() if one}

    def texts_if_object(self, name: str) -> dict[str, str]:
        """Anything else in that field is left without a word."""
        return self.texts(name) if self.has_object(name) else {}

    def words(self, name: str) -> list[str]:
        value = self._left.get(name)
        if isinstance(value, str):
            value = value.split(",")
        if not isinstance(value, list):
            self.odd(name, "a list")
            return []
        self.drop(name)
        found = (self._one_text(name, one) or "" for one in value)
        return [word.strip() for word in found if word.strip()]

    def take(self, name: str) -> Any:
        return self._left.pop(name, None)

    def peek(self, name: str) -> Any:
        return self._left.get(name)

    def put_back(self, name: str, value: object) -> None:
        self._left[name] = value

    def names(self) -> list[str]:
        return list(self._left)

    def drop(self, *names: str) -> None:
        for name in names:
            self._left.pop(name, None)

    def rest(self) -> dict[str, Any]:
        kept = Kept(self.whole_rest())
        if kept.was_cut:
            cut = "1 value was" if kept.was_cut == 1 else f"{kept.was_cut} values were"
            self.notes.say(f"{self._called()} holds more than is kept: {cut} cut.")
        return kept.value if isinstance(kept.value, dict) else {}

    def whole_rest(self) -> dict[str, Any]:
        inner = {name: opened.whole_rest() for name, opened in self._opened}
        return {name: value for name, value in (self._left | inner).items() if value not in (None, "", [], {})}

    def odd(self, name: str, wanted: str) -> None:
        value = self._left.get(name)
        if value is not None and value != "":
            self.notes.say(f"{self._called(name)} is not {wanted}; it is kept as it came.")

    def short(self, text: str, name: str, longest: int) -> str:
        if len(text) <= longest:
            return text
        self.notes.say(f"{self._called(name)} was cut to {longest} of its {len(text)} characters.")
        return text[: longest - 1] + CUT

    def _one_text(self, name: str, value: object) -> str | None:
        found = as_text(value)
        if found is not None:
            return found
        self.notes.say(f"{self._called(name)} is not text; it is shown as JSON.")
        return json.dumps(Kept(value).value, ensure_ascii=False)

    def _called(self, name: str = "") -> str:
        whole = ".".join(part for part in (self.path, name) if part)
        return clean(whole)[:LONGEST_NAME] if whole else "The message"


def items(values: list[Any], path: str, notes: Notes) -> Iterator[Item]:
    """What is no object becomes one that holds it."""
    for place, value in enumerate(values):
        where = f"{path}[{place}]"
        if not isinstance(value, Mapping):
            notes.say(f"{where} is not an object; it is kept as it came.")
            value = {"value": value}
        yield Item(value, where, notes)


class Kept:
    """Any JSON, bounded in depth, breadth and length. `was_cut` counts what had to go."""

    def __init__(self, value: object) -> None:
        self.was_cut = 0
        self._pieces = MOST_PIECES
        self._characters = MOST_CHARACTERS
        self.value = self._bound(value, DEEPEST)

    def _bound(self, value: object, depth: int) -> Any:
        self._pieces -= 1
        if self._pieces < 0 or (depth == 0 and isinstance(value, Mapping | list)):
            self.was_cut += 1
            return CUT
        if isinstance(value, Mapping):
            return {self._text(str(k), LONGEST_NAME): self._bound(v, depth - 1) for k, v in self._first(value.items())}
        if isinstance(value, list | tuple):
            return [self._bound(one, depth - 1) for one in self._first(value)]
        return self._plain(value)

    def _first(self, values: Iterable[Any]) -> list[Any]:
        listed = list(values)
        self.was_cut += max(0, len(listed) - MOST_ENTRIES)
        return listed[:MOST_ENTRIES]

    def _plain(self, value: object) -> object:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int) and abs(value) < 2**53:
            return value
        if isinstance(value, float) and math.isfinite(value):
            return value
        return self._text(as_text(value) or "", LONGEST_TEXT)

    def _text(self, text: str, longest: int) -> str:
        room = min(longest, max(self._characters, 0))
        self._characters -= min(len(text), room)
        if len(text) <= room:
            return clean(text)
        self.was_cut += 1
        return clean(text[:room]) + CUT


def clean(text: str) -> str:
    """Every database stores it, and every socket sends it."""
    return _UNSTORABLE.sub("\ufffd", text)


def as_text(value: object) -> str | None:
    """A number or truth becomes text. None: it is nested."""
    match value:
        case None:
            return ""
        case str():
            return clean(value)
        case bool():
            return "true" if value else "false"
        case int():
            return str(value) if value.bit_length() < 256 else f"a number of {value.bit_length()} bits"
        case float():
            return repr(value)
    return None


def as_time(value: object) -> datetime | None:
    """RFC 3339, or seconds, milliseconds, microseconds or nanoseconds since 1970."""
    if isinstance(value, str) and _DIGITS.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _since_1970(value)
    if not isinstance(value, str) or len(value) > 64:
        return None
    try:
        read = datetime.fromisoformat(value.strip())
        aware = read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return aware if _EARLIEST <= aware < _LATEST else None


def is_link(value: object) -> bool:
    """http or https, a host, no name or password in it, nothing that breaks markup."""
    if not isinstance(value, str) or len(value) > LONGEST_URL or _NOT_IN_URL.search(value) or clean(value) != value:
        return False
    try:
        parts = urlsplit(value)
        port_is_number = parts.port is None or parts.port >= 0
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc and port_is_number


def _since_1970(value: int | float) -> datetime | None:
    """The unit follows from the size: until 2200 no two units overlap."""
    try:
        seconds = float(value)
        while 1e11 < seconds < math.inf:
            seconds /= 1_000
        moment = _EPOCH + timedelta(seconds=round(seconds, 6))
    except (OverflowError, ValueError):
        return None
    return moment if _EARLIEST <= moment < _LATEST else None


def _is_zero_time(value: object) -> bool:
    """Go writes the absence of a time as the year 1, some as 0."""
    if isinstance(value, str):
        return value.startswith("0001-01-01T00:00:00")
    return value == 0 and not isinstance(value, bool)
