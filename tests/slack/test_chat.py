"""What a call to Slack came to: refusals sorted by whether the call may have happened."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web

from bot.domain.errors import Throttled, Undeliverable
from bot.domain.text.secret import Secret
from bot.integrations.alarm import LogAlarm, WebhookAlarm
from bot.integrations.slack import SlackChat, as_form
from tests.slack.conftest import Workspace

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture
def chat(workspace: Workspace, session: aiohttp.ClientSession) -> SlackChat:
    simulator = workspace.simulator
    return SlackChat(Secret(simulator.bot_token), base_url=simulator.api_url, session=session, timeout_seconds=0.5)


class Other:
    """A server that answers as a test says, for what no honest workspace does."""

    def __init__(self) -> None:
        self.url = ""
        self.answer: Answer
        self.bodies: list[str] = []

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.bodies.append(await request.text())
        return await self.answer(request)

    def says(self, status: int, text: str, kind: str = "application/json", **headers: str) -> None:
        async def answer(request: web.Request) -> web.StreamResponse:
            return web.Response(status=status, text=text, content_type=kind, headers=headers)

        self.answer = answer

    def hangs_up(self) -> None:
        async def answer(request: web.Request) -> web.StreamResponse:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()

        self.answer = answer


@pytest.fixture
async def other() -> AsyncIterator[Other]:
    made = Other()
    application = web.Application()
    application.router.add_route("*", "/{tail:.*}", made.serve)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    yield made
    await runner.cleanup()


async def refused(chat: SlackChat, method: str = "chat.postMessage", **arguments: object) -> Undeliverable:
    with pytest.raises(Undeliverable) as caught:
        await chat.call(method, {"channel": "C0GENERAL", "text": "hello", **arguments})
    return caught.value


async def test_an_answer(chat: SlackChat, workspace: Workspace) -> None:
    """What went well is Slack's answer as a dict; blocks, lists and booleans arrive as they are."""
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "*hi* & <ho>"}}]
    posted = await chat.call("chat.postMessage", {"channel": "C0GENERAL", "text": "ä & b", "blocks": blocks})
    message = (await workspace.messages())[-1]
    assert message["ts"] == posted["ts"]
    assert message["blocks"][0]["text"]["text"] == "*hi* & <ho>"
    assert not workspace.violations()


def test_arguments_as_a_form() -> None:
    """Structures are JSON in their field, names are joined by commas, what is None is not sent."""
    assert as_form({"a": True, "b": ["U1", "U2"], "c": [], "d": None, "e": {"x": 1}, "f": 3, "g": [{"y": 2}]}) == {
        "a": "true",
        "b": "U1,U2",
        "c": "[]",
        "e": '{"x": 1}',
        "f": "3",
        "g": '[{"y": 2}]',
    }


async def test_a_refusal_is_permanent(chat: SlackChat) -> None:
    """A business error stays one however often it is repeated."""
    problem = await refused(chat, channel="C0NOWHERE")
    assert (problem.error, problem.permanent, problem.maybe_done) == ("channel_not_found", True, False)


async def test_slow_down(chat: SlackChat, workspace: Workspace) -> None:
    """A 429 carries how long to wait."""
    await workspace.fault("rate_limited", method="chat.postMessage", retry_after=7)
    problem = await refused(chat)
    assert isinstance(problem, Throttled)
    assert problem.retry_after_seconds == 7


@pytest.mark.parametrize("kind", ["http_500", "drop_response", "slow"])
async def test_an_answer_that_never_came(chat: SlackChat, workspace: Workspace, kind: str) -> None:
    """After a 5xx, a lost answer or a time-out the call may have happened, and it was made once only."""
    await workspace.fault(kind, method="chat.postMessage", seconds=1)
    problem = await refused(chat)
    assert (problem.permanent, problem.maybe_done) == (False, True)
    assert len(await workspace.texts()) <= 1


@pytest.mark.parametrize("error", ["internal_error", "service_unavailable", "fatal_error", "request_timeout"])
async def test_slacks_own_trouble(chat: SlackChat, workspace: Workspace, error: str) -> None:
    """Errors that Slack blames on itself are worth another look."""
    await workspace.fault("error", method="chat.postMessage", error=error)
    problem = await refused(chat)
    assert (problem.permanent, problem.maybe_done) == (False, True)


async def test_nothing_left(session: aiohttp.ClientSession, unused_tcp_port: int) -> None:
    """Where nobody listens, nothing can have happened."""
    chat = SlackChat(Secret("xoxb-1"), base_url=f"http://127.0.0.1:{unused_tcp_port}/api", session=session)
    problem = await refused(chat)
    assert (problem.permanent, problem.maybe_done) == (False, False)


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (502, "<html>", "text/html"),
        (200, "<html>", "text/html"),
        (200, "{", "application/json"),
        (200, "x", "text/plain"),
    ],
)
async def test_no_answer_of_slacks(
    other: Other, session: aiohttp.ClientSession, status: int, text: str, kind: str
) -> None:
    """What is between us and Slack may answer anything: the call may have happened."""
    other.says(status, text, kind)
    problem = await refused(SlackChat(Secret("xoxb-1"), base_url=other.url, session=session))
    assert (problem.permanent, problem.maybe_done) == (False, True)


async def test_hung_up(other: Other, session: aiohttp.ClientSession) -> None:
    """A connection lost while waiting for the answer is unconfirmed."""
    other.hangs_up()
    problem = await refused(SlackChat(Secret("xoxb-1"), base_url=other.url, session=session))
    assert problem.maybe_done


async def test_a_file(chat: SlackChat, workspace: Workspace, session: aiohttp.ClientSession) -> None:
    """A file lands in the channel with its comment."""
    await chat.call("conversations.join", {"channel": "C0INCIDENTS"})
    file = await chat.upload(
        name="draft.md", content="# Grüße", channel="C0INCIDENTS", thread=None, comment="The draft"
    )
    message = (await workspace.messages("incidents"))[-1]
    assert message["text"] == "The draft"
    assert message["files"][0]["id"] == file["id"]
    async with session.get(f"{workspace.simulator.url}/_sim/files/{file['id']}") as response:
        assert await response.text() == "# Grüße"


async def test_an_upload_that_failed_shows_nowhere(chat: SlackChat, workspace: Workspace) -> None:
    """Until the upload is completed nothing has happened."""
    await workspace.fault("error", method="files.getUploadURLExternal", error="file_upload_size_restricted")
    with pytest.raises(Undeliverable) as caught:
        await chat.upload(name="a.md", content="a", channel="C0INCIDENTS", thread=None, comment="")
    assert not caught.value.maybe_done


@pytest.mark.parametrize(
    ("status", "text", "permanent", "maybe_done"),
    [
        (404, "expired_url", True, False),
        (200, '{"ok": false, "error": "used_url"}', True, False),
        (500, "", False, True),
    ],
)
async def test_a_response_url_that_refuses(
    other: Other, session: aiohttp.ClientSession, status: int, text: str, permanent: bool, maybe_done: bool
) -> None:
    """An expired response_url is permanent, a broken one unconfirmed."""
    other.says(status, text, "text/plain")
    with pytest.raises(Undeliverable) as caught:
        await SlackChat(Secret("xoxb-1"), base_url=other.url, session=session).respond(other.url, {"text": "hi"})
    assert (caught.value.permanent, caught.value.maybe_done) == (permanent, maybe_done)


@pytest.mark.parametrize("text", ["ok", '{"ok": true}', ""])
async def test_a_response_url_that_takes_it(other: Other, session: aiohttp.ClientSession, text: str) -> None:
    """Slack says ok in one of three ways."""
    other.says(200, text, "text/plain")
    await SlackChat(Secret("xoxb-1"), base_url=other.url, session=session).respond(other.url, {"text": "hi"})
    assert json.loads(other.bodies[0]) == {"text": "hi"}


async def test_the_second_channel(other: Other, capsys: pytest.CaptureFixture[str]) -> None:
    """An alarm goes to the webhook and to the log, and says when the webhook did not take it."""
    other.says(200, "ok", "text/plain")
    alarm = WebhookAlarm(Secret(f"{other.url}services/T0/B0/secret"))
    await alarm.raise_alarm("INC-7 got no update.")
    assert json.loads(other.bodies[0]) == {"text": "INC-7 got no update."}
    other.says(404, "no_service", "text/plain")
    with pytest.raises(Undeliverable) as caught:
        await alarm.raise_alarm("INC-8 got no update.")
    assert caught.value.permanent
    await LogAlarm().raise_alarm("INC-9 got no update.")
    assert "INC-9 got no update." in capsys.readouterr().out
