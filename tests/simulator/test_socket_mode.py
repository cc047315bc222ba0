"""Unmodified slack-bolt over Socket Mode: commands, clicks, forms, shortcuts, events, and lines that break."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from slack_sdk.web.async_client import AsyncWebClient

from bot.simulator import Simulator
from tests.simulator.app import CARD, FORM, Counterpart, by_socket, counterpart
from tests.simulator.conftest import Hands


@pytest.fixture
async def app(sim: Simulator, session: aiohttp.ClientSession) -> AsyncIterator[Counterpart]:
    """A Bolt app connected through two sockets."""
    made = counterpart(sim, session)
    async with by_socket(sim, made, sockets=2):
        yield made


async def test_a_command_is_answered(app: Counterpart, hands: Hands) -> None:
    """The person who typed reads what the acknowledgement said, escaped once as Slack does."""
    answer = await hands.done("command", user="Ada", channel="#incidents", text="/incident @Ben in #general <b> &")
    assert answer["response"] == {
        "response_type": "ephemeral",
        "text": "You said <@U0BEN> in <#C0GENERAL|general> &lt;b&gt; &amp;",
    }
    assert 0 < answer["ack_ms"] < 300
    (shown,) = await hands.messages("incidents", **{"as": "ada"})
    assert shown["ephemeral"]
    assert await hands.messages("incidents", **{"as": "ben"}) == []


async def test_escaping_is_the_manifests_choice(app: Counterpart, hands: Hands) -> None:
    """A command without should_escape arrives as it was typed."""
    answer = await hands.done("command", user="Ada", channel="incidents", text="/plain @Ben <b>")
    assert answer["response"]["text"] == "You said @Ben <b>"


async def test_an_answer_to_all(app: Counterpart, hands: Hands) -> None:
    """response_type in_channel speaks to everybody."""
    await hands.done("command", user="Ada", channel="incidents", text="/incident aloud")
    assert [one["text"] for one in await hands.messages("incidents", **{"as": "ben"})] == ["Heard"]


async def test_a_broken_answer_is_noticed(app: Counterpart, hands: Hands) -> None:
    """Blocks that Slack would refuse show nothing, and the journal says why."""
    answer = await hands.done("command", user="Ada", channel="incidents", text="/incident broken")
    assert answer["response"] is None
    (violation,) = await hands.journal("violation")
    assert violation["error"] == "invalid_blocks"


async def test_who_may_type_where(app: Counterpart, hands: Hands) -> None:
    """Unknown commands, deactivated people and channels one is not in are refused before the app hears of them."""
    for wish, code in (
        ({"user": "Ada", "channel": "incidents", "text": "/nothing"}, "unknown_command"),
        ({"user": "Eve", "channel": "incidents", "text": "/incident"}, "account_inactive"),
        ({"user": "Gus", "channel": "incidents", "text": "/incident"}, "not_in_channel"),
        ({"user": "Nobody", "channel": "incidents", "text": "/incident"}, "user_not_found"),
        ({"user": "Ada", "channel": "nowhere", "text": "/incident"}, "channel_not_found"),
    ):
        assert (await hands.do("command", **wish))["error"] == code
    assert app.bodies == []


async def test_a_form_from_open_to_sent(app: Counterpart, hands: Hands) -> None:
    """A command opens a form; what is filled in arrives as Slack sends it; the form closes."""
    opened = await hands.done("command", user="Ada", channel="incidents", text="/incident modal")
    view_id = opened["views"][0]["id"]
    empty = await hands.do("submit", user="Ada", view_id=view_id, values={})
    assert empty["errors"] == {"title": "Please complete this required field."}
    long = await hands.do("submit", user="Ada", view_id=view_id, values={"title": "x" * 21})
    assert "no more than 20" in long["errors"]["title"]
    sent = await hands.done("submit", user="Ada", view_id=view_id, values={"title": "Down", "severity": "P1"})
    assert sent["views"] == []
    values = app.bodies[-1]["view"]["state"]["values"]
    assert values["title"] == {"value": {"type": "plain_text_input", "value": "Down"}}
    assert values["severity"]["value"]["selected_option"]["value"] == "P1"
    assert len(app.bodies) == 2


@pytest.mark.parametrize(
    ("title", "left", "errors"),
    [("errors", ["form"], {"title": "Too vague"}), ("update", ["second"], {}), ("push", ["form", "second"], {}),
     ("clear", [], {}), ("wrong errors", ["form"], {})],
)  # fmt: skip
async def test_answers_to_a_form(
    app: Counterpart, hands: Hands, title: str, left: list[str], errors: dict[str, str]
) -> None:
    """Each response_action does what Slack documents; errors on fields that are not there are refused."""
    opened = await hands.done("command", user="Ada", channel="incidents", text="/incident modal")
    sent = await hands.done("submit", user="Ada", view_id=opened["views"][0]["id"], values={"title": title})
    assert [view["callback_id"] for view in sent["views"]] == left
    assert (sent["views"][0]["errors"] if sent["views"] else {}) == errors
    assert bool(await hands.journal("violation")) is (title == "wrong errors")


async def test_a_button_in_a_form(app: Counterpart, hands: Hands) -> None:
    """A click inside a form carries the view with what was typed so far."""
    opened = await hands.done("command", user="Ada", channel="incidents", text="/incident modal")
    view_id = opened["views"][0]["id"]
    await hands.done("click", user="Ada", view_id=view_id, action_id="more", values={"title": "So far"})
    body = app.bodies[-1]
    assert (body["container"], body["hash"]) == ({"type": "view", "view_id": view_id}, opened["views"][0]["hash"])
    assert body["view"]["state"]["values"]["title"]["value"]["value"] == "So far"
    assert (await hands.do("click", user="Ben", view_id=view_id, action_id="more"))["error"] == "view_not_found"


async def test_closing_a_form(app: Counterpart, hands: Hands, client: AsyncWebClient, sim: Simulator) -> None:
    """The app hears of a cancelled form where it asked to."""
    view = {**FORM, "notify_on_close": True}
    opened = await client.views_open(trigger_id=sim.workspace.new_trigger("U0ADA"), view=view)
    await hands.done("close_view", user="Ada", view_id=opened["view"]["id"])
    assert (app.bodies[-1]["type"], app.bodies[-1]["is_cleared"]) == ("view_closed", False)


async def test_clicks(app: Counterpart, hands: Hands, client: AsyncWebClient) -> None:
    """A click names the message, the element, its value and the person, with a response_url and a fresh trigger."""
    posted = await client.chat_postMessage(channel="C0GENERAL", text="card", blocks=CARD)
    place = {"user": "Ada", "channel": "general", "ts": posted["ts"]}
    await hands.done("click", **place, action_id="ack", value="INC-1")
    await hands.done("click", **place, action_id="silence", selected="15m")
    button, choice = app.bodies
    assert (button["actions"][0]["value"], button["user"]["id"]) == ("INC-1", "U0ADA")
    assert (button["container"]["message_ts"], button["message"]["ts"]) == (posted["ts"], posted["ts"])
    assert button["response_url"].startswith("http://")
    assert button["trigger_id"] != choice["trigger_id"]
    assert choice["actions"][0]["selected_option"]["value"] == "15m"
    assert choice["state"]["values"]["card"]["silence"]["selected_option"]["value"] == "15m"
    for action_id, value in (("nope", None), ("ack", "INC-9")):
        answer = await hands.do("click", **place, action_id=action_id, value=value)
        assert answer["error"] == "no_such_element"
    assert (await hands.do("click", **place, action_id="silence", selected="9y"))["error"] == "no_such_option"


async def test_a_double_click(app: Counterpart, hands: Hands, client: AsyncWebClient) -> None:
    """Two clicks at once are two payloads with triggers of their own."""
    posted = await client.chat_postMessage(channel="C0GENERAL", text="card", blocks=CARD)
    await hands.done("click", user="Ada", channel="general", ts=posted["ts"], action_id="ack", times=2)
    assert len({body["trigger_id"] for body in app.bodies}) == len(app.bodies) == 2


async def test_only_what_one_sees(app: Counterpart, hands: Hands, client: AsyncWebClient) -> None:
    """Nobody clicks in somebody else's ephemeral message."""
    posted = await client.chat_postEphemeral(channel="C0GENERAL", user="U0ADA", text="card", blocks=CARD)
    place = {"channel": "general", "ts": posted["message_ts"], "action_id": "ack"}
    assert (await hands.do("click", user="Ben", **place))["error"] == "message_not_found"
    await hands.done("click", user="Ada", **place)
    assert app.bodies[0]["container"]["is_ephemeral"]


async def test_shortcuts(app: Counterpart, hands: Hands) -> None:
    """A global shortcut carries the person, one on a message the message too."""
    ts = (await hands.done("message", user="Ada", channel="incidents", text="look"))["ts"]
    await hands.done("shortcut", user="Ada", callback_id="incident.declare")
    await hands.done("shortcut", user="Ben", callback_id="timeline.add", channel="incidents", ts=ts)
    anywhere, on_message = app.bodies
    assert (anywhere["type"], anywhere["callback_id"]) == ("shortcut", "incident.declare")
    assert (on_message["type"], on_message["message"]["text"]) == ("message_action", "look")
    wrong = await hands.do("shortcut", user="Ada", callback_id="timeline.add")
    assert wrong["error"] == "unknown_shortcut"


async def test_a_mention(app: Counterpart, hands: Hands) -> None:
    """A message that names the app arrives as a message and as a mention, where the app is in the channel."""
    await hands.done("message", user="Ada", channel="incidents", text="@tocsin not here")
    sent = await hands.done(
        "message", user="Ada", channel="general", text="@tocsin see https://a.invalid/x & tell @Ben"
    )
    (mention,) = await app.event("app_mention")
    (message,) = await app.event("message")
    assert mention["event"]["text"] == "<@U0TOCSIN> see <https://a.invalid/x> &amp; tell <@U0BEN>"
    assert message["event"]["ts"] == mention["event"]["ts"] == sent["ts"]
    assert message["event"]["channel_type"] == "channel"
    assert message["authorizations"][0]["user_id"] == "U0TOCSIN"


async def test_a_direct_message(app: Counterpart, hands: Hands) -> None:
    """A direct message arrives as one, and is no mention."""
    sent = await hands.done("dm", user="Ada", text="@tocsin hello")
    (message,) = await app.event("message")
    assert (message["event"]["channel_type"], message["event"]["channel"]) == ("im", sent["channel"])
    assert app.events("app_mention") == []


async def test_what_else_people_do(app: Counterpart, hands: Hands) -> None:
    """Joining, reacting, pinning, opening the Home tab and new people are events."""
    ts = (await hands.done("message", user="Ada", channel="general", text="look"))["ts"]
    for remove in (False, True):
        await hands.done("reaction", user="Ben", channel="general", ts=ts, name="pushpin", remove=remove)
        await hands.done("pin", user="Ben", channel="general", ts=ts, remove=remove)
    await hands.done("home", user="Ada")
    await hands.done("users", name="Fay", tz="Europe/Paris")
    await hands.done("users", name="fay", deactivated=True)
    for kind in ("reaction_added", "reaction_removed", "pin_added", "pin_removed", "app_home_opened", "team_join",
                 "user_change"):  # fmt: skip
        assert await app.event(kind)
    assert app.events("reaction_added")[0]["event"]["item"] == {"type": "message", "channel": "C0GENERAL", "ts": ts}
    assert app.events("user_change")[0]["event"]["user"]["deleted"]


async def test_channel_events(app: Counterpart, hands: Hands, client: AsyncWebClient) -> None:
    """The app hears who joins its channels, and of renames and archiving."""
    channel = (await client.conversations_create(name="inc-1"))["channel"]["id"]
    await hands.done("join", user="Ada", channel="inc-1")
    await client.conversations_rename(channel=channel, name="inc-2")
    await client.conversations_archive(channel=channel)
    await client.conversations_unarchive(channel=channel)
    assert (await app.event("member_joined_channel"))[0]["event"]["user"] == "U0ADA"
    assert (await app.event("channel_rename"))[0]["event"]["channel"]["name"] == "inc-2"
    # What the app did itself is delivered too, though Bolt then keeps it from the listeners.
    delivered = {line["kind"] for line in await hands.journal("delivery")}
    assert {"channel_archive", "channel_unarchive"} <= delivered


@pytest.mark.parametrize("ack_seconds", [0.3])
async def test_no_acknowledgement(app: Counterpart, hands: Hands) -> None:
    """A person whose command is not acknowledged in time is told so, and the late answer is on record."""
    app.stall_seconds = 0.5
    answer = await hands.do("command", user="Ada", channel="incidents", text="/incident slow")
    assert answer["error"] == "operation_timeout"
    (notice,) = (await hands.see("state", **{"as": "ada"}))["notices"]
    assert notice["text"] == '/incident failed with the error "operation_timeout"'
    await hands.recorded("violation", "acknowledged after more than three seconds")


async def test_nobody_listens(hands: Hands) -> None:
    """Without a connection a command is lost, and the person is told."""
    answer = await hands.do("command", user="Ada", channel="incidents", text="/incident x")
    assert answer["error"] == "dispatch_failed"


async def test_events_wait_for_a_connection(sim: Simulator, session: aiohttp.ClientSession, hands: Hands) -> None:
    """An event that found nobody arrives with the next connection, as a retry."""
    await hands.done("message", user="Ada", channel="general", text="while you were away")
    app = counterpart(sim, session)
    async with by_socket(sim, app):
        (message,) = await app.event("message")
    assert message["event"]["text"] == "while you were away"
    assert app.headers[0]["x-slack-retry-num"] == ["1"]


async def test_an_unacknowledged_event_comes_again(
    sim: Simulator, session: aiohttp.ClientSession, hands: Hands
) -> None:
    """The line breaks after an event was sent: the same event comes again over another connection."""
    app = counterpart(sim, session)
    async with by_socket(sim, app, sockets=2):
        await hands.done("faults", kind="drop_socket", when="delivery")
        await hands.done("message", user="Ada", channel="general", text="twice")
        lost = next(line for line in await hands.journal("delivery") if line["kind"] == "message")["id"]
        assert lost in [body["event_id"] for body in await app.event("message")]
    attempts = [line["attempt"] for line in await hands.journal("delivery") if line["id"] == lost]
    assert attempts == [0, 1]


async def test_a_dropped_line_is_mended(app: Counterpart, hands: Hands, sim: Simulator) -> None:
    """After both lines were cut, or the client asked to reconnect, the app comes back."""
    await hands.done("faults", kind="drop_socket", times=2)
    assert sim.sockets.count == 0
    await _until_sockets(sim, 2)
    await hands.done("faults", kind="disconnect", error="warning")
    await _until_sockets(sim, 2)
    assert (await hands.done("command", user="Ada", channel="incidents", text="/incident again"))["response"]


async def test_duplicates(app: Counterpart, hands: Hands) -> None:
    """An ordered duplicate is the same payload in another envelope: same event_id, same trigger_id."""
    await hands.done("faults", kind="duplicate_delivery", times=1)
    await hands.done("message", user="Ada", channel="general", text="hello")
    messages = await app.event("message", 2)
    assert len({body["event_id"] for body in messages}) == 1
    await hands.done("faults", kind="duplicate_delivery", times=1)
    await hands.done("command", user="Ada", channel="incidents", text="/incident twice")
    commands = [body for body in await app.next(4) if "command" in body]
    assert len({body["trigger_id"] for body in commands}) == 1


@pytest.mark.parametrize("ack_seconds", [0.3])
async def test_a_dropped_delivery(app: Counterpart, hands: Hands) -> None:
    """A command that gets lost on the way is a time-out for the person."""
    await hands.done("faults", kind="drop_delivery")
    answer = await hands.do("command", user="Ada", channel="incidents", text="/incident x")
    assert answer["error"] == "operation_timeout"
    assert app.bodies == []


async def test_at_most_ten_sockets(sim: Simulator, session: aiohttp.ClientSession, client: AsyncWebClient) -> None:
    """The eleventh connection is turned away in Slack's words; a ticket opens one socket."""
    sockets = []
    for _ in range(11):
        url = (await client.apps_connections_open(app_token=sim.app_token))["url"]
        sockets.append(await session.ws_connect(url))
    assert (await sockets[0].receive_json())["type"] == "hello"
    assert await sockets[10].receive_json() == {"type": "disconnect", "reason": "too_many_websockets"}
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await session.ws_connect(url)
    for socket in sockets:
        await socket.close()


async def test_pings_come_back_unchanged(
    sim: Simulator, session: aiohttp.ClientSession, client: AsyncWebClient
) -> None:
    """The client measures the line with its own payload in a ping."""
    url = (await client.apps_connections_open(app_token=sim.app_token))["url"]
    async with session.ws_connect(url, autoping=False) as socket:
        await socket.receive_json()
        await socket.ping(b"sdk-ping-pong:1.5")
        answer = await socket.receive()
        assert (answer.type, answer.data) == (aiohttp.WSMsgType.PONG, b"sdk-ping-pong:1.5")
        await socket.send_str("{}")
        await socket.send_str("rubbish")
        await socket.send_json({"envelope_id": "nobody's"})
        await socket.close()


async def test_fifty_at_once(app: Counterpart, hands: Hands) -> None:
    """Fifty commands at the same time are all answered."""
    wishes = [
        hands.done("command", user="Ada", channel="incidents", text=f"/incident {number}") for number in range(50)
    ]
    answers = await asyncio.gather(*wishes)
    assert {answer["response"]["text"] for answer in answers} == {f"You said {number}" for number in range(50)}


async def _until_sockets(sim: Simulator, count: int) -> None:
    async with asyncio.timeout(30):
        while sim.sockets.count < count:  # noqa: ASYNC110  the client reconnects in its own time
            await asyncio.sleep(0.02)
