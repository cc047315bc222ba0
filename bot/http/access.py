"""Who is calling: `Authorization: Bearer <token>`, checked for the scope a route needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from bot.deps import Deps
from bot.domain.people.person import Person
from bot.domain.people.token import Scope, Token
from bot.http.door import TheDeps
from bot.services.admin import tokens
from bot.services.workspace import permissions
from bot.telemetry import Event, get_logger

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="tocsin"'}
NO_TOKEN = "Send an API token: Authorization: Bearer tocsin_…; `tocsin token create` makes one."  # noqa: S105
BAD_TOKEN = "This token is not in force. `tocsin token list` shows those that are."  # noqa: S105

Credentials = Annotated[
    HTTPAuthorizationCredentials | None,
    Depends(HTTPBearer(auto_error=False, description="An API token, made by `tocsin token create`.")),
]


@dataclass(frozen=True)
class Caller:
    token: Token
    person: Person


async def _call(
    deps: Deps, credentials: HTTPAuthorizationCredentials | None, scope: Scope, changing: Request | None = None
) -> Caller:
    if credentials is None:
        raise HTTPException(401, NO_TOKEN, headers=CHALLENGE)
    route = _route(changing) if changing else None
    try:
        token = await tokens.check(deps, credentials.credentials, scope, route=route)
    except tokens.Unknown:
        get_logger().warning(Event.ACCESS_REFUSED, scope=scope.value)
        raise HTTPException(401, BAD_TOKEN, headers=CHALLENGE) from None
    # A token lives on when its owner is gone, and what Slack said about that may have been missed.
    person = await permissions.admitted(
        deps, token.owner, attempted=route or "read", about=token.name, must_be_fresh=route is not None
    )
    return Caller(token, person)


def _route(request: Request) -> str:
    """As it is documented, whatever the ids in it: `POST /api/sre/incidents`."""
    return f"{request.method} {request.scope['route'].path}"


async def _reader(deps: TheDeps, credentials: Credentials) -> Caller | None:
    """None: nobody in particular, where TOCSIN_API_PUBLIC_READ opens reading to everybody."""
    if credentials is None and deps.config.public_read:
        return None
    return await _call(deps, credentials, Scope.READ)


async def _writer(deps: TheDeps, credentials: Credentials, request: Request) -> Caller:
    return await _call(deps, credentials, Scope.WRITE, request)


async def _executer(deps: TheDeps, credentials: Credentials, request: Request) -> Caller:
    return await _call(deps, credentials, Scope.EXECUTE, request)


Reader = Annotated[Caller | None, Depends(_reader)]
Writer = Annotated[Caller, Depends(_writer)]
Executer = Annotated[Caller, Depends(_executer)]
