"""`/api/sre/runbooks`: what there is, ask for a run, look at one. Nothing here approves: only Slack does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from bot.deps import Deps
from bot.domain.catalogue.runbook import Effect, Parameter, Runbook
from bot.domain.errors import Missing, Unclear
from bot.domain.incidents.draft import readable
from bot.domain.people.person import Actor
from bot.domain.runs import parameters
from bot.domain.runs.approval import ApprovalRequest, rule_of_run
from bot.domain.runs.parameters import Reference
from bot.domain.runs.run import SPOKEN, Run, StepRun
from bot.http.access import Executer, Reader
from bot.http.api import idempotency
from bot.http.api.idempotency import Key
from bot.http.door import TheDeps
from bot.http.problems import documented
from bot.interactions import Where
from bot.services.admin import executions
from bot.services.runs import queries as runs, request as run_request
from bot.services.runs.queries import Record, Shown
from bot.services.runs.request import MAX_REASON, Wanted
from bot.views.kit import links
from bot.views.runbook import asks_on_the_way

OUTPUT_SHOWN = 20_000
NOT_STARTED, NOT_NEEDED = "not_started", "not_needed"
NO_TOKEN = "No token, or one that is not in force."  # noqa: S105

router = APIRouter(prefix="/api/sre/runbooks", tags=["runbooks"])


# --- what there is ----------------------------------------------------------------------------------------------------


class ParameterShape(BaseModel):
    """What a run is given. `rule` follows “must be”."""

    name: str = Field(examples=["host"])
    type: str = Field(examples=["string"])
    rule: str = Field(examples=["one line of at most 100 characters that matches [a-z0-9.-]+"])
    required: bool
    default: str | int | float | bool | None = Field(examples=["api-1"])
    choices: list[str] = Field(description="Where only these are taken.")
    help: str = Field(examples=["Which host to restart"])


class RecordShape(BaseModel):
    """Of its last hundred runs: how many were begun and are over, and how many of those succeeded."""

    model_config = ConfigDict(from_attributes=True)

    ended: int = Field(examples=[9])
    fixed: int = Field(examples=[7])
    median_seconds: float | None = Field(examples=[240.0])


class RunbookShape(BaseModel):
    """A runbook. `parameters` is null where nobody in particular looks."""

    id: str = Field(examples=["restart_api"])
    title: str = Field(examples=["Restart the API until healthy"])
    service: str = Field(examples=["default"])
    version: str = Field(description="A hash of its content.", examples=["5f0c6b1e9a27"])
    parameters: list[ParameterShape] | None
    needs_approval: bool = Field(description="Somebody else approves it in Slack, at its beginning or on its way.")
    effects: list[Effect] = Field(examples=[["read", "once"]])
    record: RecordShape


class Runbooks(BaseModel):
    available_runbooks: list[RunbookShape]


@router.get("", responses=documented(_401=NO_TOKEN, _403="The token has no read scope."))
async def list_runbooks(deps: TheDeps, reader: Reader) -> Runbooks:
    """Every runbook of the catalogue in force, with its parameters, whether it needs approval, and how it has done."""
    found = sorted(deps.catalogue.runbooks.values(), key=lambda one: (one.service, one.id))
    shapes = [_runbook(one, await runs.record(deps, one.id), with_parameters=reader is not None) for one in found]
    return Runbooks(available_runbooks=shapes)


def _runbook(runbook: Runbook, record: Record, *, with_parameters: bool) -> RunbookShape:
    return RunbookShape(
        id=runbook.id,
        title=runbook.title,
        service=runbook.service,
        version=runbook.version,
        parameters=[_parameter(one) for one in runbook.parameters] if with_parameters else None,
        needs_approval=asks_on_the_way(runbook) or rule_of_run(runbook, None) is not None,
        effects=[effect for effect in Effect if any(step.effect is effect for step in runbook.steps)],
        record=RecordShape.model_validate(record),
    )


def _parameter(one: Parameter) -> ParameterShape:
    return ParameterShape(
        name=one.name,
        type=one.type.value,
        rule=parameters.spoken(one),
        required=one.required and one.default is None,
        default=one.default,
        choices=list(one.enum),
        help=one.help,
    )


# --- asking for a run -------------------------------------------------------------------------------------------------


def _single(value: Any) -> Any:
    if value is None or isinstance(value, str | int | float):
        return value
    raise PydanticCustomError("parameter", "A parameter is text, a number, true, false or null")


Value = Annotated[
    Any, AfterValidator(_single), WithJsonSchema({"type": ["string", "number", "boolean", "null"], "title": "Value"})
]


class Execution(BaseModel):
    """What the run is given, and why it is asked for. Secrets are never sent: the runbook says where they are."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"examples": [{"parameters": {"host": "api-1", "replicas": 2}, "reason": "Deploy 4711"}]},
    )

    parameters: dict[str, Value] = Field(default={}, max_length=100, description="By name; absent ones: their default.")
    reason: str = Field(default="", max_length=MAX_REASON, description="Needed where the approval asks for one.")


class Started(BaseModel):
    """The run that was asked for. Where it waits for approval, it is asked in its thread in Slack."""

    execution_id: str = Field(examples=["RUN-7"])
    status: str = Field(examples=["awaiting_approval"])
    sentence: str = Field(examples=["RUN-7 (restart_api) waits for approval."])
    runbook: str = Field(examples=["restart_api"])
    plan_hash: str = Field(description="What exactly is approved.", examples=["9c56cc51b374c3ba189210d5b6d4bf57"])
    requested_by: str = Field(description="The token's owner, who never approves it.", examples=["U024BE7LH"])
    url: str = Field(examples=["/api/sre/runbooks/executions/RUN-7"])


@router.post(
    "/{id}/execute",
    status_code=202,
    responses=documented(
        _401=NO_TOKEN,
        _403="The token has no execute scope, or its owner may not run this, or nobody may approve it.",
        _404="There is no such runbook.",
        _409="The plan found something that cannot work, for example a connection that does not answer.",
        _422="A parameter is unknown, missing or against its rule, or a reason is missing.",
    ),
)
async def execute_runbook(
    id: str,  # noqa: A002 - the path says {id}
    deps: TheDeps,
    caller: Executer,
    response: Response,
    asked: Execution | None = None,
    key: Key = None,
) -> Started:
    """Ask for a run as the token's owner. The same approval policy holds as in Slack, where it is approved."""
    runbook, wish = _known(deps, id), asked or Execution()
    parameters.read(runbook, wish.parameters)  # what is refused here does not spend the key
    by = await idempotency.actor(deps, caller, key, {"runbook": runbook.id, **wish.model_dump()})
    wanted = Wanted(runbook.id, wish.parameters, readable(wish.reason))
    started = _started(await run_request.request(deps, wanted, by, Where()))
    response.headers["Location"] = started.url
    return started


def _known(deps: Deps, runbook: str) -> Runbook:
    """A word in an address that leads nowhere is missing, not unclear."""
    try:
        return deps.catalogue.runbook(runbook[:60])
    except Unclear as problem:
        raise Missing(problem.sentence) from None


def _started(run: Run) -> Started:
    return Started(
        execution_id=run.name,
        status=run.status.value,
        sentence=f"{run} ({run.runbook}) {SPOKEN[run.status]}.",
        runbook=run.runbook,
        plan_hash=run.plan_hash,
        requested_by=run.requested_by,
        url=f"{router.prefix}/executions/{run}",
    )


# --- looking at one ---------------------------------------------------------------------------------------------------


class StepShape(BaseModel):
    """One step, its newest attempt. Steps of taking back come last, with `.undo` behind their ids."""

    id: str = Field(examples=["restart"])
    title: str = Field(examples=["Restart api-1"])
    kind: str = Field(examples=["http"])
    effect: str = Field(examples=["once"])
    state: str = Field(
        description="not_started, not_needed, ready, started, waiting, done, failed, skipped, unknown or interrupted.",
        examples=["done"],
    )
    attempt: int = Field(description="0: not begun.", examples=[1])
    started_at: datetime | None
    ended_at: datetime | None
    took_seconds: float | None = Field(examples=[1.25])
    sentence: str | None = Field(examples=[""])
    output: str | None = Field(description=f"The last {OUTPUT_SHOWN} characters, secrets masked.", examples=["ok\n"])


class VoteShape(BaseModel):
    person: str = Field(examples=["U024BE7LJ"])
    verdict: str = Field(examples=["approve"])
    at: datetime
    reason: str | None


class ApprovalShape(BaseModel):
    """One question for approval: `gate` is `run`, a step's id, or `@undo` for taking back."""

    gate: str = Field(examples=["@run", "restart", "@undo"])
    round: int = Field(examples=[1])
    state: str = Field(description="open, approved, rejected, expired or void.", examples=["approved"])
    plan_hash: str | None
    quorum: int = Field(examples=[1])
    asked_at: datetime
    expires_at: datetime
    decided_at: datetime | None
    decided_by: str | None
    glass_broken: bool
    votes: list[VoteShape]


class ExecutionShape(BaseModel):
    """A run. Without a token (`TOCSIN_API_PUBLIC_READ`) what it was given and what it said are null."""

    execution_id: str = Field(examples=["RUN-7"])
    status: str = Field(examples=["succeeded"])
    sentence: str | None
    runbook: str = Field(examples=["restart_api"])
    version: str = Field(examples=["5f0c6b1e9a27"])
    service: str = Field(examples=["default"])
    incident: str | None = Field(examples=["INC-42"])
    severity: str | None = Field(examples=["P1"])
    source: str = Field(description="slack or api: where it was asked for.", examples=["api"])
    requested_by: str = Field(examples=["U024BE7LH"])
    cancelled_by: str | None
    reason: str | None = Field(examples=["Deploy 4711"])
    parameters: dict[str, Any] | None = Field(examples=[{"host": "api-1"}])
    plan_hash: str | None
    steps: list[StepShape]
    approvals: list[ApprovalShape]
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    took_seconds: float | None = Field(examples=[12.5])
    message_url: str | None = Field(description="Its message in Slack, once it is there.")


@router.get(
    "/executions/{id}",
    responses=documented(_401=NO_TOKEN, _403="The token has no read scope.", _404="There is no such run."),
)
async def show_execution(id: str, deps: TheDeps, reader: Reader) -> ExecutionShape:  # noqa: A002
    """One run, step by step. One of a private incident only where the token's owner may see that incident."""
    actor = Actor(reader.person, source="api") if reader else None
    return _View(deps, await executions.one(deps, id, actor), is_whole=reader is not None).shape()


class _View:
    """Not `is_whole`: without what people typed and what steps said."""

    def __init__(self, deps: Deps, shown: Shown, *, is_whole: bool) -> None:
        self._deps = deps
        self._shown = shown
        self._is_whole = is_whole

    def shape(self) -> ExecutionShape:
        run = self._shown.run
        given = {name: str(one) if isinstance(one, Reference) else one for name, one in run.parameters.items()}
        told = {name: self._told(getattr(run, name)) for name in ("sentence", "reason", "plan_hash")}
        return ExecutionShape.model_validate(
            {
                **vars(run),
                **told,
                "execution_id": run.name,
                "incident": f"INC-{run.incident}" if run.incident else None,
                "parameters": self._told(given),
                "steps": list(self._steps()),
                "approvals": [self._approval(one) for one in self._shown.approval_requests],
                "took_seconds": _seconds(run),
                "message_url": links.permalink(self._deps, run.channel, run.ts),
            }
        )

    def _told(self, value: Any) -> Any:
        return self._deps.secrets.masker.mask_all(value) if self._is_whole else None

    def _steps(self) -> Iterator[StepShape]:
        plan, progress = self._shown.plan, self._shown.progress
        for step in plan:
            yield self._step(step, progress.get(step["id"]))
        undos = {step["undo"]["id"]: step["undo"] for step in plan if step["undo"]}
        for name, made in progress.items():
            if name in undos:
                yield self._step(undos[name], made)

    def _step(self, planned: Mapping[str, Any], made: StepRun | None) -> StepShape:
        return StepShape(
            id=planned["id"],
            title=self._title(planned),
            kind=planned["kind"],
            effect=planned["effect"],
            state=made.state.value if made else NOT_NEEDED if planned["runs"] == "no" else NOT_STARTED,
            attempt=made.attempt if made else 0,
            started_at=made.started_at if made else None,
            ended_at=made.ended_at if made else None,
            took_seconds=_seconds(made) if made else None,
            sentence=self._told(made.sentence if made else ""),
            output=self._told(made.output[-OUTPUT_SHOWN:] if made else ""),
        )

    def _title(self, planned: Mapping[str, Any]) -> str:
        """For everybody as in the file: the planned one may hold parameters."""
        step = self._shown.runbook.step(planned["id"])
        told = self._told(planned["title"]) if self._is_whole else step.title if step else ""
        return told or planned["id"]

    def _approval(self, asked: ApprovalRequest) -> ApprovalShape:
        votes = [{**vars(one), "reason": self._told(one.reason)} for one in asked.votes]
        told = {"votes": votes, "gate": asked.covers, "plan_hash": self._told(asked.plan_hash)}
        return ApprovalShape.model_validate({**vars(asked), **told})


def _seconds(timed: Run | StepRun) -> float | None:
    return round(timed.took.total_seconds(), 3) if timed.took is not None else None
