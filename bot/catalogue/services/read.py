"""service.yml: one file checked and made a Service."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta

from bot.catalogue.services import checks
from bot.catalogue.services.schema import (
    ContactSchema,
    EscalationPolicySchema,
    HoursSchema,
    LevelSchema,
    RotationSchema,
    ServiceSchema,
    SeveritySchema,
)
from bot.catalogue.yaml.diagnostics import validated
from bot.catalogue.yaml.document import Document
from bot.domain.catalogue.catalogue import Finding
from bot.domain.catalogue.hours import DAY, DAYS, Hours
from bot.domain.catalogue.levels import Level, Override, Rotation
from bot.domain.catalogue.policy import EscalationPolicy, EscalationStep, Unless
from bot.domain.catalogue.service import Contact, KnownAlert, Objective, Service
from bot.domain.catalogue.severity import Automatic, OnAlert, Severity

REMIND_BEFORE = timedelta(minutes=5)


def read(document: Document, teams: Collection[str] | None, findings: list[Finding]) -> Service | None:
    """None where it cannot be used. What is wrong is added to `findings`."""
    shape = validated(document, ServiceSchema, findings)
    if shape is None:
        return None
    found = list(checks.findings(document, shape, teams))
    findings.extend(found)
    return None if found else _service(shape)


def _service(shape: ServiceSchema) -> Service:
    hours = {key: _hours(key, one, shape.timezone) for key, one in shape.hours.items()}
    return Service(
        key=shape.service,
        name=shape.name or shape.service,
        severities=tuple(_severity(rank, level) for rank, level in enumerate(shape.severities)),
        default_severity=shape.default_severity,
        timezone=shape.timezone,
        owners=tuple(shape.owners),
        alerts_channel=shape.channels.alerts,
        incidents_channel=shape.channels.incidents,
        components=tuple(shape.components),
        escalation_policies={
            key: _escalation_policy(key, one, hours) for key, one in shape.escalation_policies.items()
        },
        hours=hours,
        oncall={key: _level(key, one, hours, shape.timezone) for key, one in shape.oncall.items()},
        contacts={key: _contact(one) for key, one in shape.contacts.items()},
        alerts={name: KnownAlert(one.severity, one.runbook, one.mttr_target) for name, one in shape.alerts.items()},
        objectives=tuple(Objective(one.name, one.objective, one.window, one.good, one.total) for one in shape.slos),
    )


def _severity(rank: int, level: SeveritySchema) -> Severity:
    return Severity(
        key=level.key,
        name=level.name or level.key,
        rank=rank,
        aliases=tuple(level.aliases),
        criteria=tuple(level.criteria),
        respond_within=level.respond_within,
        channel=level.channel,
        update_every=level.update_every,
        remind_before=_remind_before(level),
        watch=level.watch,
        postmortem_due=level.postmortem_due,
        invite=tuple(level.invite),
        notify=tuple(level.notify),
        on_alert=OnAlert(level.on_alert),
        automatic=Automatic(level.automatic),
        escalation_policy=level.escalation_policy,
    )


def _remind_before(level: SeveritySchema) -> timedelta:
    if level.remind_before is not None:
        return level.remind_before
    return min(REMIND_BEFORE, level.update_every / 2) if level.update_every else REMIND_BEFORE


def _escalation_policy(key: str, shape: EscalationPolicySchema, hours: Mapping[str, Hours]) -> EscalationPolicy:
    steps = tuple(
        EscalationStep(one.after, tuple(one.notify), Unless(one.unless), hours[one.during] if one.during else None)
        for one in shape.steps
    )
    return EscalationPolicy(key, steps, shape.repeat)


def _hours(key: str, shape: HoursSchema, timezone: str) -> Hours:
    return Hours(
        name=key,
        zone=shape.tz or timezone,
        opens=shape.opens,
        closes=shape.closes + DAY if shape.closes < shape.opens else shape.closes,
        days=frozenset(map(DAYS.index, shape.days)),
    )


def _level(key: str, shape: LevelSchema, hours: Mapping[str, Hours], timezone: str) -> Level:
    return Level(
        key=key,
        rotations=tuple(_rotation(one, hours, timezone) for one in shape.all_rotations),
        who=tuple(shape.who or ()),
        pagerduty_schedule=shape.pagerduty_schedule,
        overrides=tuple(Override(one.person, *one.moments(timezone)) for one in shape.overrides),
    )


def _rotation(shape: RotationSchema, hours: Mapping[str, Hours], timezone: str) -> Rotation:
    start, where = shape.start_and_zone(timezone)
    return Rotation(tuple(shape.people), shape.every, start, where, hours[shape.hours] if shape.hours else None)


def _contact(shape: ContactSchema) -> Contact:
    return Contact(tuple(shape.email), tuple(shape.who), shape.phone, shape.pagerduty_service)
