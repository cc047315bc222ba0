"""The shapes of org.yml and service.yml. Messages raised here are the sentences operators read."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from bot.catalogue.who import CHANNEL
from bot.domain import duration
from bot.domain.errors import Unclear

SERVICE_KEY = re.compile(r"[a-z][a-z0-9-]{1,39}", re.ASCII)
RESERVED = ("private", "drill")  # words that `declare` reads first

REFERENCE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]{0,99}|file:/[^\x00-\x1f]{1,500}")

_CONNECTION = re.compile(r"[a-z][a-z0-9_-]{0,39}", re.ASCII)
_SEVERITY_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,29}", re.ASCII)


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


def _service_key(value: str) -> str:
    if not SERVICE_KEY.fullmatch(value):
        raise ValueError(f"“{value}” is not a service key. Use 2 to 40 of a-z, 0-9 and -, a letter first.")
    return value


def _severity_word(value: str) -> str:
    if not _SEVERITY_WORD.fullmatch(value):
        raise ValueError(f"“{value}” cannot be typed as a severity. Use up to 30 of A-Z, a-z, 0-9, _ and -.")
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


def _reference(value: str) -> str:
    if not REFERENCE.fullmatch(value):
        raise ValueError("Write env:NAME or file:/path; addresses and passwords never stand in this file.")
    return value


def _connection_name(value: str) -> str:
    if not _CONNECTION.fullmatch(value):
        raise ValueError(f"“{value}” cannot name a connection. Use up to 40 of a-z, 0-9, _ and -, a letter first.")
    return value


def _pattern(shape: re.Pattern[str]) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^(?:{shape.pattern})$"})


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Duration = Annotated[
    timedelta, BeforeValidator(_duration), WithJsonSchema({"type": "string", "pattern": duration.PATTERN})
]
SomeDuration = Annotated[Duration, AfterValidator(_some)]
ServiceKey = Annotated[str, AfterValidator(_service_key), _pattern(SERVICE_KEY)]
SeverityWord = Annotated[str, AfterValidator(_severity_word), _pattern(_SEVERITY_WORD)]
Reference = Annotated[str, AfterValidator(_reference), _pattern(REFERENCE)]
ConnectionName = Annotated[str, AfterValidator(_connection_name)]
Channel = Annotated[str, AfterValidator(_channel)]
TimeZone = Annotated[str, AfterValidator(_timezone)]
Who = Annotated[Text, Field(description="U… W… S… team:KEY role:ROLE oncall oncall:LEVEL everyone")]
Target = Annotated[Text, Field(description="slack:#channel dm:WHO email:WHO-or-CONTACT page:WHO-or-CONTACT")]


class Shape(BaseModel):
    """Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class AccessShape(Shape):
    declare: list[Who] = ["everyone"]
    respond: list[Who] = ["everyone"]
    execute: list[Who] = []
    approve: list[Who] = []
    admin: list[Who] = []


class ConnectionShape(Shape):
    """One kind, and where its address is: addresses and passwords never stand in a catalogue."""

    sql: Reference | None = None
    redis: Reference | None = None
    prometheus: Reference | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> ConnectionShape:
        if len(self.model_fields_set) != 1:
            raise ValueError("A connection is one of sql, redis and prometheus. Write for example {sql: env:NAME}.")
        if self.kind_and_reference()[1] is None:
            raise ValueError("This connection has no address. Write for example {sql: env:NAME}.")
        return self

    def kind_and_reference(self) -> tuple[str, str]:
        kind = next(iter(self.model_fields_set))
        return kind, getattr(self, kind)


class OrgShape(Shape):
    """org.yml. Keys of later releases are checked for their type and otherwise left alone."""

    default_service: ServiceKey | None = None
    teams: dict[Text, list[Who]] = {}
    access: AccessShape = AccessShape()
    connections: dict[ConnectionName, ConnectionShape] = {}
    routes: list[dict[str, Any]] = []
    group_by: list[Text] = []
    generic: dict[Text, dict[str, Any]] = {}


class ChannelsShape(Shape):
    alerts: Channel | None = None
    incidents: Channel | None = None


class SeverityShape(Shape):
    key: SeverityWord
    aliases: list[SeverityWord] = []
    name: Text | None = None
    criteria: list[Text] = []
    respond_within: Duration | None = None
    channel: bool = True
    update_every: SomeDuration | None = None
    remind_before: Duration | None = None
    watch: Duration | None = None
    postmortem_due: SomeDuration | None = None
    invite: list[Who] = []
    tell: list[Target] = []
    on_alert: Literal["declare", "card", "log"] | None = None
    automatic: Literal["run", "ask", "suggest", "none"] | None = None
    ladder: Text | None = None


class ContactShape(Shape):
    email: list[Text] = []
    who: list[Who] = []
    phone: Text | None = None
    pagerduty_service: Text | None = None


class ServiceShape(Shape):
    """service.yml. Keys of later releases are checked for their type and otherwise left alone."""

    service: ServiceKey
    name: Text | None = None
    timezone: TimeZone = "UTC"
    owners: list[Who] = []
    channels: ChannelsShape = ChannelsShape()
    components: list[Text] = []
    default_severity: SeverityWord
    severities: Annotated[list[SeverityShape], Field(min_length=1, max_length=20)]
    ladders: dict[Text, dict[str, Any]] = {}
    hours: dict[Text, dict[str, Any]] = {}
    oncall: dict[Text, dict[str, Any]] = {}
    contacts: dict[Text, ContactShape] = {}
    alerts: dict[Text, dict[str, Any]] = {}
    slos: list[dict[str, Any]] = []
