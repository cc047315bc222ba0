"""What values of org.yml and service.yml look like. Messages raised here are the sentences operators read."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
)

from bot.catalogue.principals import CHANNEL, KEY
from bot.domain.catalogue import matchers
from bot.domain.errors import Unclear
from bot.domain.text import duration

SERVICE_KEY = re.compile(r"[a-z][a-z0-9-]{1,39}", re.ASCII)
RESERVED = ("private", "drill")  # words that `declare` reads first

REFERENCE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]{0,99}|file:/[^\x00-\x1f]{1,500}")

_CONNECTION = re.compile(r"[a-z][a-z0-9_-]{0,39}", re.ASCII)
_PERSON = re.compile(r"[UW][A-Z0-9]{2,20}", re.ASCII)
_TIME = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00", re.ASCII)
_PAGERDUTY = re.compile(r"[A-Z0-9]{3,40}", re.ASCII)
_ADDRESS = re.compile(r"[^\s@<>,;:()\[\]\\\"]{1,64}@[^\s@<>,;:()\[\]\\\"]{1,190}")
_YEARS = range(2000, 2100)
_SEVERITY_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,29}", re.ASCII)


class Schema(BaseModel):
    """Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def matching(shape: re.Pattern[str], sentence: str) -> AfterValidator:
    """The sentence may name the value as {value}."""

    def validate(value: str) -> str:
        if not shape.fullmatch(value):
            raise ValueError(sentence.format(value=value))
        return value

    return AfterValidator(validate)


def pattern(shape: re.Pattern[str]) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^(?:{shape.pattern})$"})


def _duration(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError(f"“{value}” has no unit. Write for example 15m, 4h or 1h30m.")
    try:
        return duration.parse(value)
    except Unclear as problem:
        raise ValueError(problem.sentence) from None


def _some(value: timedelta) -> timedelta:
    if value < timedelta(minutes=1):
        raise ValueError("This must be at least 1m. Remove the line if there should be none.")
    return value


def _channel(value: str) -> str:
    name = value.removeprefix("#")
    if not CHANNEL.fullmatch(name):
        raise ValueError(f"“{value}” is not a channel. Write its name in lower case, or its id (C…).")
    return name


def _timezone(value: str) -> str:
    if value == "UTC":  # a machine without the time zone files still knows this one
        return value
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"There is no time zone “{value}”. Write an IANA name, for example Europe/Berlin.") from None
    return value


def _matcher(value: str) -> str:
    try:
        matchers.parse(value)
    except Unclear as problem:
        raise ValueError(problem.sentence) from None
    return value


def _jmespath(value: str) -> str:
    import jmespath  # only where a mapping is written

    try:
        jmespath.compile(value)
    except (ValueError, RecursionError):
        raise ValueError(
            f"“{value}” is not a JMESPath expression. Write for example events[] or labels.name."
        ) from None
    return value


def _time(value: object) -> object:
    """Since midnight."""
    if isinstance(value, int) and 0 <= value <= 24 * 60:  # YAML takes 17:00 for a number of base 60
        raise ValueError(f'Put the time in quotes: "{value // 60:02}:{value % 60:02}".')
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise ValueError(f'“{value}” is not a time. Write it in quotes and with two digits each, for example "09:00".')
    hours, minutes = value.split(":")
    return timedelta(hours=int(hours), minutes=int(minutes))


def _moment(value: object) -> object:
    """Without an offset, its surroundings say which zone is meant."""
    try:
        found = datetime.fromisoformat(value.strip()) if isinstance(value, str) and len(value.strip()) > 10 else value
    except ValueError:
        found = None
    if isinstance(found, date) and not isinstance(found, datetime):
        raise ValueError(f"“{found}” has no hour. Write for example {found}T09:00:00.")
    if not isinstance(found, datetime) or found.year not in _YEARS:
        raise ValueError(f"“{value}” is not a moment. Write for example 2026-01-05T09:00:00+01:00.")
    return found


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Duration = Annotated[
    timedelta, BeforeValidator(_duration), WithJsonSchema({"type": "string", "pattern": duration.PATTERN})
]
SomeDuration = Annotated[Duration, AfterValidator(_some)]
ServiceKey = Annotated[
    str,
    matching(SERVICE_KEY, "“{value}” is not a service key. Use 2 to 40 of a-z, 0-9 and -, a letter first."),
    pattern(SERVICE_KEY),
]
SeverityWord = Annotated[
    str,
    matching(_SEVERITY_WORD, "“{value}” cannot be typed as a severity. Use up to 30 of A-Z, a-z, 0-9, _ and -."),
    pattern(_SEVERITY_WORD),
]
Reference = Annotated[
    str,
    matching(REFERENCE, "Write env:NAME or file:/path; addresses and passwords never stand in this file."),
    pattern(REFERENCE),
]
ConnectionName = Annotated[
    str,
    matching(_CONNECTION, "“{value}” cannot name a connection. Use up to 40 of a-z, 0-9, _ and -, a letter first."),
]
Channel = Annotated[str, AfterValidator(_channel)]
TimeZone = Annotated[str, AfterValidator(_timezone)]
Who = Annotated[Text, Field(description="U… W… S… team:KEY role:ROLE oncall oncall:LEVEL everyone")]
Target = Annotated[Text, Field(description="slack:#channel dm:WHO email:WHO-or-CONTACT page:WHO-or-CONTACT")]


Key = Annotated[
    str,
    matching(KEY, "“{value}” is not a key. Use up to 40 of A-Z, a-z, 0-9, _ and -, no - or _ first."),
    pattern(KEY),
]
PersonId = Annotated[
    str, matching(_PERSON, "“{value}” is not one person. Write a member id (U0ADA)."), pattern(_PERSON)
]
LabelName = Annotated[str, StringConstraints(min_length=1, max_length=128)]
MatcherText = Annotated[Text, AfterValidator(_matcher)]
PagerDutyId = Annotated[
    str,
    matching(_PAGERDUTY, "“{value}” is not an id of PagerDuty. Copy it from its address there, for example PABC123."),
    pattern(_PAGERDUTY),
]
Address = Annotated[
    str,
    matching(_ADDRESS, "“{value}” is not an e-mail address. Write for example ops-team@company.invalid."),
]
WallTime = Annotated[timedelta, BeforeValidator(_time), pattern(_TIME)]
Moment = Annotated[
    datetime, BeforeValidator(_moment), WithJsonSchema({"type": "string", "description": "2026-01-05T09:00:00+01:00"})
]
PromQL = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2_000)]
JmesPath = Annotated[PromQL, AfterValidator(_jmespath)]
