"""Text for Slack: values made harmless, and the few pieces of markup that are meant."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from bot.domain.people.person import AT_PAGERDUTY

# A word joiner: invisible, and unlike a zero-width space no word boundary to Slack.
JOINER = "\N{WORD JOINER}"

_BROADCAST = re.compile(r"@(?=(?:here|channel|everyone|group)\b)", re.IGNORECASE)
_MARKS = re.compile(r"[*_~`]+")
_QUOTE = re.compile(r"^(?=&gt;)", re.MULTILINE)


class Safe(str):
    """Markup that is meant, like a mention. Everything else is escaped."""

    __slots__ = ()

    def __str__(self) -> str:
        return self


def escape(text: str) -> Safe:
    """No mention, link or broadcast comes out of this text; `*bold*` and the like still work. Safe text stays."""
    if isinstance(text, Safe):
        return text
    return Safe(_BROADCAST.sub(f"@{JOINER}", text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")))


def literal(text: str) -> Safe:
    """As `escape`, and `*_~` and backquotes are read as they were typed. For titles and the like."""
    if isinstance(text, Safe):
        return text
    return Safe(_QUOTE.sub(JOINER, "\n".join(map(_disarmed, escape(text).split("\n")))))


def _disarmed(line: str) -> str:
    """Marks that Slack may read as an opening, with the same mark further on, are kept apart from what follows. Each
    look is at a bounded number of characters: a title may be nothing but marks.
    """
    last = {mark: line.rfind(mark) for mark in "*_~`"}

    def apart(found: re.Match[str]) -> str:
        start, end = found.span()
        sides = line[start - 1 : start].isalnum(), not line[end : end + 1].strip()
        opens = not any(sides) or (end - start > 1 and not all(sides))
        returns = any(last[mark] > start + found[0].index(mark) for mark in set(found[0]))
        return f"{JOINER}{found[0]}" if opens and returns else found[0]

    return _MARKS.sub(apart, line)


def mention(person: str) -> Safe:
    """Anything but a person's or a user group's id as text; and where else they acted."""
    who, at, rest = person.partition(AT_PAGERDUTY)
    if at and not rest:
        return Safe(f"{mention(who)}{at}")
    if re.fullmatch(r"[UW][A-Z0-9]+", person, re.ASCII):
        return Safe(f"<@{person}>")
    if re.fullmatch(r"S[A-Z0-9]+", person, re.ASCII):
        return Safe(f"<!subteam^{person}>")
    return escape(person)


def channel(identity: str) -> Safe:
    return Safe(f"<#{identity}>") if re.fullmatch(r"[CG][A-Z0-9]+", identity, re.ASCII) else escape(identity)


def link(url: str | None, text: str) -> Safe:
    """The text alone where there is no address of http or https."""
    if not url or not re.match(r"https?://", url):
        return literal(text)
    return Safe(f"<{escape(url).replace('|', '%7C')}|{literal(text.replace('|', '¦'))}>")


def clock(at: datetime) -> Safe:
    return _token(at, "{time}", "%H:%M UTC")


def moment(at: datetime) -> Safe:
    return _token(at, "{date_short_pretty}, {time}", "%d %b, %H:%M UTC")


def _token(at: datetime, shape: str, fallback: str) -> Safe:
    return Safe(f"<!date^{int(at.timestamp())}^{shape}|{at.astimezone(UTC).strftime(fallback)}>")


def clip(text: str, limit: int) -> str:
    """Markup is never cut in two."""
    if len(text) <= limit:
        return text
    kept = text[: limit - 1]
    if kept.rfind("<") > kept.rfind(">"):
        kept = kept[: kept.rfind("<")]
    kept = re.sub(r"&[a-z]{0,3}$", "", kept)
    kept = re.sub(r"@(?:here|channel|everyone|group)$", "", kept, flags=re.IGNORECASE)  # of a longer, harmless word
    return type(text)(kept.rstrip() + "…")
