"""The shape of service.yml. Messages raised here are the sentences operators read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal, get_args

from pydantic import Field, StrictInt, model_validator

from bot.catalogue.fields import (
    Address,
    Channel,
    Duration,
    Key,
    Moment,
    PagerDutyId,
    PersonId,
    PromQL,
    Schema,
    ServiceKey,
    SeverityWord,
    SomeDuration,
    Target,
    Text,
    TimeZone,
    WallTime,
    Who,
)
from bot.domain.catalogue.hours import moment, zone

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class ChannelsSchema(Schema):
    alerts: Channel | None = None
    incidents: Channel | None = None


class SeveritySchema(Schema):
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
    notify: list[Target] = []
    on_alert: Literal["declare", "card", "log"] = "card"
    automatic: Literal["run", "ask", "suggest", "none"] = "suggest"
    escalation_policy: Key | None = None


class EscalationStepSchema(Schema):
    after: Duration
    unless: Literal["acknowledged", "assigned", "resolved"] = "acknowledged"
    during: Key | None = None
    notify: Annotated[list[Target], Field(min_length=1, max_length=20)]


class EscalationPolicySchema(Schema):
    repeat: Annotated[StrictInt, Field(ge=0, le=20)] = 0
    steps: Annotated[list[EscalationStepSchema], Field(min_length=1, max_length=20)]


class HoursSchema(Schema):
    """`to` before `from` is the next day."""

    tz: TimeZone | None = None
    days: Annotated[list[Day], Field(min_length=1)] = list(get_args(Day))
    opens: WallTime = Field(alias="from")
    closes: WallTime = Field(alias="to")


class RotationSchema(Schema):
    people: Annotated[list[PersonId], Field(min_length=1, max_length=100)]
    every: Duration
    start: Moment
    tz: TimeZone | None = None
    hours: Key | None = None

    def start_and_zone(self, timezone: str) -> tuple[datetime, str | None]:
        """Wall time and its zone; or a moment and None where only an offset is written. `timezone`: the service's."""
        if self.start.tzinfo is None:
            return self.start, self.tz or timezone
        if self.tz is None:
            return self.start.astimezone(UTC), None
        return self.start.astimezone(zone(self.tz)).replace(tzinfo=None), self.tz


class OverrideSchema(Schema):
    person: PersonId
    begins_at: Moment = Field(alias="from")
    ends_at: Moment = Field(alias="until")

    def moments(self, timezone: str) -> tuple[datetime, datetime]:
        """From and until. Where no offset is written, the service's zone is meant."""
        begins, ends = (
            moment(at, zone(timezone)) if at.tzinfo is None else at for at in (self.begins_at, self.ends_at)
        )
        return begins.astimezone(UTC), ends.astimezone(UTC)


class LevelSchema(Schema):
    """One of pagerduty_schedule, rotation, rotations and who."""

    pagerduty_schedule: PagerDutyId | None = None
    rotation: RotationSchema | None = None
    rotations: Annotated[list[RotationSchema], Field(min_length=1, max_length=20)] | None = None
    who: Annotated[list[Who], Field(min_length=1)] | None = None
    overrides: Annotated[list[OverrideSchema], Field(max_length=200)] = []

    @model_validator(mode="after")
    def _one_of(self) -> LevelSchema:
        if [self.pagerduty_schedule, self.rotation, self.rotations, self.who].count(None) != 3:
            raise ValueError("A level is one of pagerduty_schedule, rotation, rotations and who. Write one of them.")
        return self

    @property
    def all_rotations(self) -> list[RotationSchema]:
        return [self.rotation] if self.rotation else self.rotations or []


class ContactSchema(Schema):
    email: list[Address] = []
    who: list[Who] = []
    phone: Text | None = None
    pagerduty_service: PagerDutyId | None = None


class KnownAlertSchema(Schema):
    severity: SeverityWord | None = None
    runbook: Text | None = None
    mttr_target: SomeDuration | None = None


class ObjectiveSchema(Schema):
    """A service level."""

    name: Text
    objective: Annotated[float, Field(gt=0, lt=100)]
    window: SomeDuration
    good: PromQL
    total: PromQL


class ServiceSchema(Schema):
    """service.yml."""

    service: ServiceKey
    name: Text | None = None
    timezone: TimeZone = "UTC"
    owners: list[Who] = []
    channels: ChannelsSchema = ChannelsSchema()
    components: list[Text] = []
    default_severity: SeverityWord
    severities: Annotated[list[SeveritySchema], Field(min_length=1, max_length=20)]
    escalation_policies: Annotated[dict[Key, EscalationPolicySchema], Field(max_length=100)] = {}
    hours: Annotated[dict[Key, HoursSchema], Field(max_length=100)] = {}
    oncall: Annotated[dict[Key, LevelSchema], Field(max_length=20)] = {}
    contacts: Annotated[dict[Key, ContactSchema], Field(max_length=500)] = {}
    alerts: Annotated[dict[Text, KnownAlertSchema], Field(max_length=5_000)] = {}
    slos: Annotated[list[ObjectiveSchema], Field(max_length=100)] = []
