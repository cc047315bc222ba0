"""What the HTTP door needs, handed to it by `bot.app`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request, Response

from bot.deps import Deps
from bot.http.signatures import Signatures


@dataclass(frozen=True)
class HttpDoor:
    """`deps` is a function because what Slack tells about the workspace is learned after the start."""

    deps: Callable[[], Deps]
    slack_trouble: Callable[[], str | None]
    slack_events: Callable[[Request], Awaitable[Response]] | None = None  # None: HTTP mode is not configured
    signatures: Signatures = field(default_factory=Signatures)


def _door(request: Request) -> HttpDoor:
    door: HttpDoor = request.app.state.door
    return door


def _deps(request: Request) -> Deps:
    return _door(request).deps()


TheDoor = Annotated[HttpDoor, Depends(_door)]
TheDeps = Annotated[Deps, Depends(_deps)]
