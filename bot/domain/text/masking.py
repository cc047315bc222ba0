"""Hides secrets in text that leaves the house: whole, and in the forms that programs commonly write them in."""

from __future__ import annotations

import base64
import html
import json
import string
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus, unquote, urlsplit

from bot.domain.text.secret import Secret

MASK = "***"
SHORTEST_PIECE = 4  # shorter ones occur in every text
SHORTEST_LINE = 8  # of a secret of several lines, such as a key
SHORTEST_WRAPPED = 6  # shorter ones are not looked for across line ends
_BREAKS = str.maketrans("", "", "\r\n")
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)  # str.lower() may change lengths

Span = tuple[int, int]


class Masker:
    """Knows the secrets of one piece of work. More may be added while it goes on."""

    def __init__(self, secrets: Iterable[Secret] = ()) -> None:
        self._needles: list[str] = []
        self._added: set[str] = set()
        for secret in secrets:
            self.add(secret)

    def add(self, secret: Secret) -> None:
        if secret.reveal() in self._added:
            return
        self._added.add(secret.reveal())
        found = {*self._needles, *(form.translate(_LOWER) for form in _forms(secret.reveal()))}
        self._needles = sorted(found, key=len, reverse=True)

    @property
    def reach(self) -> int:
        """Line ends that break a form up included."""
        longest = len(self._needles[0]) if self._needles else 0
        return longest + 2 * (longest // 16 + 2) if longest else 0

    def mask(self, text: str) -> str:
        return _cover(text, self.spans(text))

    def mask_all(self, value: Any) -> Any:
        match value:
            case str():
                return self.mask(value)
            case dict():
                return {self.mask_all(key): self.mask_all(one) for key, one in value.items()}
            case list() | tuple():
                return [self.mask_all(one) for one in value]
        return value

    def stream(self) -> MaskedStream:
        return MaskedStream(self)

    def spans(self, text: str) -> list[Span]:
        """In order and apart from one another. Case is ignored: `%2F` is `%2f`."""
        text = text.translate(_LOWER)
        found = [span for needle in self._needles for span in _places(text, needle)]
        squeezed = text.translate(_BREAKS)
        if len(squeezed) != len(text):
            found.extend(self._broken(text, squeezed))
        return _merged(found)

    def _broken(self, text: str, squeezed: str) -> Iterator[Span]:
        """Forms that line ends break up, as `base64` does after 76 characters."""
        needles = [one for one in self._needles if len(one) >= SHORTEST_WRAPPED and one in squeezed]
        if not needles:
            return
        place = [index for index, character in enumerate(text) if character not in "\r\n"]
        for needle in needles:
            for start, end in _places(squeezed, needle):
                yield place[start], place[end - 1] + 1


class MaskedStream:
    """Masks over chunk borders: the end of what came is held back until it cannot be a secret's beginning."""

    def __init__(self, masker: Masker) -> None:
        self._masker = masker
        self._held = ""

    def feed(self, text: str) -> str:
        self._held += text
        cut = len(self._held) - self._masker.reach
        if cut <= 0:
            return ""
        spans = self._masker.spans(self._held)
        cut = min([cut, *(start for start, end in spans if start < cut < end)])
        shown = _cover(self._held[:cut], [span for span in spans if span[1] <= cut])
        self._held = self._held[cut:]
        return shown

    def end(self) -> str:
        rest, self._held = self._masker.mask(self._held), ""
        return rest


def _cover(text: str, spans: list[Span]) -> str:
    pieces, at = [], 0
    for start, end in spans:
        pieces += [text[at:start], MASK]
        at = end
    return "".join([*pieces, text[at:]])


def _places(text: str, needle: str) -> Iterator[Span]:
    at = text.find(needle)
    while at >= 0:
        yield at, at + len(needle)
        at = text.find(needle, at + len(needle))


def _merged(spans: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _forms(value: str) -> set[str]:
    """The secret itself always; the others from four characters on."""
    forms = {form for part in _parts(value) for form in _written(part) if len(form) >= SHORTEST_PIECE}
    return (forms | {value, value.strip()}) - {""}


def _parts(value: str) -> Iterator[str]:
    yield value
    yield value.strip()
    yield from (line.strip() for line in value.splitlines() if len(line.strip()) >= SHORTEST_LINE)
    yield from _password(value)


def _password(value: str) -> Iterator[str]:
    """An error message may show it alone."""
    try:
        password = urlsplit(value.strip()).password if "://" in value else None
    except ValueError:
        return
    if password and len(password) >= SHORTEST_PIECE:
        yield password
        yield unquote(password)


def _written(value: str) -> Iterator[str]:
    raw = value.encode("utf-8", "surrogatepass")
    yield value
    yield from _base64(raw)
    yield raw.hex()
    yield from _escaped(value)
    yield from _quoted(value, raw)


def _escaped(value: str) -> Iterator[str]:
    for ascii_only in (True, False):
        once = json.dumps(value, ensure_ascii=ascii_only)[1:-1]
        yield from (once, once.replace("/", "\\/"))
        yield from (json.dumps(once, ensure_ascii=again)[1:-1] for again in (True, False))  # by another program
    yield repr(value)[1:-1]
    yield from (html.escape(value), html.escape(value, quote=False))


def _quoted(value: str, raw: bytes) -> Iterator[str]:
    percent = "".join(f"%{byte:02X}" for byte in raw)
    yield from (quote(raw, safe=""), quote(raw), quote_plus(raw), percent)


def _base64(raw: bytes) -> Iterator[str]:
    """In each of the three alignments that it can have within a longer text, without what its neighbours decide."""
    for offset, unsure in ((0, 0), (1, 2), (2, 3)):
        sure = (offset + len(raw)) * 8 // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            text = encode(bytes(offset) + raw).decode("ascii")
            yield text[unsure:sure]
            if not offset:
                yield text
