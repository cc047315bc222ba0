"""Everything that goes wrong, as `application/problem+json` (RFC 9457) with a sentence in it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from bot.domain.errors import Conflict, Missing, Problem, Refused, Undeliverable
from bot.store.db.errors import DatabaseTrouble
from bot.telemetry import Event, get_logger

STATUS: Mapping[type[Problem], int] = {Refused: 403, Missing: 404, Conflict: 409}
MEDIA_TYPE = "application/problem+json"

SENTENCES = {
    400: "The body cannot be read. Send JSON in UTF-8.",
    404: "There is nothing at this address. /docs lists what there is.",
    405: "This address does not take that method. /docs lists what there is.",
}
UNAVAILABLE = "The database does not answer. Try again in a moment."
BROKEN = "That did not work, and it is not your fault. Give the operator this reference: {reference}."


class ProblemShape(BaseModel):
    """What went wrong. `detail` is a sentence that says what to do."""

    type: str = Field(examples=["about:blank"])
    title: str = Field(examples=["Forbidden"])
    status: int = Field(examples=[403])
    detail: str = Field(examples=["You may not run restart_api: its policy names the team sre."])
    errors: list[dict[str, str]] | None = Field(default=None, description="What is wrong with each field.")


def documented(**why: str) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses`: `_403="The token has no execute scope."` and so on."""
    content = {MEDIA_TYPE: {"schema": ProblemShape.model_json_schema()}}
    return {code.removeprefix("_"): {"description": said, "content": content} for code, said in why.items()}


class ProblemResponse(JSONResponse):
    media_type = MEDIA_TYPE


def problem(
    status: int, detail: str, *, headers: Mapping[str, str] | None = None, errors: Sequence[Any] = ()
) -> ProblemResponse:
    """`errors` lists what is wrong with each field, as `{"field", "detail"}`."""
    body: dict[str, Any] = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    body |= {"detail": detail} | ({"errors": list(errors)} if errors else {})
    return ProblemResponse(body, status_code=status, headers=dict(headers or {}))


def install(app: FastAPI) -> None:
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(Problem, _of_domain)
    app.add_exception_handler(Undeliverable, _of_slack)
    app.add_exception_handler(DatabaseTrouble, _of_database)
    app.add_exception_handler(Exception, _of_surprise)


async def _of_http(_request: Request, raised: Exception) -> ProblemResponse:
    assert isinstance(raised, HTTPException)  # noqa: S101 - registered for nothing else
    detail = raised.detail
    if raised.status_code == 400 or detail in ("", HTTPStatus(raised.status_code).phrase):  # the framework's own words
        detail = SENTENCES.get(raised.status_code, detail)
    return problem(raised.status_code, detail, headers=raised.headers)


async def _of_validation(_request: Request, raised: Exception) -> ProblemResponse:
    assert isinstance(raised, RequestValidationError)  # noqa: S101 - registered for nothing else
    errors = [{"field": _field(one["loc"]), "detail": f"{one['msg']}."} for one in raised.errors()]
    listed = " ".join(f"{one['field']}: {one['detail']}" for one in errors[:5])
    return problem(422, f"The request does not have the right shape. {listed}", errors=errors)


def _field(location: Sequence[Any]) -> str:
    return ".".join(map(str, location[1:])) or str(location[0] if location else "body")


async def _of_domain(_request: Request, raised: Exception) -> ProblemResponse:
    assert isinstance(raised, Problem)  # noqa: S101 - registered for nothing else
    status = next((code for kind, code in STATUS.items() if isinstance(raised, kind)), 422)
    return problem(status, raised.sentence)


async def _of_slack(_request: Request, _raised: Exception) -> ProblemResponse:
    return problem(503, "Slack does not answer. Try again in a moment.", headers={"Retry-After": "5"})


async def _of_database(request: Request, raised: Exception) -> ProblemResponse:
    get_logger().error(Event.HTTP_ERROR, path=request.url.path, error=str(raised))
    return problem(503, UNAVAILABLE, headers={"Retry-After": "2"})


async def _of_surprise(request: Request, raised: Exception) -> ProblemResponse:
    reference = secrets.token_hex(4)
    get_logger().error(Event.HTTP_ERROR, path=request.url.path, reference=reference, exc_info=raised)
    return problem(500, BROKEN.format(reference=reference))
