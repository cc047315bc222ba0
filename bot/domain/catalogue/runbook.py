"""Runbooks as operators wrote them, as values: typed parameters, steps with effects, who must approve. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any

from bot.domain.text import regex


class Effect(StrEnum):
    """What doing a step again would do. Absent in the file = once: the careful answer."""

    READ = "read"  # changes nothing
    REPEATABLE = "repeatable"  # doing it twice is as good as once
    ONCE = "once"  # never started twice; where that is unknown, a person is asked


class OnFailure(StrEnum):
    STOP = "stop"
    CONTINUE = "continue"
    UNDO = "undo"


class Kind(StrEnum):
    HTTP = "http"
    SQL = "sql"
    REDIS = "redis"
    PROMQL = "promql"
    SHELL = "shell"
    WAIT = "wait"
    MANUAL = "manual"
    APPROVAL = "approval"
    MESSAGE = "message"
    EMAIL = "email"
    PAGE = "page"
    SET = "set"

    @property
    def rules(self) -> KindRules:
        return _KIND_RULES[self]


@dataclass(frozen=True)
class KindRules:
    """What holds for every step of a kind. `results`: the names that the world outside fills."""

    results: tuple[str, ...] = ()
    effect: Effect | None = None  # the only one it has
    connection: str | None = None  # the kind of connection it needs
    looks: bool = False  # a plan may look with it
    reaches: bool = False  # people beyond Slack


_KIND_RULES: Mapping[Kind, KindRules] = {
    Kind.HTTP: KindRules(("status", "headers", "body", "json"), looks=True),
    Kind.SQL: KindRules(("rows", "rowcount"), connection="sql", looks=True),
    Kind.REDIS: KindRules(("value",), connection="redis", looks=True),
    Kind.PROMQL: KindRules(("value", "samples"), Effect.READ, connection="prometheus", looks=True),
    Kind.SHELL: KindRules(("exit_code", "stdout", "stderr"), looks=True),
    Kind.WAIT: KindRules(effect=Effect.READ),
    Kind.MANUAL: KindRules(("evidence",), Effect.READ),
    Kind.APPROVAL: KindRules(effect=Effect.READ),
    Kind.MESSAGE: KindRules(effect=Effect.REPEATABLE),
    Kind.EMAIL: KindRules(("reached", "missed"), reaches=True),
    Kind.PAGE: KindRules(("reached", "missed"), reaches=True),
    Kind.SET: KindRules(effect=Effect.READ),
}


class ParameterType(StrEnum):
    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DURATION = "duration"
    CHOICE = "choice"
    SECRET = "secret"  # noqa: S105 - the name of a type


@dataclass(frozen=True)
class Parameter:
    """One typed input. `source` is where a secret (`env:NAME`, `file:/path`) or a choice's query comes from."""

    name: str
    type: ParameterType = ParameterType.STRING
    required: bool = False
    default: Any = None
    help: str = ""
    pattern: str | None = None
    enum: tuple[str, ...] = ()
    min: float | None = None
    max: float | None = None
    max_length: int = 500
    source: Any = None

    @property
    def is_free_text(self) -> bool:
        """A string that anybody may fill as they like: it may never choose a host, a program or a query.

        A pattern of letters, digits, `_`, `.` and `-` alone is narrow enough for a host or a label's value.
        """
        if self.type is not ParameterType.STRING or self.enum:
            return False
        return self.pattern is None or not regex.is_narrow(self.pattern)


@dataclass(frozen=True)
class Connection:
    """A thing that steps may reach. `kind` is sql, redis or prometheus; `reference` (`env:NAME`, `file:/path`) is
    resolved by the step and nowhere else."""

    name: str
    kind: str
    reference: str


@dataclass(frozen=True)
class ApprovalRule:
    who: tuple[str, ...] = ()  # empty: access.approve
    quorum: int = 1
    expires: timedelta = timedelta(minutes=30)
    reason: bool = False
    break_glass: tuple[str, ...] = ()
    by_severity: Mapping[str, ApprovalRule] = field(default_factory=dict)

    def for_severity(self, severity: str | None) -> ApprovalRule:
        return self.by_severity.get(severity or "", self)


@dataclass(frozen=True)
class Policy:
    """`execute` None: access.execute. `approval` None: one by access.approve whenever any step's effect is not read."""

    execute: tuple[str, ...] | None = None
    approval: ApprovalRule | None = None
    needs_none: bool = False  # `approval: none`


@dataclass(frozen=True)
class Retries:
    max: int = 0
    backoff: timedelta = timedelta(seconds=5)


@dataclass(frozen=True)
class Step:
    """`body` is the value of its kind key, unrendered."""

    id: str
    kind: Kind
    body: Mapping[str, Any]
    effect: Effect = Effect.ONCE
    title: str = ""
    when: str | None = None
    timeout: timedelta = timedelta(seconds=60)
    retries: Retries = Retries()
    on_failure: OnFailure = OnFailure.STOP
    save: Mapping[str, str] = field(default_factory=dict)
    approval: ApprovalRule | None = None
    undo: Step | None = None
    in_plan: bool = False  # a read that the plan really looks at

    @property
    def checked(self) -> tuple[Kind, Mapping[str, Any]]:
        """The kind and body that its result is of: a wait ends with the result of its check."""
        for kind, body in self.body.get("until", {}).items() if self.kind is Kind.WAIT else ():
            return Kind(kind), body
        return self.kind, self.body

    @property
    def with_undo(self) -> tuple[Step, ...]:
        return (self, self.undo) if self.undo else (self,)


@dataclass(frozen=True)
class Trigger:
    """Which alerts call for it. `do` is suggest, ask or run."""

    match: tuple[str, ...]
    severities: tuple[str, ...] = ()
    do: str = "suggest"


@dataclass(frozen=True)
class Concurrency:
    """Runs with the same rendered `key` wait for one another beyond `limit`."""

    key: str
    limit: int = 1


@dataclass(frozen=True)
class Runbook:
    """One file. `version` is a hash of its content; a run pins the version it was planned with."""

    id: str
    service: str
    title: str
    steps: tuple[Step, ...]
    parameters: tuple[Parameter, ...] = ()
    guide: Mapping[str, str] = field(default_factory=dict)
    mttr_target: timedelta | None = None
    triggers: tuple[Trigger, ...] = ()
    policy: Policy = Policy()
    concurrency: Concurrency | None = None
    deadline: timedelta = timedelta(hours=1)
    version: str = ""
    file: str = ""
    folder: str = ""  # the catalogue folder it came from: TOCSIN_ALLOW_SHELL names such folders

    @property
    def steps_and_undos(self) -> list[Step]:
        return [one for step in self.steps for one in step.with_undo]

    @property
    def has_effect(self) -> bool:
        return any(step.effect is not Effect.READ for step in self.steps)

    def parameter(self, name: str) -> Parameter | None:
        return next((one for one in self.parameters if one.name == name), None)

    def step(self, step_id: str) -> Step | None:
        return next((one for one in self.steps if one.id == step_id), None)
