"""Events: stored before they are acknowledged, carried out once by the worker; mentions answered where they stand."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import select

from bot.deps import Deps
from bot.queue import inbox
from bot.services.workspace import channels, people
from bot.slack.app import SlackDoor
from bot.slack.events import EventDispatcher, spoken_to
from bot.store.queue import inbox as inbox_store
from bot.store.tables.audit import audit_log
from bot.store.tables.queue import inbox as inbox_table
from tests.slack.conftest import Worker, Workspace
from tests.slack.table import Shop


async def stored(deps: Deps) -> list[tuple[str, str]]:
    async with deps.database.reading() as tx:
        rows = await tx.execute(select(inbox_table.c.kind, inbox_table.c.state).order_by(inbox_table.c.id))
        return [(row.kind, row.state) for row in rows]


async def until_stored(deps: Deps, kind: str, count: int = 1) -> None:
    async with asyncio.timeout(30):
        while [each for each, _ in await stored(deps)].count(kind) < count:  # noqa: ASYNC110 - over HTTP
            await asyncio.sleep(0.01)


async def mention(workspace: Workspace, text: str, **wish: Any) -> str:
    posted = await workspace.does("message", user="Ada", channel="general", text=text, **wish)
    return str(posted["ts"])


async def test_an_event_is_kept_until_it_is_worked(
    door: SlackDoor, workspace: Workspace, deps: Deps, shop: Shop, worker: Worker
) -> None:
    """A reaction is in the inbox when Slack is told so, and means something when the worker comes by."""
    ts = await mention(workspace, "hello")
    await workspace.does("reaction", user="Ben", channel="general", ts=ts, name="pushpin")
    await until_stored(deps, "event:reaction_added")
    assert shop.events == []
    await worker.works()
    assert [(name, by.id) for name, by in shop.events] == [("pushpin", "U0BEN")]
    assert shop.events[0][1].key


async def test_an_event_delivered_twice(
    door: SlackDoor, workspace: Workspace, deps: Deps, shop: Shop, worker: Worker
) -> None:
    """The same event_id twice is one event."""
    ts = await mention(workspace, "hello")
    await workspace.fault("duplicate_delivery")
    await workspace.does("reaction", user="Ben", channel="general", ts=ts, name="pushpin")
    await until_stored(deps, "event:reaction_added")
    await worker.works()
    await workspace.says("Ada", "/incident")  # whatever came before it has arrived
    await worker.works()
    assert len(shop.events) == 1


async def test_an_event_that_fails_is_tried_again(
    door: SlackDoor, workspace: Workspace, deps: Deps, shop: Shop, worker: Worker, clock: Any
) -> None:
    """An event whose meaning could not be carried out stays, and is carried out later."""
    shop.broken_events = 1
    ts = await mention(workspace, "hello")
    await workspace.does("reaction", user="Ben", channel="general", ts=ts, name="eyes")
    await until_stored(deps, "event:reaction_added")
    await worker.works()
    assert shop.events == []
    clock.advance(minutes=10)
    await worker.works()
    assert len(shop.events) == 1


async def test_a_mention_is_a_command(door: SlackDoor, workspace: Workspace, shop: Shop, worker: Worker) -> None:
    """A mention takes the verbs of the command; its private answer is an ephemeral message in the channel."""
    await mention(workspace, "@tocsin buy bread")
    await worker.works_until_said(workspace, "Bought bread.", "general")
    ask = shop.asked[0]
    assert (ask.text, ask.can_open_modal, ask.where.channel) == ("bread", False, "C0GENERAL")
    assert "Bought bread." not in await workspace.texts(as_user="U0BEN")
    assert not workspace.violations()


async def test_a_mention_in_a_thread(door: SlackDoor, workspace: Workspace, shop: Shop, worker: Worker) -> None:
    """A mention in a thread is answered in that thread."""
    parent = await mention(workspace, "what now?")
    await mention(workspace, "@tocsin buy loud", thread_ts=parent)
    await worker.works_until_said(workspace, "Bought loud.", "general")
    answer = next(each for each in await workspace.messages(as_user="U0BEN") if each["text"] == "Bought loud.")
    assert answer["thread_ts"] == parent
    assert shop.asked[0].where.thread == parent


async def test_a_mention_of_the_other_command(door: SlackDoor, workspace: Workspace, worker: Worker) -> None:
    """`@tocsin runbook list` is `/runbook list`, answered under the question."""
    ts = await mention(workspace, "@tocsin runbook list")
    await worker.works_until_said(workspace, "No runbooks.", "general")
    answer = next(each for each in await workspace.messages() if each["text"] == "No runbooks.")
    assert answer["thread_ts"] == ts


async def test_a_mention_is_answered_once(
    door: SlackDoor, workspace: Workspace, deps: Deps, shop: Shop, worker: Worker, clock: Any
) -> None:
    """A crash after the answer was written down, a lost answer from Slack: still one message."""
    await mention(workspace, "@tocsin buy loud")
    await until_stored(deps, "event:app_mention")
    async with deps.database.reading() as tx:
        row = (await tx.execute(select(inbox_table).where(inbox_table.c.kind == "event:app_mention"))).one()
    await EventDispatcher(door.listeners).handle(
        door.deps, inbox_store.item(row)
    )  # as a worker that dies before it notes that it was done
    await workspace.fault("drop_response", method="chat.postMessage")
    for _ in range(5):
        await worker.works()
        clock.advance(seconds=5)
    assert (await workspace.texts()).count("Bought loud.") == 1


async def test_a_form_cannot_open_from_a_mention(door: SlackDoor, workspace: Workspace, worker: Worker) -> None:
    """A verb that needs a form answers a mention with a button that opens it."""
    await mention(workspace, "@tocsin form")
    await worker.works_until_said(workspace, "Press the button", "general")
    whisper = (await workspace.messages())[-1]
    answer = await workspace.does("click", user="Ada", channel="general", ts=whisper["ts"], action_id="form.open")
    assert [view["callback_id"] for view in answer["views"]] == ["order"]


async def test_a_mention_that_is_not_understood(door: SlackDoor, workspace: Workspace, worker: Worker) -> None:
    """An unknown verb in a mention gets the nearest one too."""
    await mention(workspace, "@tocsin bui bread")
    await worker.works_until_said(workspace, "Did you mean `/incident buy`?", "general")


async def test_a_guest_mentions(door: SlackDoor, workspace: Workspace, deps: Deps, shop: Shop, worker: Worker) -> None:
    """A guest's mention is refused in an ephemeral message, and in the audit log like a command of theirs."""
    await workspace.does("message", user="Gus", channel="general", text="@tocsin buy bread")
    await worker.works_until_said(workspace, "Guests", "general", as_user="U0GUS")
    assert not shop.asked
    async with deps.database.reading() as tx:
        refused = (await tx.execute(select(audit_log.c.actor, audit_log.c.action))).all()
    assert ("U0GUS", "access.refused") in [tuple(row) for row in refused]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<@U0TOCSIN> runbook list", ("/runbook", "list")),
        ("<@U0TOCSIN|tocsin> Incident buy x", ("/incident", "buy x")),
        ("<@U0TOCSIN> /incident buy x", ("/incident", "buy x")),
        ("hey <@U0TOCSIN> note &lt;b&gt;", ("/incident", "note <b>")),
        ("<@U0TOCSIN>", ("/incident", "")),
        ("<@U0TOCSIN> role ops <@U0BEN>", ("/incident", "role ops <@U0BEN>")),
    ],
)
def test_what_a_mention_says(shop: Shop, text: str, expected: tuple[str, str]) -> None:
    """What follows the mention is the command, with or without its name."""
    assert spoken_to("U0TOCSIN", text, shop.table()) == expected


async def test_the_home_tab(door: SlackDoor, workspace: Workspace, shop: Shop, worker: Worker) -> None:
    """Opening the Home tab draws it; a press in it is answered and draws it again."""
    await workspace.does("home", user="Ada")
    async with asyncio.timeout(30):
        while not (home := (await workspace.state("U0ADA"))["home"]):
            await worker.works()
    assert home["blocks"][0]["text"]["text"] == "Hello ada"
    await workspace.does("click", user="Ada", view_id=home["id"], action_id="thing.take")
    assert shop.block_actions[0].home
    async with asyncio.timeout(30):
        while "Took INC-9." not in await workspace.dms("U0ADA"):
            await worker.works()
    assert not workspace.violations()


async def test_a_guest_looks_at_home(door: SlackDoor, workspace: Workspace, worker: Worker) -> None:
    """A guest's Home tab holds a sentence only."""
    await workspace.does("home", user="Gus")
    async with asyncio.timeout(30):
        while not (home := (await workspace.state("U0GUS"))["home"]):
            await worker.works()
    assert "Guests" in home["blocks"][0]["text"]["text"]


async def test_people_change(door: SlackDoor, workspace: Workspace, deps: Deps, worker: Worker) -> None:
    """Somebody new and somebody renamed are known without asking Slack."""
    await workspace.does("users", id="U0NEW", name="newt")
    await until_stored(deps, "event:team_join")
    await worker.works()
    await workspace.fault("error", method="users.info", error="user_not_found", times=9)
    assert (await people.find(door.deps, "U0NEW")).name == "newt"


async def test_a_channel_is_archived(door: SlackDoor, workspace: Workspace, deps: Deps, worker: Worker) -> None:
    """An archived channel of ours is a sentence, and usable again when it is opened again."""
    assert await channels.resolve(deps, "incidents") == "C0INCIDENTS"
    await deps.chat.call("conversations.archive", {"channel": "C0INCIDENTS"})
    await happens(deps, {"type": "channel_archive", "channel": "C0INCIDENTS", "user": "U0BEN"})
    await worker.works()
    assert await channels.resolve(deps, "incidents") is None
    assert "archived" in (await channels.problems(deps))[0]
    await deps.chat.call("conversations.unarchive", {"channel": "C0INCIDENTS"})
    await happens(deps, {"type": "channel_unarchive", "channel": "C0INCIDENTS", "user": "U0BEN"})
    await worker.works()
    assert await channels.problems(deps) == []


async def happens(deps: Deps, event: dict[str, Any]) -> None:
    """An event that somebody caused in Slack and not through the simulated page."""
    payload = {"event": event, "team": "T0SIM", "bot_user": "U0TOCSIN"}
    await inbox.receive(deps, key=str(event), kind=f"event:{event['type']}", payload=payload)
