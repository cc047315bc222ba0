"""Reads a Web API call's arguments wherever the SDKs put them: query, form, JSON, multipart."""

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from bot.simulator.workspace.errors import Refused, invalid, refuse


class Args:
    """A wrong type is refused as Slack does."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.raw = {key: value for key, value in raw.items() if value is not None and key != "token"}

    def __contains__(self, name: str) -> bool:
        return self.raw.get(name) not in (None, "")

    def text(self, name: str, default: str = "") -> str:
        value = self.raw.get(name, default)
        invalid(isinstance(value, bool | list | dict), "must be a string", f"/{name}")
        return str(value)

    def flag(self, name: str, default: bool = False) -> bool:
        value = self.raw.get(name, default)
        return value if isinstance(value, bool) else str(value).lower() in ("1", "true")

    def number(self, name: str, default: int) -> int:
        try:
            return int(self.raw.get(name, default))
        except (TypeError, ValueError) as problem:
            raise Refused("invalid_arguments", f"[ERROR] must be an integer [json-pointer:/{name}]") from problem

    def names(self, name: str) -> list[str]:
        value = self.raw.get(name, [])
        parts = value if isinstance(value, list) else str(value).split(",")
        return [str(part).strip() for part in parts if str(part).strip()]

    def nested(self, name: str) -> Any:
        """Also a string of JSON. None where it is absent or empty."""
        value = self.raw.get(name)
        if not isinstance(value, str):
            return value
        if not value:
            return None
        try:
            return json.loads(value)
        except ValueError as problem:
            code = "invalid_blocks_format" if name == "blocks" else "invalid_arguments"
            raise Refused(code, f"[ERROR] must be valid JSON [json-pointer:/{name}]") from problem


async def read_arguments(request: web.Request) -> tuple[Args, str]:
    raw: dict[str, Any] = dict(request.query)
    raw.update(await _body(request))
    scheme, _, header_token = request.headers.get("Authorization", "").partition(" ")
    token = header_token.strip() if scheme.lower() == "bearer" else raw.get("token", "")
    return Args(raw), str(token)


async def _body(request: web.Request) -> dict[str, Any]:
    if request.method != "POST" or not request.can_read_body:
        return {}
    if request.content_type == "application/json":
        body = await read_json(request, "invalid_json", when_empty="{}")
        refuse(json_not_object=not isinstance(body, dict))
        return dict(body)
    form = await request.post()
    return {key: value for key, value in form.items() if isinstance(value, str)}


async def read_json(request: web.Request, code: str, when_empty: str = "") -> Any:
    """Raises Refused with the code where the body is no JSON."""
    try:
        return json.loads(await request.text() or when_empty)
    except ValueError as problem:
        raise Refused(code) from problem
