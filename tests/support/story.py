"""Whole trips: a simulated workspace, the real doors, worker and database, and a clock held by hand."""

from __future__ import annotations

import copy
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp
from sqlalchemy import select

from bot import manifest
from bot.app.registry import CHORES, DELIVERIES, INBOX, LATE, TIMERS
from bot.catalogue.templates.render import TemplateFiles
from bot.deps import Config, CurrentCatalogue, Deps
from bot.domain.errors import Undeliverable
from bot.domain.text.secret import Secret
from bot.engine.secrets import Secrets
from bot.integrations.slack import SlackChat, open_session
from bot.paths import data
from bot.ports import Database
from bot.queue import timers
from bot.services.runs.scheduler import Engine
from bot.simulator import Simulator
from bot.slack.app import SlackDoor
from bot.slack.events import EventDispatcher
from bot.store.tables.audit import audit_log
from bot.store.wakeups.local import LocalWakeups
from bot.worker import Worker
from commands import LISTENERS
from tests.support.catalogues import whole
from tests.support.clock import HandClock
from tests.support.waiting import next_wall

BUSY_SECONDS = 30.0  # of real time that a busy machine may take for what Slack gives three seconds
PATIENCE_SECONDS = 20.0  # of hand-held wall time that `settle` moves past gates, backoffs and look-ups
ROUNDS = 400


class SimulatedTime:
    """The simulator's view of the hand-held clock."""

    speed = 1.0

    def __init__(self, clock: HandClock) -> None:
        self._clock = clock

    def wall(self) -> float:
        return self._clock.wall()

    def now(self) -> datetime:
        return self._clock.now()

    async def next_timer(self) -> datetime | None:
        return None

    async def jump(self, seconds: float | None) -> datetime:
        return self._clock.advance(seconds or 0)

    async def set_speed(self, speed: float) -> None:
        raise NotImplementedError


class HeardAlarm:
    """The second channel: what was said there is kept, and it can be made to fail."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.broken = False

    async def raise_alarm(self, sentence: str) -> None:
        if self.broken:
            raise Undeliverable("unreachable")
        self.heard.append(sentence)


class Story:
    """What people do in the workspace, and what they see there afterwards."""

    def __init__(
        self,
        simulator: Simulator,
        door: SlackDoor,
        worker: Worker,
        alarm: HeardAlarm,
        clock: HandClock,
        control: aiohttp.ClientSession,
    ) -> None:
        self.simulator = simulator
        self.door = door
        self.worker = worker
        self.alarm = alarm
        self.clock = clock
        self._session = control

    @property
    def deps(self) -> Deps:
        return self.door.deps

    # --- time ---

    async def settle(self) -> None:
        """Until nothing moves: past pacing gates, backoffs and look-ups, but never past a timer."""
        patience = PATIENCE_SECONDS
        for _ in range(ROUNDS):
            await self.simulator.deliverer.quiet()
            await self.door.quiet()
            if await self.worker.work_once():
                continue
            wait = await self._until_sendable()
            if wait is None or wait > patience:
                return
            patience -= wait
            self.clock.advance(wait)
        raise AssertionError("The story does not come to rest.")

    async def _until_sendable(self) -> float | None:
        moments = [await next_wall(self.door.deps), await Engine(self.door.deps).next_wall()]
        soon = min((one for one in moments if one is not None), default=None)
        return None if soon is None else max(soon - self.clock.wall(), 0.001)

    async def fast_forward(self, *, minutes: float = 0, hours: float = 0, seconds: float = 0) -> None:
        """From timer to timer, each at its own time, until so much has passed."""
        end = self.clock.now() + timedelta(minutes=minutes, hours=hours, seconds=seconds)
        while (due := await timers.next_due(self.door.deps)) and due <= end:
            self.clock.set(max(due, self.clock.now()))
            await self.settle()
        self.clock.set(max(end, self.clock.now()))
        await self.settle()

    # --- what people do ---

    async def does(self, what: str, **wish: Any) -> dict[str, Any]:
        async with self._session.post(f"{self.simulator.url}/_sim/{what}", json=wish) as response:
            answer: dict[str, Any] = await response.json()
        return answer

    async def types(self, user: str, text: str, channel: str = "general") -> str:
        """A slash command; the text of what the acknowledgement showed."""
        answer = await self.does("command", user=user, channel=channel, text=text)
        assert answer["ok"], answer
        await self.settle()
        return str((answer["response"] or {}).get("text", ""))

    async def reads(self, user: str, text: str, channel: str = "general") -> str:
        """A slash command; all the words of its answer, blocks included."""
        answer = await self.does("command", user=user, channel=channel, text=text)
        assert answer["ok"], answer
        await self.settle()
        return tidy("\n".join([str((answer["response"] or {}).get("text", "")), shown(answer["response"] or {})]))

    async def opens(self, user: str, text: str, channel: str = "general") -> dict[str, Any]:
        """A command that opens a modal; the view."""
        answer = await self.does("command", user=user, channel=channel, text=text)
        return _topmost(answer)

    async def shortcut(
        self, user: str, callback: str, channel: str | None = None, message: str | None = None
    ) -> dict[str, Any]:
        """A global shortcut, or one on the message of that ts; the answer with the open views."""
        answer = await self.does("shortcut", user=user, callback_id=callback, channel=channel, ts=message)
        assert answer["ok"], answer
        await self.settle()
        return answer

    async def submits(self, user: str, view: dict[str, Any], *, times: int = 1, **values: Any) -> dict[str, Any]:
        fields = {_block(view, name): value for name, value in values.items()}
        answer = await self.does("submit", user=user, view_id=view["id"], values=fields, times=times)
        await self.settle()
        return answer

    async def clicks(
        self, user: str, channel: str, message: dict[str, Any], action: str, **more: Any
    ) -> dict[str, Any]:
        answer = await self.does("click", user=user, channel=channel, ts=message["ts"], action_id=action, **more)
        assert answer["ok"], answer
        await self.settle()
        return answer

    async def opens_by_click(self, user: str, channel: str, message: dict[str, Any], action: str) -> dict[str, Any]:
        """A button that opens a modal; the view."""
        return _topmost(await self.clicks(user, channel, message, action))

    async def chooses(self, user: str, view: dict[str, Any], field: str, choice: str, **typed: Any) -> dict[str, Any]:
        """Another choice in a modal that is drawn again for it; the view afterwards."""
        answer = await self.does(
            "click",
            user=user,
            view_id=view["id"],
            action_id="value",
            block_id=_block(view, field),
            selected=choice,
            values={_block(view, name): value for name, value in typed.items()},
        )
        return _topmost(answer)

    async def says(self, user: str, text: str, channel: str, thread_ts: str | None = None) -> str:
        """A message; its ts."""
        answer = await self.does("message", user=user, channel=channel, text=text, thread_ts=thread_ts)
        assert answer["ok"], answer
        await self.settle()
        return str(answer["ts"])

    def group(self, group: str, *members: str) -> None:
        """Who is in this user group from now on; an administrator changed it."""
        self.simulator.workspace.usergroups[group].users = list(members)

    async def joined(self, channel: str, *people: str) -> None:
        """New people, who are in that channel."""
        for one in people:
            await self.does("users", id=one, name=one.lower())
            self.simulator.workspace.channels[channel].members.update({one: None})
        await self.settle()

    async def audited(self, subject: str) -> list[tuple[str, str]]:
        """Who did what to it, in the order of writing."""
        async with self.deps.database.reading() as tx:
            rows = await tx.execute(select(audit_log).where(audit_log.c.subject == subject).order_by(audit_log.c.id))
            return [(row.actor, row.action) for row in rows]

    async def fault(self, kind: str, **wish: Any) -> None:
        answer = await self.does("faults", kind=kind, **{"times": 1, **wish})
        assert answer["ok"], answer

    async def declared(self, words: str, user: str = "Ada") -> str:
        """Declare with these words; the name of the channel that opened."""
        before = {one["id"] for one in (await self.state())["channels"]}
        answer = await self.types(user, f"/incident declare {words}")
        assert "Declared INC-" in answer, answer
        opened = [one["name"] for one in (await self.state())["channels"] if one["id"] not in before]
        return str(next(name for name in opened if name.startswith("inc-")))

    # --- what people see ---

    async def messages(self, channel: str, user: str = "U0ADA") -> list[dict[str, Any]]:
        url = f"{self.simulator.url}/_sim/channels/{channel}/messages"
        async with self._session.get(url, params={"as": user}) as response:
            found: list[dict[str, Any]] = (await response.json()).get("messages", [])
        return found

    async def by_the_bot(self, channel: str, user: str = "U0ADA") -> list[str]:
        """Everything the bot posted there, as text, oldest first; notices of joins and topics left out."""
        found = await self.messages(channel, user)
        return [
            shown(one) for one in found if one.get("bot_id") and not one.get("subtype") and not one.get("ephemeral")
        ]

    async def whispers(self, user: str, channel: str) -> list[str]:
        return [shown(one) for one in await self.messages(channel, user) if one.get("ephemeral")]

    async def state(self, user: str = "") -> dict[str, Any]:
        async with self._session.get(f"{self.simulator.url}/_sim/state", params={"as": user} if user else {}) as answer:
            found: dict[str, Any] = await answer.json()
        return found

    async def channel(self, name: str, user: str = "") -> dict[str, Any]:
        """By name or the beginning of it."""
        for one in (await self.state(user))["channels"]:
            if one.get("name", "").startswith(name):
                return dict(one)
        raise AssertionError(f"no channel {name} for {user or 'anybody'}")

    async def direct(self, user: str) -> list[str]:
        """What the bot said to a person in a direct message."""
        state = await self.state(user)
        rooms = [one["id"] for one in state["channels"] if one.get("is_im")]
        return [shown(one) for room in rooms for one in state["messages"].get(room, []) if one.get("bot_id")]

    async def direct_messages(self, user: str) -> list[dict[str, Any]]:
        """The bot's direct messages to a person, whole; each knows its `channel`."""
        state = await self.state(user)
        rooms = [one["id"] for one in state["channels"] if one.get("is_im")]
        found = [{**one, "channel": room} for room in rooms for one in state["messages"][room]]
        return [one for one in found if one.get("bot_id") and not one.get("ephemeral")]

    async def thread(self, channel: str, ts: str, user: str = "U0ADA") -> list[str]:
        """What the bot answered in a thread."""
        found = await self.messages(channel, user)
        return [shown(one) for one in found if one.get("thread_ts") == ts and one["ts"] != ts and one.get("bot_id")]

    async def live(self, run: str, channel: str = "ops-alerts", user: str = "U0ADA") -> dict[str, Any]:
        """The live message of a run, by its name."""
        found = [one for one in await self.messages(channel, user) if shown(one).startswith(f"*{run}* ")]
        return next(one for one in found if one.get("bot_id") and not one.get("ephemeral"))

    async def replies(self, channel: str, message: dict[str, Any], user: str = "U0ADA") -> list[dict[str, Any]]:
        """What the bot answered in this message's thread, whole, oldest first."""
        ts = message["ts"]
        found = [one for one in await self.messages(channel, user) if one.get("thread_ts") == ts and one["ts"] != ts]
        return [one for one in found if one.get("bot_id") and not one.get("ephemeral")]

    async def asked(self, run: str, action: str, channel: str = "ops-alerts", user: str = "U0ADA") -> dict[str, Any]:
        """The newest message in a run's thread that has this button."""
        found = await self.replies(channel, await self.live(run, channel, user), user)
        return next(one for one in reversed(found) if action in buttons(one))

    async def file(self, about: dict[str, Any]) -> str:
        """The content of a file, as in a message's `files`."""
        async with self._session.get(f"{self.simulator.url}/_sim/files/{about['id']}") as response:
            return str(await response.text())

    async def files(self, channel: str) -> list[str]:
        """The content of every file the bot put there, oldest first."""
        return [await self.file(one) for message in await self.messages(channel) for one in message.get("files", ())]

    async def home(self, user: str) -> dict[str, Any]:
        """Open the Home tab; the view that was published."""
        await self.does("home", user=user)
        await self.settle()
        return dict((await self.state(user))["home"] or {})

    async def card(self, channel: str, user: str = "U0ADA") -> dict[str, Any]:
        return (await self.cards(channel, user))[0]

    async def cards(self, channel: str, user: str = "U0ADA") -> list[dict[str, Any]]:
        found = await self.messages(channel, user)
        return [one for one in found if (one.get("blocks") or [{}])[0].get("type") == "header"]

    def calls(self, method: str) -> list[dict[str, Any]]:
        return [one for one in self.simulator.journal.since() if one.get("entry") == "call" and one["method"] == method]

    def violations(self) -> list[dict[str, Any]]:
        return [one for one in self.simulator.journal.since() if "violation" in one]


def _topmost(answer: dict[str, Any]) -> dict[str, Any]:
    assert answer["ok"], answer
    assert answer["views"], answer
    return dict(answer["views"][-1])


def field(view: dict[str, Any], name: str) -> dict[str, Any]:
    """The element of that field of a modal."""
    return next(dict(block["element"]) for block in view["blocks"] if block["block_id"].split(":")[0] == name)


def buttons(message: dict[str, Any]) -> list[str]:
    """The action ids of the buttons of a message, in order."""
    found = [one for block in message.get("blocks") or () for one in block.get("elements", ())]
    return [one["action_id"] for one in found if one.get("type") == "button"]


def _block(view: dict[str, Any], name: str) -> str:
    ids = [str(block.get("block_id")) for block in view["blocks"]]
    return next((one for one in ids if one.split(":")[0] == name), name)


def shown(message: dict[str, Any]) -> str:
    """All the words of a message, as a reader meets them: blocks where there are any, else the text."""
    blocks: Sequence[Any] = message.get("blocks") or ()
    return "\n".join(_words(blocks)) if blocks else str(message.get("text", ""))


def _words(value: Any) -> list[str]:
    if isinstance(value, list):
        return [word for one in value for word in _words(one)]
    if not isinstance(value, dict):
        return []
    own = [value["text"]] if isinstance(value.get("text"), str) else []
    return own + [word for key, one in value.items() if key not in ("confirm",) for word in _words(one)]


def tidy(text: str) -> str:
    """Slack's date tokens as their fallback, for readable expectations."""
    return re.sub(r"<!date\^[^|>]*\|([^>]*)>", r"\1", text)


def app() -> dict[str, Any]:
    """The packaged manifest for Socket Mode, read once in a process."""
    return copy.deepcopy(_app())


_app = cache(manifest.for_socket_mode)
packaged_templates = cache(TemplateFiles)  # compiled once in a process


@asynccontextmanager
async def told(
    database: Database,
    clock: HandClock,
    *,
    catalogue: Sequence[Path] = (),
    templates: Sequence[Path] = (),
    environment: Mapping[str, str] | None = None,
    parts: Mapping[str, Any] | None = None,
    connections: int = 1,
    **config: Any,
) -> AsyncIterator[Story]:
    """A whole installation over Socket Mode, with the packaged catalogue unless another is given.

    `parts` are further ones of `Deps`: a pager, a mailer.
    """
    in_force = whole(catalogue or [data("runbooks")], allow_shell=config.get("shell_folders", ()))
    simulator, alarm = Simulator(app(), clock=SimulatedTime(clock), ack_seconds=BUSY_SECONDS), HeardAlarm()
    async with AsyncExitStack() as stack:
        await simulator.start()
        stack.push_async_callback(simulator.stop)
        session = await stack.enter_async_context(open_session(10))
        control = await stack.enter_async_context(aiohttp.ClientSession())
        deps = Deps(
            config=Config(**config),
            clock=clock,
            database=database,
            chat=SlackChat(
                Secret(simulator.bot_token), base_url=simulator.api_url, session=session, timeout_seconds=BUSY_SECONDS
            ),
            alarm=alarm,
            wakeups=LocalWakeups(),
            current_catalogue=CurrentCatalogue(in_force),
            templates=TemplateFiles(templates) if templates else packaged_templates(),
            secrets=Secrets(environment or {}, handed_on=environment),
            **(parts or {}),
        )
        door = SlackDoor(
            LISTENERS,
            deps,
            session=session,
            base_url=simulator.api_url,
            app_token=Secret(simulator.app_token),
            budget_seconds=BUSY_SECONDS,
            start_seconds=BUSY_SECONDS,
            connections=connections,
        )
        stack.push_async_callback(door.stop)
        await door.start()
        story = Story(simulator, door, worker_of(door.deps), alarm, clock, control)
        await story.settle()
        yield story


def worker_of(deps: Deps) -> Worker:
    """A worker that knows nothing but what the database says, with all that happens by itself."""
    inbox = {"event": EventDispatcher(LISTENERS).handle, **INBOX}
    return Worker(deps, timers=TIMERS, deliveries=DELIVERIES, inbox=inbox, chores=CHORES, late=LATE)


@asynccontextmanager
async def well_told(database: Database, clock: HandClock) -> AsyncIterator[Story]:
    """A story that must end without a call that Slack would refuse."""
    async with told(database, clock) as story:
        yield story
        assert story.violations() == []
