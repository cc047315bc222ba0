"""http {method=GET, url, headers, json|form|body, expect=[200], verify_tls=true, extract} -> status headers body json

`extract` is name -> JMESPath over the JSON of the answer; what is not there is nothing (null).
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import httpx
import jmespath
from jmespath.exceptions import JMESPathError

from bot.domain.errors import Unclear
from bot.domain.runs.outcome import Done, Failed, Outcome, Unknown
from bot.engine.steps import arguments as read
from bot.engine.steps.bounds import MAX_OUTPUT, is_deep, within
from bot.engine.steps.context import StepContext

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,200}", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_FRAMING = ("host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer")


@dataclass
class _Progress:
    left: bool = False
    status: int | None = None

    async def trace(self, event: str, _: Mapping[str, Any]) -> None:
        if event.endswith("send_request_headers.started"):
            self.left = True


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    is_cut: bool
    encoding: str


async def perform(arguments: Mapping[str, Any], context: StepContext) -> Outcome:
    """Redirects are not followed; expect a 3xx to accept one."""
    progress = _Progress()
    try:
        verify = read.flag(arguments, "verify_tls", True)
        expected = read.numbers(arguments, "expect", (200,))
        paths = read.mapping(arguments, "extract")
        async with context.client(verify) as client:
            request = _request(client, arguments, context, progress.trace)
            answer = await within(context.timeout_seconds, _send(client, request, progress))
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, TimeoutError, OSError, ValueError) as problem:
        return _lost(problem, progress, context)
    return _judged(answer, expected, paths, context)


def _request(
    client: httpx.AsyncClient,
    arguments: Mapping[str, Any],
    context: StepContext,
    trace: Callable[[str, Mapping[str, Any]], Awaitable[None]],
) -> httpx.Request:
    method = read.text(arguments, "method", "GET").upper()
    if method not in METHODS:
        raise Unclear(f"“{method[:20]}” is not a method. Use one of {', '.join(METHODS)}.")
    url, headers = _url(arguments), _headers(arguments, context.key)
    request = client.build_request(method, url, headers=headers, extensions={"trace": trace}, **_body(arguments))
    request.headers.setdefault("Idempotency-Key", context.key)
    return request


def _url(arguments: Mapping[str, Any]) -> httpx.URL:
    text = read.text(arguments, "url")
    # A blank or a line end would be quoted into the path; a backslash is a slash to some servers and none to others.
    if re.search(r"[\x00-\x20\x7f\\]", text):
        raise Unclear(
            "The URL has a blank, a line end or a backslash in it. Quote the parts that come from parameters."
        )
    if any(unquote(part) in (".", "..") for part in re.split(r"[?#]", text)[0].split("/")):
        raise Unclear("The URL has . or .. in its path, which would lead to another one. Write the path out.")
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as problem:
        raise Unclear(f"The URL is not one: {problem}.") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise Unclear("The URL must begin with https:// or http:// and a host.")
    return url


def _headers(arguments: Mapping[str, Any], key: str) -> dict[str, str]:
    found = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "Tocsin"}
    for name, value in read.mapping(arguments, "headers").items():
        text = read.written(value, f"The header {name}")
        if not _TOKEN.fullmatch(name):
            raise Unclear("A header's name has letters, digits and dashes only.")
        if name.lower() in _FRAMING:
            raise Unclear(f"The header {name} is set by Tocsin. Remove it.")
        if _CONTROL.search(text) or not text.isascii():
            raise Unclear(f"The header {name} has a line end or another character in it that no header may have.")
        found = {old: one for old, one in found.items() if old.lower() != name.lower()}
        found[name] = text.strip(" \t")
    return found


def _body(arguments: Mapping[str, Any]) -> dict[str, Any]:
    given = [name for name in ("json", "form", "body") if arguments.get(name) is not None]
    if len(given) > 1:
        raise Unclear("A request has one body: json, form or body.")
    match given:
        case ["json"]:
            return {"json": arguments["json"]}
        case ["form"]:
            fields = read.mapping(arguments, "form")
            return {"data": {name: read.written(value, f"The field {name}") for name, value in fields.items()}}
        case ["body"]:
            return {"content": read.text(arguments, "body").encode()}
    return {}


async def _send(client: httpx.AsyncClient, request: httpx.Request, progress: _Progress) -> _Answer:
    response = await client.send(request, stream=True)
    try:
        progress.status = response.status_code
        body, is_cut = await _read(response)
    finally:
        await response.aclose()
    headers = {name.lower(): value for name, value in response.headers.items()}
    return _Answer(response.status_code, headers, body, is_cut, response.encoding or "utf-8")


async def _read(response: httpx.Response) -> tuple[bytes, bool]:
    """At most MAX_OUTPUT bytes as they came: unpacking what a server packed unasked could grow without bound."""
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > MAX_OUTPUT:
            return bytes(body[:MAX_OUTPUT]), True
    return bytes(body), False


def _judged(answer: _Answer, expected: frozenset[int], paths: Mapping[str, Any], context: StepContext) -> Outcome:
    text = context.ended(_decoded(answer)) if answer.is_cut else _decoded(answer)
    output = "\n".join(line for line in (f"HTTP {answer.status}", context.shown(text)) if line)
    context.write(output + "\n")
    result = {"status": answer.status, "headers": answer.headers, "body": text, "json": _json(answer, text)}
    return judged(result, expected, paths, output)


def judged(result: dict[str, Any], expected: frozenset[int], paths: Mapping[str, Any], output: str = "") -> Outcome:
    result = {name: _found(str(path), result["json"]) for name, path in paths.items()} | result
    if result["status"] in expected:
        return Done(result, output)
    wanted = ", ".join(map(str, sorted(expected)))
    return Failed(f"The server answered {result['status']}; expected was {wanted}.", result=result, output=output)


def _found(path: str, value: Any) -> Any:
    try:
        return jmespath.search(path, value)
    except (JMESPathError, ValueError, RecursionError):
        return None  # the expression does not fit what came


def _decoded(answer: _Answer) -> str:
    try:
        return answer.body.decode(answer.encoding, "replace")
    except LookupError:
        return answer.body.decode("utf-8", "replace")


def _json(answer: _Answer, text: str) -> Any:
    if answer.is_cut:
        return None  # not half of it: somebody may go on with that
    found = parsed(answer.headers, text)
    return None if is_deep(found) else found


def parsed(headers: Mapping[str, str], text: str) -> Any:
    try:
        return json.loads(text) if "json" in headers.get("content-type", "") else None
    except (ValueError, RecursionError):
        return None


def _lost(problem: Exception, progress: _Progress, context: StepContext) -> Outcome:
    is_late = isinstance(problem, TimeoutError)
    reason = f"no answer within {context.timeout_seconds:g} s" if is_late else context.short(_reason(problem))
    if not progress.left:
        return Failed(f"The request did not leave: {reason}.", certain=True)
    if progress.status is not None:
        return Unknown(f"The server answered {progress.status}, but the answer broke off: {reason}.")
    return Unknown(f"The request may have arrived: {reason}.")


def _reason(problem: Exception) -> str:
    return str(problem).strip().rstrip(".") or type(problem).__name__
