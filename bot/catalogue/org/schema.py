"""The shape of org.yml. Messages raised here are the sentences operators read."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from bot.catalogue.fields import (
    Channel,
    ConnectionName,
    JmesPath,
    Key,
    LabelName,
    MatcherText,
    Reference,
    Schema,
    ServiceKey,
    SeverityWord,
    SomeDuration,
    Text,
    Who,
)
from bot.domain.catalogue.catalogue import GROUP_BY


class AccessSchema(Schema):
    declare: list[Who] = ["everyone"]
    respond: list[Who] = ["everyone"]
    execute: list[Who] = []
    approve: list[Who] = []
    admin: list[Who] = []


class ConnectionSchema(Schema):
    """One kind, and where its address is: addresses and passwords never stand in a catalogue."""

    sql: Reference | None = None
    redis: Reference | None = None
    prometheus: Reference | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> ConnectionSchema:
        if len(self.model_fields_set) != 1:
            raise ValueError("A connection is one of sql, redis and prometheus. Write for example {sql: env:NAME}.")
        if self.kind_and_reference()[1] is None:
            raise ValueError("This connection has no address. Write for example {sql: env:NAME}.")
        return self

    def kind_and_reference(self) -> tuple[str, str]:
        kind = next(iter(self.model_fields_set))
        return kind, getattr(self, kind)


class HeartbeatSchema(Schema):
    """An alert that must keep arriving."""

    every: SomeDuration
    severity: SeverityWord | None = None


class RouteSchema(Schema):
    match: Annotated[list[MatcherText], Field(max_length=50)]
    service: ServiceKey | None = None
    severity: SeverityWord | None = None
    channel: Channel | None = None
    escalation_policy: Key | None = None
    runbook: Text | None = None
    heartbeat: HeartbeatSchema | None = None


class GenericSchema(Schema):
    """JMESPath expressions over a payload; below `alerts`, over one alert of it."""

    alerts: JmesPath | None = None
    fingerprint: JmesPath | None = None
    status: JmesPath | None = None
    firing: list[Text] = []
    labels: dict[LabelName, JmesPath] = {}


class OrgSchema(Schema):
    """org.yml."""

    default_service: ServiceKey | None = None
    teams: dict[Text, list[Who]] = {}
    access: AccessSchema = AccessSchema()
    connections: dict[ConnectionName, ConnectionSchema] = {}
    routes: Annotated[list[RouteSchema], Field(max_length=1_000)] = []
    group_by: Annotated[list[LabelName], Field(min_length=1, max_length=20)] = list(GROUP_BY)
    generic: dict[Key, GenericSchema] = {}
