"""The control API: what people see, the stream of changes, the clock, the journal, people, reset."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from slack_sdk.web.async_client import AsyncWebClient

from bot.simulator import Simulator, WallClock, run_simulator
from bot.simulator.content.inputs import state_of
from bot.simulator.content.mrkdwn import typed
from tests.simulator.conftest import MANIFEST, Hands, StillClock


async def test_the_picture(client: AsyncWebClient, hands: Hands, still: StillClock) -> None:
    """One person's picture holds people, channels, messages, commands and the clock."""
    still.due = still.time + timedelta(minutes=5)
    root = await client.chat_postMessage(channel="C0GENERAL", text="root")
    await hands.done("message", user="Ben", channel="general", text="reply", thread_ts=root["ts"])
    state = await hands.see("state", **{"as": "Ada"})
    assert (state["me"], state["team"]["id"]) == ("U0ADA", "T0SIM")
    assert state["clock"] == {"now": still.time.isoformat(), "speed": 1.0, "next_timer": still.due.isoformat()}
    kinds = {person["name"]: person["kind"] for person in state["people"]}
    assert (kinds["gus"], kinds["eve"], kinds["sia"], kinds["tocsin"]) == ("guest", "deactivated", "stranger", "bot")
    first, reply = state["messages"]["C0GENERAL"]
    assert (first["reply_count"], reply["thread_ts"], reply["user"]) == (1, root["ts"], "U0BEN")
    assert first["sim_at"] == still.time.isoformat()
    assert [one["command"] for one in state["commands"]] == ["/incident", "/plain"]
    assert state["shortcuts"][1] == {"name": "Add to timeline", "type": "message", "callback_id": "timeline.add"}


async def test_the_omniscient_picture(client: AsyncWebClient, hands: Hands) -> None:
    """Without a person, private channels and everybody's ephemeral messages show."""
    channel = (await client.conversations_create(name="secret", is_private=True))["channel"]["id"]
    await client.conversations_invite(channel=channel, users="U0ADA")
    await client.chat_postEphemeral(channel=channel, user="U0ADA", text="only you")
    state = await hands.see("state")
    assert state["messages"][channel][-1]["ephemeral_to"] == "U0ADA"
    assert (await hands.see("state", **{"as": "nobody"}))["error"] == "user_not_found"


async def test_the_stream(client: AsyncWebClient, hands: Hands, session: aiohttp.ClientSession) -> None:
    """A burst of changes is one event."""
    async with session.get(f"{hands.url}/_sim/stream", params={"as": "ada"}) as response:
        assert response.content_type == "text/event-stream"
        first = await _event(response)
        await asyncio.gather(*(client.chat_postMessage(channel="C0GENERAL", text="x") for _ in range(5)))
        assert await _event(response) >= first + 5


async def _event(response: aiohttp.ClientResponse) -> int:
    async with asyncio.timeout(30):
        assert await response.content.readline() == b"event: change\n"
        data = await response.content.readline()
        await response.content.readline()
    return int(json.loads(data.removeprefix(b"data: "))["seq"])


async def test_the_clock(hands: Hands, still: StillClock) -> None:
    """The clock jumps by seconds or to the next timer, and changes its speed."""
    start = still.time
    jumped = await hands.done("clock", jump=90)
    assert jumped["now"] == (start + timedelta(seconds=90)).isoformat()
    still.due = start + timedelta(hours=1)
    assert (await hands.done("clock", jump="next", speed=60))["now"] == still.due.isoformat()
    assert (await hands.see("clock"))["speed"] == 60
    for wish in ({"jump": -1}, {"jump": "back"}, {"jump": 1e30}, {"speed": 0}):
        assert (await hands.do("clock", **wish))["error"] == "invalid_arguments"


async def test_the_wall_clock() -> None:
    """The workspace's own clock runs simulated time faster and jumps it, and leaves Slack's time alone."""
    clock = WallClock(speed=1000)
    start = clock.now()
    assert await clock.jump(3600) >= start + timedelta(hours=1)
    assert await clock.next_timer() is None
    before = clock.now()
    await clock.set_speed(1)
    assert clock.now() - before < timedelta(minutes=5)
    assert abs(clock.wall() - WallClock().now().timestamp()) < 5


async def test_the_journal(client: AsyncWebClient, hands: Hands, session: aiohttp.ClientSession) -> None:
    """The journal can be read from where one left off."""
    await client.auth_test()
    last = (await hands.journal())[-1]["seq"]
    await hands.done("message", user="Ada", channel="general", text="x")
    async with session.get(f"{hands.url}/_sim/journal", params={"since": str(last)}) as response:
        lines = [json.loads(line) for line in (await response.text()).splitlines()]
    assert lines
    assert all(line["seq"] > last for line in lines)


async def test_the_journal_in_a_file(tmp_path: Path, session: aiohttp.ClientSession) -> None:
    """With a path, each line is in the file as well."""
    sim = Simulator(MANIFEST, journal_path=tmp_path / "journal.jsonl")
    await sim.start()
    await Hands(session, sim.url).done("message", user="Ada", channel="general", text="kept")
    await sim.stop()
    assert "kept" in (tmp_path / "journal.jsonl").read_text()


async def test_people_come_and_change(hands: Hands, client: AsyncWebClient) -> None:
    """A person can be made, become a guest, and be deactivated and brought back."""
    made = await hands.done("users", id="U0FAY", name="Fay", tz="Europe/Paris")
    assert (made["user"]["id"], made["user"]["tz"]) == ("U0FAY", "Europe/Paris")
    assert (await hands.done("users", id="U0FAY", kind="guest"))["user"]["is_restricted"]
    assert (await hands.done("users", name="fay", deactivated=True))["user"]["deleted"]
    assert (await hands.do("message", user="fay", channel="general", text="x"))["error"] == "account_inactive"
    assert not (await hands.done("users", name="fay", deactivated=False))["user"]["deleted"]
    assert (await hands.do("users", name="fay", kind="robot"))["error"] == "invalid_arguments"


async def test_reset(client: AsyncWebClient, hands: Hands) -> None:
    """Reset brings back the workspace as it began, with the same ids."""
    first = (await client.conversations_create(name="inc-1"))["channel"]["id"]
    await hands.done("reset")
    assert [one["name"] for one in (await hands.see("state"))["channels"]] == ["general", "ops-alerts", "incidents"]
    assert (await client.conversations_create(name="inc-1"))["channel"]["id"] == first


@pytest.mark.parametrize(
    ("action", "wish"),
    [
        ("message", {"user": "Ada", "channel": "general"}),
        ("message", {"user": 7, "channel": "general", "text": "x"}),
        ("click", {"user": "Ada"}),
        ("submit", {"user": "Ada"}),
    ],
)
async def test_missing_words(hands: Hands, action: str, wish: dict[str, Any], session: aiohttp.ClientSession) -> None:
    """A wish that lacks something is a bad request that names it."""
    async with session.post(f"{hands.url}/_sim/{action}", json=wish) as response:
        assert response.status == 400
        assert "is missing" in (await response.json())["sentence"]


async def test_broken_wishes(hands: Hands, session: aiohttp.ClientSession) -> None:
    """A body that is no JSON object is a bad request."""
    for body in (b"{", b"[]", b"\xff"):
        async with session.post(f"{hands.url}/_sim/message", data=body) as response:
            assert response.status == 400


async def test_wishes_nobody_can_have(hands: Hands) -> None:
    """Wishes that make no sense are refused in a sentence."""
    ts = (await hands.done("message", user="Ada", channel="general", text="x"))["ts"]
    place = {"user": "Ada", "channel": "general"}
    for action, wish in (
        ("reaction", {**place, "ts": ts, "name": "eyes", "remove": True}),
        ("pin", {**place, "ts": ts, "remove": True}),
        ("pin", {**place, "ts": "1.0"}),
        ("message", {**place, "text": "x", "thread_ts": "1.0"}),
        ("click", {**place, "ts": ts, "action_id": "a", "times": 0}),
        ("join", {"user": "Gus", "channel": "incidents"}),
        ("settings", {"delivery": "pigeon"}),
        ("settings", {"latency_seconds": -1}),
    ):
        answer = await hands.do(action, **wish)
        assert not answer["ok"]
        assert answer["sentence"].endswith(".")


async def test_the_page_is_served(hands: Hands, session: aiohttp.ClientSession) -> None:
    """Only the page's own files are served."""
    for path in ("/_sim/page/..%2Fserver.py", "/_sim/page/server.py", "/_sim/files/F0NONE"):
        async with session.get(f"{hands.url}{path}") as response:
            assert response.status == 404


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("@Ada and @ben, look", "<@U0ADA> and <@U0BEN>, look"),
        ("mail ada@company.invalid", "mail ada@company.invalid"),
        ("in #incidents, not #nowhere", "in <#C0INCIDENTS|incidents>, not #nowhere"),
        ("<@U0ADA> <!channel> <@U0NOBODY>", "<@U0ADA> &lt;!channel&gt; &lt;@U0NOBODY&gt;"),
        ("see https://a.invalid/?a=1&b=2 now", "see <https://a.invalid/?a=1&amp;b=2> now"),
        ("a < b && c", "a &lt; b &amp;&amp; c"),
        ("@sre and @here", "<!subteam^S0SRE|@sre> and <!here>"),
    ],
)
def test_typed_text(sim_without_server: Simulator, text: str, shown: str) -> None:
    """What a person types becomes references and escapes, as Slack sends it."""
    assert typed(sim_without_server.workspace, text) == shown


@pytest.mark.parametrize(
    ("element", "value", "state"),
    [
        ({"type": "plain_text_input"}, "", {"value": None}),
        ({"type": "users_select"}, "ben", {"selected_user": "U0BEN"}),
        ({"type": "multi_users_select"}, "ben", {"selected_users": ["U0BEN"]}),
        ({"type": "channels_select"}, "#incidents", {"selected_channel": "C0INCIDENTS"}),
        ({"type": "datepicker"}, "2026-11-20", {"selected_date": "2026-11-20"}),
        ({"type": "checkboxes", "options": [{"text": {"text": "Yes"}, "value": "y"}]}, False, {"selected_options": []}),
    ],
)
def test_filled_in(sim_without_server: Simulator, element: dict[str, Any], value: Any, state: dict[str, Any]) -> None:
    """Plain values become the state Slack reports for each sort of element."""
    assert state_of(sim_without_server.workspace, element, value) == {"type": element["type"], **state}


@pytest.fixture
def sim_without_server() -> Simulator:
    """A workspace that nobody connects to."""
    return Simulator(MANIFEST)


async def test_running_alone(tmp_path: Path) -> None:
    """The workspace alone serves until it is cancelled, and tidies up."""
    alone = asyncio.create_task(run_simulator(MANIFEST, "127.0.0.1", 0, tmp_path / "journal.jsonl", 60))
    await asyncio.sleep(0)
    alone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await alone
