"""Silences: which alerts nobody is to be bothered with, until when, and why. Rules only."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from bot.domain.alerts.maintenance import REASON_LIMIT, Suppression
from bot.domain.alerts.routing import SERVICE, SEVERITY, Routed
from bot.domain.catalogue.matchers import Matcher, leading
from bot.domain.catalogue.severity import Severity
from bot.domain.errors import Unclear

MOST_MATCHERS = 20
HOW = '`/incident silence 2h alertname="APIDown" service=~"shop.*" -- why`'
TOO_WIDE = "That would silence every alert. Name at least one label by what it is, for example {how}."

_QUOTES = str.maketrans(dict.fromkeys("“”„‟″", '"'))  # as telephones write them
_REASON = re.compile(r"(?:^|\s)(?:--|—|–)\s")  # and as they write two hyphens
# Words that no installation uses together: what holds for all of them says nothing of a label.
_ANYTHING = ("a", "Z9", "0", "x-y_z.w", "éß", "two words", "https://example.invalid/?q=1#x", "-" * 40)


@dataclass(frozen=True, kw_only=True)
class Silence(Suppression):
    """All of its matchers must hold."""

    matchers: tuple[Matcher, ...]

    def __str__(self) -> str:
        return f"SIL-{self.id}"

    @property
    def about(self) -> str:
        return " ".join(map(str, self.matchers))

    def covers(self, labels: Mapping[str, str], service: str, severity: Callable[[], Severity]) -> bool:
        """`severity` is asked last, and seldom."""
        others = (one for one in self.matchers if one.name != SEVERITY)
        if not all(_holds(one, _called(one.name, labels, (service,))) for one in others):
            return False
        last = [one for one in self.matchers if one.name == SEVERITY]
        return not last or all(_holds(one, _called(SEVERITY, labels, _words(severity()))) for one in last)

    def means(self, labels: Mapping[str, str], routed: Routed) -> bool:
        return self.covers(labels, routed.service.key, lambda: routed.severity)


def _words(severity: Severity) -> tuple[str, ...]:
    return (severity.key, *severity.aliases)


def _called(name: str, labels: Mapping[str, str], routed: tuple[str, ...]) -> tuple[str, ...]:
    said = labels.get(name, "")
    if name not in (SERVICE, SEVERITY):
        return (said,)
    return (*routed, said) if said else routed


def _holds(matcher: Matcher, words: Iterable[str]) -> bool:
    found = (matcher.holds({matcher.name: word}) for word in words)
    return all(found) if matcher.op.startswith("!") else any(found)


def longest(found: Iterable[Silence]) -> Silence | None:
    return max(found, key=lambda one: (one.ends_at, one.id), default=None)


def number(word: str) -> int | None:
    match = re.fullmatch(r"sil-?(\d{1,9})", word.strip().casefold(), re.ASCII)
    return int(match[1]) if match else None


# --- as people write it -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Wish:
    """`2h alertname="APIDown" -- known`. `lasting` is a duration, or morning."""

    lasting: str
    matchers: tuple[Matcher, ...]
    reason: str = ""


def read(text: str) -> Wish:
    """The duration is before the matchers or after them. Raises Unclear."""
    words, reason = _apart(text.translate(_QUOTES).strip())
    lasting, rest = ("", words) if leading(words)[0] else _first(words)
    found, after = leading(rest)
    if not lasting:
        lasting, after = _first(after)
    if not found or not lasting or after:
        raise Unclear(f"Say for how long and what: {HOW}. {_odd(found, after)}".strip())
    _must_be_narrow(found)
    return Wish(lasting, found, reason[:REASON_LIMIT])


def _apart(text: str) -> tuple[str, str]:
    for dashes in _REASON.finditer(f"{text} "):
        if text[: dashes.start()].replace('\\"', "").count('"') % 2 == 0:
            return text[: dashes.start()].strip(), " ".join(text[dashes.end() :].split())
    return text, ""


def _first(text: str) -> tuple[str, str]:
    word, _, rest = text.partition(" ")
    return word, rest.strip()


def _odd(found: tuple[Matcher, ...], after: str) -> str:
    if after and found:
        return f"I could not read “{after[:100]}”."
    return "" if found else 'A matcher is a label, one of = != =~ !~ and a value: `job="api"`.'


def _must_be_narrow(matchers: tuple[Matcher, ...]) -> None:
    if len(matchers) > MOST_MATCHERS:
        raise Unclear(f"A silence has at most {MOST_MATCHERS} matchers. Make two of it.")
    if all(map(_says_nothing, matchers)):
        raise Unclear(TOO_WIDE.format(how=HOW))


def _says_nothing(matcher: Matcher) -> bool:
    """It holds where the label is absent, as almost every label is, or whatever the label says."""
    return matcher.holds({}) or all(matcher.holds({matcher.name: word}) for word in _ANYTHING)
