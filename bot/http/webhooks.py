"""`POST /hooks/{vendor}`: what monitoring sends. It is stored as it came and answered; the worker reads it."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import JSONResponse
from starlette.responses import Response

from bot.deps import Deps
from bot.domain.errors import Unclear, Undeliverable
from bot.domain.people.token import Scope
from bot.domain.text.wording import hint
from bot.http import signatures
from bot.http.access import BAD_TOKEN
from bot.http.door import HttpDoor, TheDeps, TheDoor
from bot.http.problems import UNAVAILABLE, documented, problem
from bot.intake import VENDORS, body, generic, proof
from bot.priority import interactive
from bot.services.admin import tokens
from bot.services.ingest import webhooks
from bot.services.ingest.webhooks import Arrival
from bot.store.db.errors import DatabaseTrouble
from bot.telemetry import Event, get_logger

RETRY = {"Retry-After": "2"}
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="tocsin", Basic realm="tocsin"'}
NOBODY = (
    "Send an ingest token: Authorization: Bearer tocsin_…, or basic authentication with the token as password; "
    "`tocsin token create NAME --scope ingest` makes one."
)
NO_CERTIFICATE = "Amazon's certificate cannot be fetched now. Send it again in a moment."
NO_VENDOR = "I take no alerts from “{vendor}”. {hint}"
NO_SOURCE = "There is no mapping “{source}” under `generic` in org.yml. {hint}"
NO_MAPPINGS = "Add it there, or leave `source` out."

router = APIRouter(prefix="/hooks", tags=["alerts"])


@router.post(
    "/{vendor}",
    status_code=202,
    responses=documented(
        _400="The body is not a JSON object.",
        _401="The token is missing or not in force, or the vendor's signature does not fit.",
        _403="The token has no ingest scope.",
        _404="Nobody of that name sends alerts here.",
        _413="The body is larger than 10 MB.",
        _503="It could not be stored, or not be proved yet whose it is: send it again after `Retry-After` seconds.",
    ),
    openapi_extra={"requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}, "required": True}},
)
async def take(
    vendor: str,
    request: Request,
    deps: TheDeps,
    door: TheDoor,
    source: Annotated[str | None, Query(max_length=64)] = None,
) -> Response:
    """Alerts from a monitoring system, with an ingest token or its own signature (PagerDuty, GitHub, Sentry, Amazon
    SNS). 202 says that they are stored and will be worked.

    `source` names the mapping in org.yml by which `generic` is read.
    """
    if vendor not in VENDORS:
        raise HTTPException(404, NO_VENDOR.format(vendor=vendor[:64], hint=hint(vendor[:64], VENDORS)))
    try:
        signed = await _must_be_allowed(deps, door, vendor, request)
        _must_be_a_source(deps, vendor, source)
        text = await _text_of(await request.body())
        with interactive():  # its sender waits, and gives up: the worker has all day
            await webhooks.store(deps, Arrival(vendor, text, request.headers, deps.clock.wall(), source, signed))
    except Unclear as unreadable:
        get_logger().warning(Event.HOOK_REFUSED, vendor=vendor, sentence=unreadable.sentence)
        return problem(400, unreadable.sentence)
    except (DatabaseTrouble, OSError) as trouble:
        get_logger().error(Event.HTTP_ERROR, path=request.url.path, error=str(trouble))
        return problem(503, UNAVAILABLE, headers=RETRY)
    except Undeliverable as trouble:
        get_logger().warning(Event.HOOK_REFUSED, vendor=vendor, sentence=trouble.error)
        return problem(503, NO_CERTIFICATE, headers=RETRY)
    return JSONResponse({"status": "stored"}, status_code=202)


async def _text_of(raw: bytes) -> str:
    return body.text_of(raw) if len(raw) < webhooks.LONG else await asyncio.to_thread(body.text_of, raw)


def _must_be_a_source(deps: Deps, vendor: str, source: str | None) -> None:
    """Asked once the sender is known: the names of the mappings are for senders only."""
    mappings = deps.catalogue.generic
    if vendor == generic.SOURCE and source and source not in mappings:
        said = hint(source, mappings) if mappings else NO_MAPPINGS
        raise HTTPException(404, NO_SOURCE.format(source=source, hint=said))


async def _must_be_allowed(deps: Deps, door: HttpDoor, vendor: str, request: Request) -> bool:
    """The token counts without its owner: alerts come in also while Slack cannot be asked about anybody.

    Without a token, the vendor's own signature counts. Returns whether one fits.
    """
    secret = proof.token(request.headers)
    if secret is None:
        await _must_be_signed(deps, door, vendor, request)
        return True
    try:
        await tokens.check(deps, secret, Scope.INGEST)
    except tokens.Unknown:
        get_logger().warning(Event.ACCESS_REFUSED, scope=Scope.INGEST.value)
        raise HTTPException(401, BAD_TOKEN, headers=CHALLENGE) from None
    return await signatures.fits(deps, door.signatures, vendor, request.headers, await request.body())


async def _must_be_signed(deps: Deps, door: HttpDoor, vendor: str, request: Request) -> None:
    try:
        await signatures.must_fit(deps, door.signatures, vendor, request.headers, await request.body())
    except signatures.Unsigned:
        raise HTTPException(401, NOBODY, headers=CHALLENGE) from None
    except signatures.Wrong as wrong:
        get_logger().warning(Event.ACCESS_REFUSED, scope=Scope.INGEST.value, vendor=vendor)
        raise HTTPException(401, str(wrong), headers=CHALLENGE) from None
