"""Stories in which the bot is a real child process that is killed: who starts it again, and what is compared after."""

from __future__ import annotations

import asyncio
import os
import random
import re
import socket
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from signal import SIGKILL, Signals
from typing import Any, Literal

import aiohttp
from sqlalchemy import func, or_, select, update

from bot import manifest
from bot.simulator import Simulator
from bot.store import audit
from bot.store.db.clock import DatabaseClock
from bot.store.db.database import SqlDatabase, open_database
from bot.store.tables import incidents as incidents_tables, queue as queue_tables, runs as runs_tables
from tests.support.backends import free_port
from tests.support.story import shown

LATENCY_SECONDS = 0.02  # of the simulated Slack, so that a kill can fall inside an answer
ACK_SECONDS = 15.0  # more than Slack's three: how quick the answers are on a busy machine is no matter here
READY_SECONDS = 150.0  # a machine that does much else starts a process slowly
QUIET_SECONDS = 200.0  # much longer than a lease, for what is still held after a kill
STILL_SECONDS = 0.25
LOOK_SECONDS = 0.04
LEASE_SECONDS = 30.0
NOTICE_SECONDS = 1.6  # a process reads the clock's anchors every second, at a tick
AT_ONCE = 3  # trips
READY = '"tocsin.ready"'
LOST = {"dispatch_failed", "operation_timeout"}  # what Slack says to people when nobody answered

Transport = Literal["socket", "http"]
NewDatabase = Callable[[], str]


@dataclass(frozen=True)
class Moment:
    """When to kill: so many entries of the simulator's journal after the start of an act, and a little later."""

    entry: int
    later_seconds: float = 0.0
    victim: str = "serve"


class Wire:
    """Kills at the armed moment. An entry is written before its answer leaves, so a kill at once loses the answer."""

    def __init__(self, children: Mapping[str, Child]) -> None:
        self._children = children
        self._moment: Moment | None = None
        self._left = 0

    def arm(self, moment: Moment) -> None:
        self._moment, self._left = moment, moment.entry

    def feel(self, entry: Mapping[str, Any]) -> None:
        if self._moment and self._children[self._moment.victim].is_alive:
            self._left -= 1
            if self._left <= 0:
                self.spring()

    def spring(self) -> None:
        """Kill now, or in the moment's few milliseconds, if that has not happened yet."""
        moment, self._moment = self._moment, None
        if moment is None:
            return
        kill = self._children[moment.victim].kill
        if moment.later_seconds:
            asyncio.get_running_loop().call_later(moment.later_seconds, kill)
        else:
            kill()


class Child:
    """One `tocsin` process under a supervisor that starts it again whenever it dies."""

    def __init__(self, name: str, environment: Mapping[str, str], buried: Callable[[int], Awaitable[None]]) -> None:
        self.up = asyncio.Event()
        self.deaths = 0
        self.allowed = asyncio.Event()
        self.is_gone = asyncio.Event()
        self.log: deque[str] = deque(maxlen=60)
        self._command = name.partition("-")[0]  # `worker-2` is one more worker
        self._environment = dict(environment)
        self._buried = buried
        self._process: Process | None = None
        self.allowed.set()

    async def keep(self) -> None:
        """Start it again and again, as long as it is `allowed`."""
        while await self.allowed.wait():
            await self._live()

    async def _live(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot.cli", self._command, env=self._environment, stdout=DEVNULL, stderr=PIPE
        )
        self.is_gone.clear()
        try:
            await self._read(self._process)
        finally:
            self.up.clear()
            self.kill()
            await self._process.communicate()
            self.is_gone.set()
        self.deaths += 1
        await self._buried(self._process.pid)

    async def _read(self, process: Process) -> None:
        assert process.stderr is not None
        async for line in process.stderr:
            self.log.append(line.decode(errors="replace").rstrip())
            if READY in self.log[-1]:
                self.up.set()

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self.is_alive else None

    def kill(self) -> None:
        """SIGKILL, also to one that is just starting."""
        if self.is_alive:
            self.up.clear()
            self.send(SIGKILL)

    def send(self, signal: Signals) -> None:
        if self.pid:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal)  # without a look at it: the loop's watcher must be who buries it


class House:
    """A simulated workspace, a database, and the bot as child processes beside this one."""

    def __init__(self, simulator: Simulator, database: SqlDatabase, control: aiohttp.ClientSession) -> None:
        self.simulator = simulator
        self.database = database
        self.clock = DatabaseClock(database)
        self.children: dict[str, Child] = {}
        self.wire = Wire(self.children)
        self.repeated = 0
        self.dead: list[int] = []
        self.environment: Mapping[str, str] = {}  # of every child
        self._control = control
        self._entries = 0
        simulator.journal.watch(self._count)
        simulator.journal.watch(self.wire.feel)

    def _count(self, entry: Mapping[str, Any]) -> None:
        self._entries += 1

    # --- life and death ---

    @property
    def deaths(self) -> int:
        return sum(child.deaths for child in self.children.values())

    async def is_up(self) -> None:
        try:
            async with asyncio.timeout(READY_SECONDS):
                for child in self.children.values():
                    await child.up.wait()
        except TimeoutError:
            raise AssertionError(f"It does not start: {self.logs()}") from None

    async def down(self) -> None:
        """Kill everybody, and leave them dead."""
        for child in self.children.values():
            child.allowed.clear()
            child.kill()
            await child.is_gone.wait()

    def back(self) -> None:
        """Let everybody start again."""
        for child in self.children.values():
            child.allowed.set()

    def logs(self) -> str:
        return "\n".join(line for child in self.children.values() for line in child.log)

    async def bury(self, pid: int) -> None:
        """What a dead worker held on PostgreSQL is free after its lease; its clock is put forward instead of waiting.

        On SQLite the one process that starts again frees it by itself.
        """
        self.dead.append(pid)
        if self.database.dialect == "postgresql":
            await self.release(pid)

    async def release(self, pid: int) -> None:
        """The leases of that process are over, but for rows on which it has its hands at this very moment."""
        owner = f"{socket.gethostname()}:{pid}"[:64]
        async with self.database.transaction() as tx:
            for table in (queue_tables.deliveries, queue_tables.inbox, runs_tables.runs):
                held = select(table.c.id).where(table.c.owner == owner).with_for_update(skip_locked=True)
                over = update(table).where(table.c.id.in_(held))
                await tx.execute(over.values(lease_until=table.c.lease_until - LEASE_SECONDS))

    # --- time ---

    async def jump(self, **ahead: float) -> None:
        """The time of promises moves on, whether anybody is up or not. The processes notice within a second."""
        await self.clock.refresh()
        await self.clock.jump(timedelta(**ahead))
        await asyncio.sleep(NOTICE_SECONDS)  # real processes have real time: all of them shall know it before they act

    async def quiet(self) -> None:
        """Until everybody is up, nothing waits to be done and nothing moves."""
        until = time.monotonic() + QUIET_SECONDS
        still_since, entries = time.monotonic(), -1
        while time.monotonic() - still_since < STILL_SECONDS:
            await asyncio.sleep(LOOK_SECONDS)
            waiting = await self.waiting()
            if waiting or entries != self._entries:
                still_since, entries = time.monotonic(), self._entries
            if time.monotonic() > until:
                raise AssertionError(f"Stuck: {waiting}\n{self.logs()}")

    async def waiting(self) -> list[str]:
        """What is not done yet, in words."""
        asleep = [f"{name} is down" for name, child in self.children.items() if not child.up.is_set()]
        one, two, three = queue_tables.deliveries, queue_tables.inbox, queue_tables.timers
        now = self.clock.now()
        async with self.database.reading() as tx:
            sent = select(one.c.kind, one.c.state, one.c.error).where(one.c.state.not_in(["sent", "dropped"]))
            open_ones = [f"delivery {row.kind} is {row.state}: {row.error}" for row in await tx.execute(sent)]
            held = select(two.c.kind, two.c.state).where(two.c.state != "done")
            inbox = [f"{row.kind} in the inbox is {row.state}" for row in await tx.execute(held)]
            late = or_(three.c.due_at <= now, three.c.state != "pending")
            due = select(three.c.kind, three.c.state).where(late, three.c.state.not_in(["done", "cancelled", "fired"]))
            timers = [f"timer {row.kind} is {row.state}" for row in await tx.execute(due)]
        return [*asleep, *open_ones, *inbox, *timers]

    # --- people ---

    async def does(self, what: str, **wish: Any) -> dict[str, Any]:
        async with self._control.post(f"{self.simulator.url}/_sim/{what}", json=wish) as response:
            answer: dict[str, Any] = await response.json()
        return answer

    async def insists(self, what: str, *, unless: Callable[[], Awaitable[Any]] | None = None, **wish: Any) -> Any:
        """Do it again as long as no answer comes; `unless` looks, before that, whether it has happened anyway."""
        while True:
            await self.is_up()
            answer = await self.does(what, **wish)
            if answer["ok"] and "still connecting" not in str(answer.get("response")):
                return answer
            assert answer["ok"] or answer["error"] in LOST, answer
            self.repeated += 1
            await self.quiet()
            if unless and (found := await unless()):
                return found

    async def types(self, user: str, text: str, channel: str) -> None:
        await self.insists("command", user=user, channel=channel, text=text)

    async def fills(self, user: str, text: str, channel: str, values: Mapping[str, str]) -> None:
        """Open a form by command and send it; a form that is still there after a crash is sent again."""

        async def is_open() -> list[Any]:
            return list((await self.state(user))["views"])

        while not await is_open():
            await self.insists("command", unless=is_open, user=user, channel=channel, text=text)
        view = (await is_open())[-1]
        await self.insists("submit", user=user, view_id=view["id"], values=dict(values))

    async def state(self, user: str = "") -> dict[str, Any]:
        where = f"{self.simulator.url}/_sim/state"
        async with self._control.get(where, params={"as": user} if user else {}) as response:
            found: dict[str, Any] = await response.json()
        return found

    async def messages(self, channel: str) -> list[dict[str, Any]]:
        async with self._control.get(f"{self.simulator.url}/_sim/channels/{channel}/messages") as response:
            found: list[dict[str, Any]] = (await response.json())["messages"]
        return found

    async def room(self) -> str:
        found = [one["name"] for one in (await self.state())["channels"] if one.get("name", "").startswith("inc-")]
        assert len(found) == 1, found
        return str(found[0])

    # --- what is there in the end ---

    async def picture(self) -> Counter[str]:
        """Everything people see, line by line and modulo times: channels, messages, cards, files."""
        state = await self.state()
        lines: list[str] = []
        for channel in state["channels"]:
            name = channel.get("name") or channel["id"]
            members, links = sorted(channel["members"]), sorted(one["title"] for one in channel["bookmarks"])
            pins = [kind_of(one) for one in state["messages"][channel["id"]] if one["ts"] in channel["pins"]]
            lines.append(f"#{name}: {members} topic={timeless(channel['topic'])} bookmarks={links} pins={pins}")
            public = [one for one in state["messages"][channel["id"]] if not one.get("ephemeral")]
            lines += [f"#{name}: {await self._line(message)}" for message in public]
        return Counter(_by_name(line, state["channels"]) for line in lines)

    async def _line(self, message: Mapping[str, Any]) -> str:
        files = [await self._file(one["id"]) for one in message.get("files", ())]
        place = "in a thread: " if message.get("thread_ts") not in (None, message["ts"]) else ""
        return timeless(f"{place}{kind_of(message)} by {message['user']}: {shown(dict(message))} {files or ''}")

    async def _file(self, identity: str) -> str:
        async with self._control.get(f"{self.simulator.url}/_sim/files/{identity}") as response:
            return await response.text()

    async def flaws(self) -> list[str]:
        """What must never be there, however often somebody was killed."""
        async with self.database.reading() as tx:
            broken = await audit.verify(tx)
            incidents = await tx.scalar(select(func.count()).select_from(incidents_tables.incidents))
        violations = [str(one["violation"]) for one in self.simulator.journal.since() if "violation" in one]
        many = [f"{incidents} incidents"] if incidents != 1 else []
        return [*await self.waiting(), *violations, *broken, *many]


def kind_of(message: Mapping[str, Any]) -> str:
    """A card, a message, or one of Slack's own lines."""
    first = (message.get("blocks") or [{}])[0].get("type")
    return str(message.get("subtype") or ("card" if first == "header" else "message"))


def _by_name(line: str, channels: Iterable[Mapping[str, Any]]) -> str:
    """Channels as people read them: their ids depend on what else the workspace has counted."""
    for channel in channels:
        line = line.replace(f"<#{channel['id']}>", f"#{channel.get('name')}")
    return line


_TIMES = (
    (re.compile(r"<!date\^[^>]*>"), "<time>"),
    (re.compile(r"\d{4}-\d\d-\d\d"), "<day>"),
    (re.compile(r"\b\d{1,2}:\d\d(:\d\d)?( UTC)?"), "<time>"),
    (re.compile(r"\b\d+ (d|h|min|s)\b( \d+ (h|min|s)\b)*"), "<while>"),
    (re.compile(r"less than a minute|under a minute"), "<while>"),
    (re.compile(r"/archives/\w+/p\d+"), "/archives/…"),
)


def timeless(text: str) -> str:
    """Moments and durations as placeholders: a trip with a crash in it takes longer."""
    for pattern, placeholder in _TIMES:
        text = pattern.sub(placeholder, text)
    return text


def difference(seen: Counter[str], expected: Counter[str]) -> list[str]:
    """What is there too often, and what is missing."""
    return [f"too much: {one}" for one in (seen - expected).elements()] + [
        f"missing: {one}" for one in (expected - seen).elements()
    ]


# --- a house of its own --------------------------------------------------------------------------------------------


@asynccontextmanager
async def housed(
    url: str,
    transport: Transport = "socket",
    *,
    workers: Sequence[str] = ("worker",),
    settings: Mapping[str, str] | None = None,
) -> AsyncIterator[House]:
    """`tocsin serve` on the database of that URL, and on PostgreSQL `tocsin worker` besides."""
    simulator = Simulator(
        _manifest(transport), latency_seconds=LATENCY_SECONDS, delivery=transport, ack_seconds=ACK_SECONDS
    )
    async with AsyncExitStack() as stack:
        await simulator.start()
        stack.push_async_callback(simulator.stop)
        control = await stack.enter_async_context(aiohttp.ClientSession())
        database = await open_database(url)
        stack.push_async_callback(database.close)
        house = House(simulator, database, control)
        await house.clock.start()
        port = free_port() if transport == "http" else 0
        simulator.door.request_url_base = f"http://127.0.0.1:{port}"
        environment = _environment(simulator, url, transport, port) | dict(settings or {})
        house.environment = environment
        names = ["serve", *workers] if database.dialect == "postgresql" else ["serve"]
        house.children.update({name: Child(name, environment, house.bury) for name in names})
        for child in house.children.values():
            stack.push_async_callback(end, asyncio.create_task(child.keep()))
        await house.is_up()
        await house.quiet()
        yield house


def _manifest(transport: Transport) -> dict[str, Any]:
    return manifest.for_http("https://bot.invalid") if transport == "http" else manifest.for_socket_mode()


def _environment(simulator: Simulator, url: str, transport: Transport, port: int) -> dict[str, str]:
    door = (
        {"SLACK_SIGNING_SECRET": simulator.signing_secret}
        if transport == "http"
        else {"SLACK_APP_TOKEN": simulator.app_token}
    )
    mine = {
        "TOCSIN_DATABASE_URL": url,
        "SLACK_BOT_TOKEN": simulator.bot_token,
        "SLACK_API_URL": simulator.api_url,
        "TOCSIN_HTTP_PORT": str(port),
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TOCSIN_", "SLACK_"))}
    return {**kept, **mine, **door}


async def end(task: asyncio.Task[None]) -> None:
    """Cancel it, and wait for that. What it raised is not heard."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


# --- a trip with kills in it ---------------------------------------------------------------------------------------

# Entries of the journal in each act when nobody is killed; where one comes never, the kill comes after the act.
ENTRIES = {"declare": 16, "update": 7, "overdue": 4, "resolve": 14, "confirm": 9}
RECOVERY_ENTRIES = 10  # of a process that starts again, before it has done what it found
ACTS = tuple(ENTRIES)


@dataclass(frozen=True)
class Trip:
    """One incident from declare to close. `kills`: for each act the moments, each counted from the last restart."""

    name: str
    kills: Mapping[str, tuple[Moment, ...]] = field(default_factory=dict)
    forms: bool = False  # people fill in forms, instead of typing all of it
    transport: Transport = "socket"


@dataclass(frozen=True)
class Outcome:
    """What a trip came to."""

    trip: Trip
    picture: Counter[str]
    flaws: list[str]
    kills: int
    repeated: int


def undisturbed(forms: bool) -> Trip:
    """What the others are compared with."""
    return Trip(f"nobody is killed, {'filled in' if forms else 'typed'}", forms=forms)


def seeded(seed: int, *, acts: Iterable[str] = ACTS, victims: Iterable[str] = ("serve",), again: float = 0.0) -> Trip:
    """A trip with a kill at a random moment of each act; with the chance `again` one more amid its recovery."""
    dice = random.Random(seed)  # noqa: S311  a seed makes it repeatable
    choices = list(victims)

    def moment(most: int) -> Moment:
        later = dice.choice((0.0, dice.uniform(0.0, 2 * LATENCY_SECONDS)))
        return Moment(dice.randint(1, most), later, dice.choice(choices))

    kills = {
        act: (moment(ENTRIES[act]), *([moment(RECOVERY_ENTRIES)] if dice.random() < again else [])) for act in acts
    }
    return Trip(f"seed {seed}", kills, forms=bool(seed % 2), transport="http" if seed // 2 % 2 else "socket")


async def travel(house: House, trip: Trip) -> Outcome:
    """Declare, update, let the bot update, resolve and confirm; killed in between, and looked at in the end."""
    people = _People(house, trip.forms)
    for act in ACTS:
        await _survive(house, getattr(people, act), trip.kills.get(act, ()))
    return Outcome(trip, await house.picture(), await house.flaws(), house.deaths, house.repeated)


async def _survive(house: House, act: Callable[[], Coroutine[Any, Any, None]], moments: Iterable[Moment]) -> None:
    doing = asyncio.create_task(act())
    try:
        for moment in moments:
            house.wire.arm(moment)
            await _until_dead(house, doing)
        await doing
    finally:
        await end(doing)
    await house.quiet()


async def _until_dead(house: House, doing: asyncio.Task[None]) -> None:
    """Until the wire has sprung and all are up again; where the act is over before, it springs amid the rest."""
    deaths = house.deaths
    resting: asyncio.Task[None] | None = None
    while house.deaths == deaths:
        await asyncio.sleep(LOOK_SECONDS / 4)
        if doing.done() and resting is None:
            resting = asyncio.create_task(house.quiet())
        if resting and resting.done():
            house.wire.spring()
    if resting:
        await end(resting)


async def told_together(
    new_database: NewDatabase, trips: Iterable[Trip], heard: Callable[[str], None] = lambda said: None
) -> list[Outcome]:
    """Several trips side by side, each in a house of its own: mostly they wait, for pacing and for look-ups."""
    concurrency = asyncio.Semaphore(AT_ONCE)

    async def told(trip: Trip) -> Outcome:
        async with concurrency, housed(new_database(), trip.transport) as house:
            outcome = await travel(house, trip)
        heard(f"{trip.name}: {outcome.kills} kills, {len(outcome.flaws)} flaws, {outcome.picture.total()} lines seen")
        return outcome

    return await asyncio.gather(*map(told, trips))


def check(outcomes: Iterable[Outcome]) -> None:
    """No trip has a flaw, and what people saw in the end is what they see when nobody is killed."""
    expected = {one.trip.forms: one.picture for one in outcomes if not one.trip.kills}
    found = {one.trip.name: [*one.flaws, *difference(one.picture, expected[one.trip.forms])] for one in outcomes}
    wrong = [f"{name}: {line}" for name, lines in found.items() for line in lines]
    assert not wrong, "\n".join(wrong)


class _People:
    """Who does what on the trip."""

    def __init__(self, house: House, forms: bool) -> None:
        self._house = house
        self._forms = forms

    async def declare(self) -> None:
        await self._house.types("Ada", "/incident declare P1 checkout is down", "general")

    async def update(self) -> None:
        room, text = await self._house.room(), "traffic is shifted away"
        if self._forms:
            await self._house.fills("Ada", "/incident update", room, {"text": text})
            return

        async def is_there() -> bool:
            return any(text in shown(one) for one in await self._house.messages(room))

        wish = {"user": "Ada", "channel": room, "text": f"/incident update {text}"}
        await self._house.insists("command", unless=is_there, **wish)

    async def overdue(self) -> None:
        """Nobody writes: the reminder, then the bot's own update."""
        await self._house.jump(minutes=26)
        await self._house.quiet()
        await self._house.jump(minutes=5)

    async def resolve(self) -> None:
        room = await self._house.room()
        await self._house.does("join", user="Ben", channel=room)
        if self._forms:
            form = {"fix": "rolled back 1.42", "impact": "nobody could pay", "watch": "30m"}
            await self._house.fills("Ben", "/incident resolve", room, form)
        else:
            await self._house.types("Ben", "/incident resolve rolled back 1.42", room)

    async def confirm(self) -> None:
        """The watch is over, the question is asked, and answered by a click."""
        room = await self._house.room()
        await self._house.jump(minutes=31)
        await self._house.quiet()
        click = {"user": "Ada", "channel": room, "action_id": "incident.confirm"}

        async def questions() -> list[str]:
            found = [one for one in await self._house.messages(room) if kind_of(one) == "message"]
            return [one["ts"] for one in found if "incident.confirm" in str(one.get("blocks"))]

        async def is_gone() -> bool:
            return not await questions()

        await self._house.insists("click", unless=is_gone, ts=(await questions())[0], **click)
