"""http against a real server that counts its effects."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from bot.domain.catalogue.runbook import Kind
from bot.domain.runs.outcome import Done, Failed, Unknown
from bot.engine.steps import STEPS
from tests.engine.steps.support import NASTY, cancelled, make_context, web_server
from tests.support.backends import free_port

perform = STEPS[Kind.HTTP]


class Target:
    """Counts what arrived and does as its path says."""

    def __init__(self) -> None:
        self.requests: list[tuple[web.Request, bytes]] = []
        self.arrived = asyncio.Event()
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request, await request.read()))
        self.arrived.set()
        match request.path:
            case "/hang":
                await asyncio.sleep(30)
            case "/reset":
                assert request.transport is not None
                request.transport.abort()
            case "/half":
                return await self._half(request)
            case "/large":
                return web.Response(body=b"x" * 3_000_000)
            case "/moved":
                return web.Response(status=302, headers={"Location": f"{self.url}/ok"})
            case "/broken":
                return web.json_response({"error": "disk full"}, status=500)
            case "/odd":
                return web.Response(body=b"{not json", content_type="application/json")
        return web.json_response({"done": True})

    async def _half(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport is not None
        request.transport.close()
        return response


@pytest.fixture
async def target() -> AsyncIterator[Target]:
    made = Target()
    async with web_server(made.handle) as made.url:
        yield made


async def test_it_succeeds(target: Target) -> None:
    """A request goes out once, with the step's key, and its answer is the result."""
    context = make_context()
    outcome = await perform({"method": "POST", "url": f"{target.url}/ok", "json": {"a": [1, None]}}, context)
    assert isinstance(outcome, Done)
    assert outcome.result["status"] == 200
    assert outcome.result["json"] == {"done": True}
    assert outcome.result["headers"]["content-type"].startswith("application/json")
    [(request, body)] = target.requests
    assert json.loads(body) == {"a": [1, None]}
    assert request.headers["Idempotency-Key"] == context.key


async def test_what_is_extracted(target: Target) -> None:
    """Results by JMESPath beside the others; what is not there is nothing."""
    outcome = await perform(
        {"url": f"{target.url}/ok", "extract": {"was": "done", "missing": "deep.er"}}, make_context()
    )
    assert isinstance(outcome, Done)
    assert (outcome.result["was"], outcome.result["missing"]) == (True, None)


async def test_a_given_key_is_kept(target: Target) -> None:
    """Where the operator names an Idempotency-Key, that one goes out, and once."""
    await perform({"url": target.url, "headers": {"idempotency-key": "mine"}}, make_context())
    assert target.requests[0][0].headers.getall("Idempotency-Key") == ["mine"]


async def test_forms_and_bodies(target: Target) -> None:
    """A form is encoded, a body goes as it is; two at once are refused before anything leaves."""
    url = target.url
    await perform({"method": "POST", "url": url, "form": {"a": "1&b=2", "n": 3}}, make_context())
    await perform({"method": "PUT", "url": url, "body": "as it is"}, make_context())
    assert [body for _, body in target.requests] == [b"a=1%26b%3D2&n=3", b"as it is"]
    outcome = await perform({"url": url, "body": "x", "json": {}}, make_context())
    assert isinstance(outcome, Failed)
    assert outcome.certain


async def test_it_fails_once(target: Target) -> None:
    """An unexpected status is a failure that may have had its effect; the answer is kept."""
    outcome = await perform({"method": "POST", "url": f"{target.url}/broken"}, make_context())
    assert isinstance(outcome, Failed)
    assert not outcome.certain
    assert "500" in outcome.sentence
    assert outcome.result["json"] == {"error": "disk full"}
    assert len(target.requests) == 1


async def test_an_expected_failure_is_a_success(target: Target) -> None:
    """What counts as success is what the step expects."""
    assert isinstance(await perform({"url": f"{target.url}/broken", "expect": [500]}, make_context()), Done)


async def test_it_times_out_once(target: Target) -> None:
    """No answer in time: it may have happened, and it is asked for once only."""
    outcome = await perform({"method": "POST", "url": f"{target.url}/hang"}, make_context(timeout_seconds=0.2))
    assert isinstance(outcome, Unknown)
    assert len(target.requests) == 1


@pytest.mark.parametrize("path", ["/reset", "/half"])
async def test_a_reset_leaves_it_unknown(target: Target, path: str) -> None:
    """A connection that breaks after the request left, or amid the answer, says nothing about the effect."""
    outcome = await perform({"method": "POST", "url": target.url + path}, make_context())
    assert isinstance(outcome, Unknown)
    assert len(target.requests) == 1


async def test_it_is_killed_in_mid_effect(target: Target) -> None:
    """Cancelled while the server works, it ends at once and does not send again."""
    await cancelled(perform({"url": f"{target.url}/hang"}, make_context()), target.arrived)
    assert len(target.requests) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "nowhere.invalid"])
async def test_nothing_left(host: str) -> None:
    """Refused, or a name nobody knows: it is certain that nothing happened."""
    outcome = await perform({"method": "POST", "url": f"http://{host}:{free_port()}/"}, make_context())
    assert isinstance(outcome, Failed)
    assert outcome.certain


async def test_a_failed_handshake_is_certain(target: Target) -> None:
    """TLS that fails happens before the request leaves."""
    outcome = await perform({"url": target.url.replace("http:", "https:")}, make_context())
    assert isinstance(outcome, Failed)
    assert outcome.certain
    assert target.requests == []


async def test_redirects_are_not_followed(target: Target) -> None:
    """A redirect is an answer: a failure, or a success where it is expected."""
    assert isinstance(await perform({"url": f"{target.url}/moved"}, make_context()), Failed)
    outcome = await perform({"url": f"{target.url}/moved", "expect": [302]}, make_context())
    assert isinstance(outcome, Done)
    assert len(target.requests) == 2


async def test_answers_are_bounded(target: Target) -> None:
    """Of a large answer one megabyte is kept, and people see its ends."""
    outcome = await perform({"url": f"{target.url}/large"}, make_context())
    assert isinstance(outcome, Done)
    assert len(outcome.result["body"]) == 1_000_000
    assert len(outcome.output) < 4_000


async def test_broken_json_is_no_json(target: Target) -> None:
    """An answer that claims to be JSON and is not stays a text."""
    outcome = await perform({"url": f"{target.url}/odd"}, make_context())
    assert isinstance(outcome, Done)
    assert outcome.result["json"] is None
    assert outcome.result["body"] == "{not json"


@pytest.mark.parametrize("text", NASTY)
async def test_one_argument_stays_one(target: Target, text: str) -> None:
    """Whatever a field, a JSON value or a body holds, the server reads exactly that."""
    for arguments in ({"form": {"f": text}}, {"json": {"f": text}}, {"body": text}):
        outcome = await perform({"method": "POST", "url": target.url, **arguments}, make_context())
        assert isinstance(outcome, Done)
    form, in_json, body = target.requests
    assert [*(await form[0].post()).values()] == [text]
    assert json.loads(in_json[1]) == {"f": text}
    assert body[1].decode() == text


@pytest.mark.parametrize("text", NASTY)
async def test_a_header_stays_one_header(target: Target, text: str) -> None:
    """A header's value arrives as it is or the step is refused; it never becomes two, nor a body."""
    outcome = await perform({"url": target.url, "headers": {"X-Note": text}}, make_context())
    if isinstance(outcome, Failed):
        assert outcome.certain
        assert target.requests == []
    else:
        assert target.requests[0][0].headers["X-Note"] == text
        assert "X-Injected" not in target.requests[0][0].headers


@pytest.mark.parametrize(
    "arguments",
    [
        {"url": "http://127.0.0.1/a b"},
        {"url": "http://127.0.0.1/a\r\nX-Injected: 1"},
        {"url": "file:///etc/passwd"},
        {"url": "http://"},
        {"url": "http://127.0.0.1\\@evil.invalid/"},
        {"url": "http://127.0.0.1/", "method": "GET / HTTP/1.1\r\nX: y"},
        {"url": "http://127.0.0.1/", "headers": {"X: y\r\nZ": "1"}},
        {"url": "http://127.0.0.1/", "headers": {"Host": "other"}},
        {"url": "http://127.0.0.1/", "headers": {"transfer-encoding": "chunked"}},
        {"url": "http://127.0.0.1/", "verify_tls": "false"},
        {"url": "http://127.0.0.1/", "expect": ["200"]},
        {"url": ["http://127.0.0.1/"]},
        {},
    ],
)
async def test_what_does_not_fit_is_refused(arguments: dict[str, object]) -> None:
    """An argument that could mean something else is a sentence before anything leaves."""
    outcome = await perform(arguments, make_context())
    assert isinstance(outcome, Failed)
    assert outcome.certain
