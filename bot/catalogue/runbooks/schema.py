"""The shape of a runbook's file. Messages raised here are the sentences operators read."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetJsonSchemaHandler,
    StrictBool,
    StrictFloat,
    StrictInt,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import CoreSchema

from bot.catalogue.fields import (
    REFERENCE,
    Duration,
    JmesPath,
    Schema,
    ServiceKey,
    SeverityWord,
    Target,
    Text,
    Who,
    matching,
    pattern,
)
from bot.domain.catalogue.runbook import Kind, ParameterType
from bot.domain.text.wording import listing

RUNBOOK_ID = re.compile(r"[a-z][a-z0-9_]{1,59}", re.ASCII)
STEP_ID = re.compile(r"[a-z][a-z0-9_]{0,59}", re.ASCII)
NAME = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}", re.ASCII)
KINDS = tuple(kind.value for kind in Kind)
LATER = ("statuspage", "parallel", "runbook")
RESERVED_NAMES = ("reason",)  # a field that every run's modal has

MAX_STEPS = 100
MAX_PARAMETERS = 40


def _not_zero(value: timedelta) -> timedelta:
    if value < timedelta(seconds=1):
        raise ValueError("This must be at least 1s.")
    return value


def _later(value: object) -> object:
    raise ValueError("Steps of this kind are not available in this release. Remove the step.")


StepId = Annotated[
    str,
    matching(STEP_ID, "“{value}” is not a step's id. Use a-z, 0-9 and _, a letter first."),
    pattern(STEP_ID),
]
Name = Annotated[
    str,
    matching(NAME, "“{value}” is not a name here. Use a-z, 0-9 and _, a letter first. At most 40."),
    pattern(NAME),
]
Variable = Annotated[
    str, matching(VARIABLE, "“{value}” is not a variable's name. Write for example PATH."), pattern(VARIABLE)
]
Number = StrictInt | StrictFloat
Long = Annotated[str, StringConstraints(min_length=1, max_length=20_000)]
Argument = Annotated[str, StringConstraints(max_length=20_000)]
Scalar = StrictBool | StrictInt | StrictFloat | Argument | None
Markdown = Annotated[str, StringConstraints(max_length=50_000)]
Lasting = Annotated[Duration, AfterValidator(_not_zero)]
Quorum = Annotated[StrictInt, Field(ge=1, le=20)]
Later = Annotated[Any, BeforeValidator(_later)]
Recipient = Annotated[Text, Field(description="WHO-or-CONTACT")]
# A duration that may also be a template: what it renders to is held to the rule when it is planned.
DurationText = Annotated[str, StringConstraints(min_length=1, max_length=200)]


# --- the body of each kind -----------------------------------------------------------------------------------


class BodySchema(Schema):
    """A key without a value is a mistake, except for JSON's own null."""

    @model_validator(mode="after")
    def _has_values(self) -> Self:
        for name, field in type(self).model_fields.items():
            if name != "json_" and name in self.model_fields_set and getattr(self, name) is None:
                raise ValueError(f"{field.alias or name} has no value. Give it one or remove it.")
        return self


class HttpSchema(BodySchema):
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] = "GET"
    url: Annotated[str, StringConstraints(min_length=1, max_length=4_000)]
    headers: dict[Text, Argument] = {}
    json_: Any = Field(None, alias="json")
    form: dict[Text, Argument] = {}
    body: Argument | None = None
    expect: Annotated[list[Annotated[StrictInt, Field(ge=100, le=599)]], Field(min_length=1)] = [200]
    verify_tls: StrictBool = True
    extract: Annotated[dict[Name, JmesPath], Field(max_length=50)] = {}

    @model_validator(mode="after")
    def _one_body(self) -> HttpSchema:
        if len(self.model_fields_set & {"json_", "form", "body"}) > 1:
            raise ValueError("A request has one body. Keep one of json, form and body.")
        return self


class SqlSchema(BodySchema):
    connection: Text
    query: Long
    params: dict[Variable, Scalar] = {}
    write: StrictBool = False
    max_rows: Annotated[StrictInt, Field(ge=1, le=10_000)] = 100


class RedisSchema(BodySchema):
    connection: Text
    command: Annotated[list[StrictInt | StrictFloat | Argument], Field(min_length=1, max_length=1_000)]


class PromqlSchema(BodySchema):
    connection: Text
    query: Long
    range: DurationText | None = None
    step: DurationText | None = None
    check: Long | None = None

    @model_validator(mode="after")
    def _steps_need_a_range(self) -> PromqlSchema:
        if self.step is not None and self.range is None:
            raise ValueError("step needs a range. Add range, or remove step.")
        return self


class ShellSchema(BodySchema):
    argv: Annotated[list[Argument], Field(min_length=1, max_length=200)]
    env: list[Variable] = []
    cwd: Annotated[str, StringConstraints(min_length=1, max_length=500)] = "."
    stdin: Argument | None = None
    expect: Annotated[list[Annotated[StrictInt, Field(ge=0, le=255)]], Field(min_length=1)] = [0]


class UntilSchema(BodySchema):
    http: HttpSchema | None = None
    sql: SqlSchema | None = None
    redis: RedisSchema | None = None
    promql: PromqlSchema | None = None
    shell: ShellSchema | None = None

    @model_validator(mode="after")
    def _one(self) -> UntilSchema:
        if len(self.model_fields_set) != 1:
            raise ValueError(f"until has exactly one check: {listing(UntilSchema.model_fields, 'or')}.")
        return self


class WaitSchema(BodySchema):
    for_: DurationText | None = Field(None, alias="for")
    until: UntilSchema | None = None
    every: DurationText | None = None
    deadline: DurationText | None = None

    @model_validator(mode="after")
    def _one_sort(self) -> WaitSchema:
        if self.model_fields_set not in ({"for_"}, {"until", "every", "deadline"}):
            raise ValueError("A wait has either for, or until with every and deadline.")
        return self


class ManualSchema(BodySchema):
    text: Long
    who: list[Who] = []
    evidence: StrictBool = False


class ApprovalSchema(BodySchema):
    """Beside another kind it is that step's gate; alone it is a step that waits for an approval."""

    who: list[Who] = []
    quorum: Quorum = 1
    expires: Lasting = timedelta(minutes=30)
    reason: StrictBool = False
    text: Long | None = None


class MessageSchema(Schema):
    to: Target
    text: Long


class EmailSchema(BodySchema):
    to: Recipient
    subject: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    text: Long


class PageSchema(BodySchema):
    to: Recipient
    text: Long


# --- policy, parameters, steps --------------------------------------------------------------------------------


class OverrideSchema(Schema):
    who: list[Who] | None = None
    quorum: Quorum | None = None
    expires: Lasting | None = None
    reason: StrictBool | None = None


class ApprovalRuleSchema(Schema):
    who: list[Who] = []
    quorum: Quorum = 1
    expires: Lasting = timedelta(minutes=30)
    reason: StrictBool = False
    break_glass: list[Who] = []
    by_severity: dict[SeverityWord, OverrideSchema] = {}


NO_APPROVAL = ApprovalRuleSchema()  # the word `none`; told apart by identity


def _rule(value: object) -> object:
    return NO_APPROVAL if value == "none" else value


class PolicySchema(Schema):
    execute: list[Who] | None = None
    approval: Annotated[ApprovalRuleSchema | None, BeforeValidator(_rule)] = None

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        schema = handler.resolve_ref_schema(handler(core))
        schema["properties"]["approval"]["anyOf"][1] = {"const": "none"}
        return schema


class TriggerSchema(Schema):
    match: Annotated[list[Text], Field(min_length=1, max_length=50)]
    severities: list[SeverityWord] = []
    do: Literal["suggest", "ask", "run"] = "suggest"


class ConcurrencySchema(Schema):
    key: Text
    limit: Annotated[StrictInt, Field(ge=1, le=100)] = 1


class ChoicesSchema(Schema):
    connection: Text
    query: Long


_TEXT = (ParameterType.STRING,)
_NUMBERS = (ParameterType.INTEGER, ParameterType.NUMBER)
_KEYS_OF_TYPES: dict[str, tuple[ParameterType, ...]] = {
    "pattern": _TEXT,
    "enum": _TEXT,
    "max_length": (*_TEXT, ParameterType.CHOICE),
    "min": _NUMBERS,
    "max": _NUMBERS,
    "from_": (ParameterType.CHOICE, ParameterType.SECRET),
    "default": tuple(set(ParameterType) - {ParameterType.SECRET, ParameterType.CHOICE}),
    "required": tuple(set(ParameterType) - {ParameterType.SECRET}),
}


class ParameterSchema(Schema):
    name: Name
    type: ParameterType = ParameterType.STRING
    required: StrictBool = False
    default: Any = None
    help: Annotated[str, StringConstraints(max_length=500)] = ""
    pattern: Annotated[str, StringConstraints(min_length=1, max_length=500)] | None = None
    enum: Annotated[list[Text], Field(min_length=1, max_length=100)] | None = None
    min: Number | None = None
    max: Number | None = None
    max_length: Annotated[StrictInt, Field(ge=1, le=3_000)] = 500
    from_: Any = Field(None, alias="from")

    @model_validator(mode="after")
    def _fits_its_type(self) -> ParameterSchema:
        for key, types in _KEYS_OF_TYPES.items():
            if key in self.model_fields_set and self.type not in types:
                raise ValueError(f"“{key.rstrip('_')}” means nothing for a parameter of type {self.type}. Remove it.")
        self._check_source()
        if self.name in RESERVED_NAMES:
            raise ValueError(f"“{self.name}” is asked for in every run already. Choose another name.")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("min is above max. Correct one of them.")
        return self

    def _check_source(self) -> None:
        if self.type is ParameterType.SECRET:
            if not isinstance(self.from_, str) or not REFERENCE.fullmatch(self.from_):
                raise ValueError("A secret needs from: env:NAME or file:/path. It is never in this file.")
        elif self.type is ParameterType.CHOICE:
            try:
                ChoicesSchema.model_validate(self.from_)
            except ValidationError:
                raise ValueError("A choice needs from: {connection: …, query: …}.") from None

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        schema = handler.resolve_ref_schema(handler(core))
        reference = {"type": "string", "pattern": f"^(?:{REFERENCE.pattern})$"}
        choices = {"type": "object", "required": ["connection", "query"], "additionalProperties": False}
        choices["properties"] = {"connection": {"type": "string"}, "query": {"type": "string"}}
        schema["properties"]["from"] = {"anyOf": [reference, choices]}
        return schema


class RetriesSchema(Schema):
    max: Annotated[StrictInt, Field(ge=0, le=10)] = 0
    backoff: Lasting = timedelta(seconds=5)


class ActionSchema(Schema):
    """One kind key, and how it is done."""

    http: HttpSchema | None = None
    sql: SqlSchema | None = None
    redis: RedisSchema | None = None
    promql: PromqlSchema | None = None
    shell: ShellSchema | None = None
    wait: WaitSchema | None = None
    manual: ManualSchema | None = None
    approval: ApprovalSchema | None = None
    message: MessageSchema | None = None
    email: EmailSchema | None = None
    page: PageSchema | None = None
    set: Annotated[dict[Name, Long], Field(min_length=1, max_length=50)] | None = None
    effect: Literal["read", "repeatable", "once"] | None = None
    title: Text | None = None
    timeout: Lasting = timedelta(seconds=60)
    retries: RetriesSchema = RetriesSchema()
    statuspage: Later = None
    parallel: Later = None
    runbook: Later = None

    @property
    def kind(self) -> Kind:
        return next(kind for kind in Kind if kind.value in self._kinds())

    def _kinds(self) -> list[str]:
        given = [kind for kind in KINDS if kind in self.model_fields_set]
        return [kind for kind in given if kind != "approval"] or given

    @model_validator(mode="after")
    def _one_kind(self) -> ActionSchema:
        kinds = self._kinds()
        if len(kinds) > 1:
            raise ValueError(f"A step has one kind; this one has {listing(kinds)}. Make a step of each.")
        if not kinds:
            raise ValueError(f"This step has no kind. Add one of {listing(KINDS, 'or')}.")
        empty = [kind for kind in KINDS if kind in self.model_fields_set and getattr(self, kind) is None]
        if empty:
            raise ValueError(f"{empty[0]} has no value. Say what the step does.")
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        schema = handler.resolve_ref_schema(handler(core))
        for kind in LATER:
            schema["properties"].pop(kind, None)
        plain: list[dict[str, Any]] = [{"required": [kind]} for kind in KINDS if kind != "approval"]
        schema["oneOf"] = [*plain, {"required": ["approval"], "not": {"anyOf": plain}}]
        return schema


class StepSchema(ActionSchema):
    id: StepId
    when: Long | None = None
    on_failure: Literal["stop", "continue", "undo"] = "stop"
    save: dict[Name, Long] = {}
    undo: ActionSchema | None = None
    in_plan: StrictBool = False


class GuideSchema(Schema):
    overview: Markdown | None = None
    impact: Markdown | None = None
    diagnosis: Markdown | None = None
    resolution: Markdown | None = None
    prevention: Markdown | None = None
    escalation: Markdown | None = None


class RunbookSchema(Schema):
    """<key>/<id>.yml"""

    title: Text
    service: ServiceKey
    guide: GuideSchema = GuideSchema()
    mttr_target: Lasting | None = None
    triggers: Annotated[list[TriggerSchema], Field(max_length=100)] = []
    parameters: Annotated[list[ParameterSchema], Field(max_length=MAX_PARAMETERS)] = []
    concurrency: ConcurrencySchema | None = None
    deadline: Lasting = timedelta(hours=1)
    policy: PolicySchema = PolicySchema()
    steps: Annotated[list[StepSchema], Field(min_length=1, max_length=MAX_STEPS)]
