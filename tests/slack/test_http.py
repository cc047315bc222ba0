"""Signed HTTP: what Slack sends is taken, what is not signed by it is refused, what cannot be stored is sent again."""

from __future__ import annotations

import io
import json
import logging
import time
from typing import Any

import aiohttp
import pytest
from slack_sdk.signature import SignatureVerifier
from sqlalchemy import text

from bot.deps import Deps
from bot.domain.text.secret import Secret
from bot.interactions import Listeners
from bot.queue import inbox
from bot.slack.app import SlackDoor
from bot.slack.events import EventDispatcher
from tests.slack.conftest import Workspace, served
from tests.slack.table import Shop

Door = tuple[SlackDoor, str]

EVENT = {
    "type": "event_callback",
    "event_id": "Ev1",
    "team_id": "T0SIM",
    "event": {"type": "reaction_added", "user": "U0BEN", "reaction": "eyes"},
}


async def post(
    session: aiohttp.ClientSession, url: str, body: str, secret: str, *, age_seconds: int = 0, **headers: str
) -> tuple[int, str]:
    """As Slack posts: the body, its signature and its time."""
    timestamp = str(int(time.time()) - age_seconds)
    signature = SignatureVerifier(secret).generate_signature(timestamp=timestamp, body=body) or ""
    given = {
        "x-slack-request-timestamp": timestamp,
        "x-slack-signature": signature,
        "content-type": "application/json" if body.startswith("{") else "application/x-www-form-urlencoded",
        **headers,
    }
    async with session.post(f"{url}/slack/events", data=io.BytesIO(body.encode()), headers=given) as response:
        return response.status, await response.text()


async def test_everything_works_over_http(http_door: Door, workspace: Workspace, shop: Shop) -> None:
    """Commands, forms and clicks over signed HTTP are those of Socket Mode."""
    assert (await workspace.says("Ada", "/incident buy bread"))["text"] == "Bought bread."
    answer = await workspace.does("command", user="Ada", channel="general", text="/incident form")
    values = {"what": "everything", "size:2": "small"}
    answer = await workspace.does("submit", user="Ada", view_id=answer["views"][0]["id"], values=values)
    assert answer["errors"] == {"what": "Ben bought everything already."}
    await workspace.says("Ada", "/incident buttons")
    ts = (await workspace.messages())[-1]["ts"]
    await workspace.does("click", user="Ben", channel="general", ts=ts, action_id="thing.take:1")
    await workspace.until_said("Took INC-7.", as_user="U0BEN")
    assert not workspace.violations()


async def test_an_event_is_stored_before_it_is_acknowledged(
    http_door: Door, session: aiohttp.ClientSession, workspace: Workspace, deps: Deps, shop: Shop
) -> None:
    """When Slack reads 200, the event is in the database; a second copy changes nothing."""
    door, url = http_door
    for _ in range(2):
        status, _body = await post(session, url, json.dumps(EVENT), workspace.simulator.signing_secret)
        assert status == 200
    assert await inbox.work(door.deps, EventDispatcher(door.listeners).handle) == 1
    assert [name for name, _ in shop.events] == ["eyes"]


async def test_an_event_that_cannot_be_stored_is_not_acknowledged(
    http_door: Door, session: aiohttp.ClientSession, workspace: Workspace, deps: Deps
) -> None:
    """Without a database there is no 200, so that Slack sends the event again; people get a calm sentence."""
    async with deps.database.transaction() as tx:
        await tx.execute(text("DROP TABLE inbox"))
        await tx.execute(text("DROP TABLE people"))
    status, _body = await post(session, http_door[1], json.dumps(EVENT), workspace.simulator.signing_secret)
    assert status == 503
    assert "not your fault" in (await workspace.says("Ada", "/incident buy bread"))["text"]


@pytest.mark.parametrize(
    ("secret", "age_seconds", "headers"),
    [
        ("another-secret", 0, {}),
        (None, 360, {}),
        (None, -360, {}),
        (None, 0, {"x-slack-signature": "v0=00"}),
        (None, 0, {"x-slack-request-timestamp": "yesterday"}),
    ],
)
async def test_a_wrong_or_stale_signature(
    http_door: Door,
    session: aiohttp.ClientSession,
    workspace: Workspace,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    secret: str | None,
    age_seconds: int,
    headers: dict[str, str],
) -> None:
    """A request that Slack did not sign just now is 401, and what it said is nowhere in the log."""
    caplog.set_level(logging.DEBUG)
    body = "command=%2Fincident&text=buy+the-secret-word&user_id=U0ADA"
    right = workspace.simulator.signing_secret
    status, _ = await post(session, http_door[1], body, secret or right, age_seconds=age_seconds, **headers)
    assert status == 401
    output = capsys.readouterr()
    assert "slack.signature_refused" in output.out + output.err + caplog.text
    assert "the-secret-word" not in output.out + output.err + caplog.text


@pytest.mark.parametrize("body", ["{", "payload=%7B", "\x00\xff", "{}", "a=b", '{"type": "block_actions"}', ""])
async def test_nonsense_with_a_signature(
    http_door: Door, session: aiohttp.ClientSession, workspace: Workspace, body: str
) -> None:
    """Whatever the body is, the door answers and stays open."""
    status, _ = await post(session, http_door[1], body, workspace.simulator.signing_secret)
    assert status in {200, 401}
    assert (await workspace.says("Ada", "/incident buy bread"))["text"] == "Bought bread."


async def test_a_body_too_long(http_door: Door, session: aiohttp.ClientSession, workspace: Workspace) -> None:
    """A body longer than anything Slack sends is not read to its end."""
    status, _ = await post(session, http_door[1], "a=" + "b" * 1_100_000, workspace.simulator.signing_secret)
    assert status == 413


async def test_the_challenge(http_door: Door, session: aiohttp.ClientSession, workspace: Workspace) -> None:
    """Slack's url_verification is answered with its challenge."""
    body = json.dumps({"type": "url_verification", "challenge": "c42"})
    status, said = await post(session, http_door[1], body, workspace.simulator.signing_secret)
    assert (status, json.loads(said)) == (200, {"challenge": "c42"})


async def test_slack_is_away_at_the_start(
    table: Listeners, deps: Deps, workspace: Workspace, session: aiohttp.ClientSession, shop: Shop
) -> None:
    """A door that cannot reach Slack opens all the same, and says what it waits for."""
    await workspace.fault("http_500", method="auth.test", times=99)
    door = SlackDoor(
        table, deps, session=session, base_url=workspace.simulator.api_url, signing_secret=_secret(workspace)
    )
    await door.start()
    async with served(door) as url:
        await workspace.does("settings", delivery="http", request_url_base=url)
        assert not door.connected()
        assert "Slack does not answer" in (door.trouble() or "")
        assert "still connecting" in (await workspace.says("Ada", "/incident buy bread"))["text"]
    await door.stop()


async def test_a_token_that_slack_refuses(
    table: Listeners, deps: Deps, workspace: Workspace, session: aiohttp.ClientSession
) -> None:
    """A revoked token is a sentence that names the variable."""
    await workspace.fault("error", method="auth.test", error="token_revoked", times=99)
    door = SlackDoor(
        table, deps, session=session, base_url=workspace.simulator.api_url, signing_secret=_secret(workspace)
    )
    await door.start()
    assert "SLACK_BOT_TOKEN" in (door.trouble() or "")
    await door.stop()


@pytest.mark.parametrize("budget_seconds", [0.3])
async def test_stopping_finishes_what_was_begun(http_door: Door, workspace: Workspace, shop: Shop) -> None:
    """Work that outlived its acknowledgement is finished before the door closes, and answered."""
    await workspace.says("Ada", "/incident slow")
    shop.wait.set()
    await http_door[0].stop()
    assert "Done at last." in await workspace.texts()


def _secret(workspace: Workspace) -> Any:
    return Secret(workspace.simulator.signing_secret)
