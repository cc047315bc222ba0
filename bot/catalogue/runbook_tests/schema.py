"""The shape of a runbook's own tests. Messages raised here are the sentences operators read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    GetJsonSchemaHandler,
    StrictBool,
    StrictInt,
    StrictStr,
    StringConstraints,
    model_validator,
)
from pydantic_core import CoreSchema

from bot.catalogue.fields import Schema, SeverityWord, Text
from bot.catalogue.runbooks.schema import Long, Number
from bot.domain.text.wording import hint, listing

WORDS = ("ok", "waits", "unknown")  # results that one word says
FATES = ("done", "failed", "skipped", "unknown", "waits", "asks")
EXPECTED = ("path", "arguments", "saved", "ends", "undo", "says")

Fate = Literal["done", "failed", "skipped", "unknown", "waits", "asks"]
End = Literal["succeeded", "failed", "undone", "awaiting_approval", "waiting", "unknown", "rejected", "refused"]
Answer = Literal["approve", "reject", "wait", "happened", "redo", "stop"]
Output = Annotated[StrictStr, StringConstraints(max_length=200_000)]
StepName = Annotated[str, StringConstraints(min_length=1, max_length=70)]


@dataclass(frozen=True)
class Briefly:
    """As an editor is told: one of these words, any text, or one item of the list."""

    words: tuple[str, ...] = ()
    text: bool = False

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        whole = handler(core)
        if self.words:
            return {"anyOf": [{"enum": list(self.words)}, whole]}
        return {"anyOf": [{"type": "string"} if self.text else whole["items"], whole]}


def _as_list(value: object) -> object:
    return value if isinstance(value, list) else [value]


def _result(value: object) -> object:
    if not isinstance(value, str):
        return {} if value is True else value  # `ok: yes` is a habit; so is `restart: yes`
    if value not in WORDS:
        raise ValueError(
            f"“{value}” is not a result. Write {listing(WORDS, 'or')}, or a mapping such as {{fails: why}}."
        )
    return {} if value == "ok" else {value: True}


def _happened(value: object) -> object:
    if isinstance(value, str):
        return {value: "done"}
    if not isinstance(value, Mapping) or len(value) != 1:
        raise ValueError("Each entry of a path is a step's id, or one id and what became of it, as in end: skipped.")
    ((name, fate),) = value.items()
    if fate not in FATES:
        raise ValueError(f"“{fate}” is nothing that becomes of a step. {hint(str(fate), FATES)}")
    return {name: fate}


class SampleSchema(Schema):
    """One series, as promql has it."""

    labels: dict[Text, StrictStr] = {}
    value: Number
    values: list[Number] = []
    at: Number = 0


class ResultSchema(Schema):
    """What a step is said to come to: that it fails, that nobody knows, or what it gives."""

    ok: StrictBool | None = None
    fails: Long | None = None
    certain: StrictBool = False
    unknown: StrictBool = False
    waits: StrictBool = False
    status: Annotated[StrictInt, Field(ge=100, le=599)] | None = None
    headers: dict[Text, StrictStr] | None = None
    body: Output | None = None
    json_: Any = Field(None, alias="json")
    rows: list[dict[str, Any]] | None = None
    rowcount: Annotated[StrictInt, Field(ge=0)] | None = None
    value: Any = None
    samples: list[SampleSchema] | None = None
    exit_code: Annotated[StrictInt, Field(ge=-64, le=255)] | None = None
    stdout: Output | None = None
    stderr: Output | None = None
    evidence: Output | None = None
    reached: list[StrictStr] | None = None
    missed: list[StrictStr] | None = None

    @model_validator(mode="after")
    def _one_fate(self) -> Self:
        fates = [name for name in ("fails", "unknown", "waits") if getattr(self, name)]
        if len(fates) > 1:
            raise ValueError(f"A step has one fate; this has {listing(fates)}. Keep one.")
        if self.certain and not self.fails:
            raise ValueError("certain says that nothing left the house when the step failed. Add fails: why.")
        if fates and self.ok is not None:
            raise ValueError(f"This says both ok and {fates[0]}. Keep one.")
        return self

    @property
    def given(self) -> dict[str, Any]:
        return {
            name: value
            for name, value in self.model_dump(by_alias=True, exclude_unset=True).items()
            if name not in ("ok", "fails", "certain", "unknown", "waits")
        }


class IncidentSchema(Schema):
    id: Text = "INC-1"
    severity: SeverityWord | None = None
    title: Text | None = None


class AlertSchema(Schema):
    labels: dict[Text, StrictStr] = {}


_Result = Annotated[ResultSchema, BeforeValidator(_result), Briefly(WORDS)]
Results = Annotated[list[_Result], Field(min_length=1, max_length=100), BeforeValidator(_as_list), Briefly()]
Answers = Annotated[list[Answer], Field(min_length=1, max_length=100), BeforeValidator(_as_list), Briefly()]
Happened = Annotated[dict[str, Fate], Field(min_length=1, max_length=1), BeforeValidator(_happened), Briefly(text=True)]


class CaseSchema(Schema):
    """One walk through the runbook: what it meets, and what is expected of it."""

    name: Text
    parameters: dict[str, Any] = {}
    incident: IncidentSchema | None = None
    alert: AlertSchema = AlertSchema()
    results: dict[StepName, Results] = {}
    answers: dict[StepName, Answers] = {}
    path: Annotated[list[Happened], Field(max_length=500)] | None = None
    arguments: dict[StepName, dict[str, Any]] = {}
    saved: dict[StepName, dict[str, Any]] = {}
    ends: End | None = None
    undo: list[StepName] | None = None
    says: Long | None = None

    @model_validator(mode="after")
    def _expects_something(self) -> Self:
        if not self.model_fields_set & set(EXPECTED):
            raise ValueError("This case expects nothing. Add path or ends.")
        return self


class SuiteSchema(Schema):
    """<key>/<id>.test.yml"""

    cases: Annotated[list[CaseSchema], Field(min_length=1, max_length=500)]
