"""Runs in a storm: people ask, approve, cancel and answer in the simulated workspace while processes die under them.

What has an effect counts it in a process of its own, which nobody kills. In the end the books, the target and what
people see must agree.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import sys
import time
from asyncio.subprocess import PIPE
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from signal import SIGCONT, SIGSTOP
from typing import Any

import aiohttp
from sqlalchemy import select
from sqlalchemy.engine import Row

from bot.domain.runs.run import OVER, StepState, number as run_number
from bot.simulator.content import channels
from bot.simulator.workspace.state import Channel, Message
from bot.store.tables.audit import audit_log
from bot.store.tables.queue import deliveries
from bot.store.tables.runs import approval_requests, approvals, run_steps, runs, slots
from tests.support.backends import free_port
from tests.support.crash import LOST, House, NewDatabase, end, housed
from tests.support.once_target import Counts, OnceTarget, once_target
from tests.support.runbooks import shop
from tests.support.story import buttons, shown

SEED = "TOCSIN_CHAOS_SEED"  # set it to repeat a run of the chaos suite
PEOPLE = {"U0ADA": "Ada", "U0BEN": "Ben", "U0CLEO": "Cleo"}
GONE = {"message_not_found", "no_such_element"}  # somebody was quicker
WORKERS = ("worker-1", "worker-2")
UNDER_WAY = 40  # runs that people have going at once
END_SECONDS = 150.0  # after the last blow, for everything to be over on a busy machine
LOOK_SECONDS = 0.1
AGAIN_SECONDS = 2.5  # a person who sees no change clicks again
PATIENCE_SECONDS = 6.0  # of a person whose command showed nothing
MOMENT_SECONDS = 2.0  # a blow waits no longer for its moment
LEFT_OPEN, CANCELLED, TRIES_ALONE = 0.04, 0.08, 0.15  # how often people do these
OVER_REST = 0.12  # of the wishes: these all meet in one channel
POSTS = ("run.post", "run.approval", "run.question")
ENDS = tuple(f"run.{status.value}" for status in OVER)

# `{url}` becomes the target's address.
_DO = 'headers: {X-Run: "{{ run.id }}", X-Step: %s, X-Seconds: "{{ params.seconds }}"}'
_HEAD = """
title: {title}
service: shop
parameters:
  - {{name: note, required: true}}
  - {{name: first, enum: [ok, slow, cut, error], default: ok}}
  - {{name: second, enum: [ok, slow, cut, error], default: ok}}
  - {{name: seconds, type: number, default: 0.3, min: 0, max: 3}}
"""
_GUARDED = "policy: {approval: {who: [team:sre], quorum: 1, expires: 4h}}\n"
_LOOK = f"""
  - id: look
    http: {{method: POST, url: "{{url}}/do/ok", {_DO % "look"}}}
    effect: read
"""
RESTART = f"""
{_HEAD.format(title="Restart in two steps")}
{_GUARDED}
steps:
{_LOOK}
  - id: first
    http: {{method: POST, url: "{{url}}/do/{{{{ params.first }}}}", {_DO % "first"}}}
    effect: once
    retries: {{max: 2, backoff: 1s}}
    on_failure: continue
  - id: pause
    wait: {{for: 1s}}
  - id: second
    http: {{method: POST, url: "{{url}}/do/{{{{ params.second }}}}", {_DO % "second"}}}
    effect: once
    retries: {{max: 2, backoff: 1s}}
"""
TURN = f"""
{_HEAD.format(title="One host at a time")}
  - {{name: host, enum: [h1, h2, h3, h4, h5, h6, h7, h8], default: h1}}
concurrency: {{key: "turn-{{{{ params.host }}}}", limit: 1}}
{_GUARDED}
steps:
  - id: first
    http: {{method: POST, url: "{{url}}/do/{{{{ params.first }}}}", {_DO % "first"}}}
    effect: once
{_LOOK}
"""
LATE = f"""
{_HEAD.format(title="What was found")}
{_GUARDED}
steps:
{_LOOK}
    save: {{found: json.done}}
  - id: first
    http:
      method: POST
      url: "{{url}}/do/{{{{ params.first }}}}"
      headers: {{X-Run: "{{{{ run.id }}}}", X-Step: first, X-Found: "{{{{ steps.look.found }}}}", X-Seconds: "0.5"}}
    effect: once
"""
LOOKING = f"""
{_HEAD.format(title="Only looking")}
policy: {{approval: none}}
steps:
{_LOOK}
  - id: pause
    wait: {{for: 1s}}
  - id: again
    http: {{method: POST, url: "{{url}}/do/slow", {_DO % "again"}}}
    effect: read
"""
RUNBOOKS = {"restart": RESTART, "turn": TURN, "late": LATE, "looking": LOOKING}
WEIGHTS = {"restart": 5, "turn": 3, "late": 2, "looking": 2}
ONCE_STEPS = ("first", "second")


# --- the weather ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Wish:
    """A run that somebody will ask for. Its note is found again in the run's parameters."""

    person: str
    room: int | None  # None: a program asks over REST, with the note as its key
    note: str
    runbook: str
    given: Mapping[str, str | float]

    def __str__(self) -> str:
        return " ".join(["/runbook run", self.runbook, *(f"{name}={value}" for name, value in self.given.items())])


@dataclass(frozen=True)
class Blow:
    """A process is killed, or stopped for a while: after a pause, at the next moment of that kind, a little later."""

    victim: str
    pause_seconds: float
    moment: str  # effect: the target has counted one more | entry: so many calls and clicks later | now
    entries: int
    later_seconds: float
    stopped_seconds: float | None = None  # None: SIGKILL at once
    is_killed_after: bool = False  # while it is stopped


@dataclass(frozen=True)
class Storm:
    """Everything that the seed decides. What the processes make of it is theirs."""

    seed: int
    wishes: list[Wish]
    blows: list[Blow]
    rooms: int

    def dice(self, *about: object) -> random.Random:
        """The same throws for the same thing, whenever it comes."""
        return random.Random(f"{self.seed}:{about}")  # noqa: S311  a seed makes it repeatable

    def allowed(self, struck: int) -> int:
        """How many runs may have been asked for after so many blows: each blow falls amid runs."""
        return len(self.wishes) * (struck + 1) // (len(self.blows) + 1)


def brewed(seed: int, *, wishes: int, kills: int, stops: int, victims: Sequence[str], rooms: int) -> Storm:
    """A storm for that seed. Of the stops every fourth ends in a kill, which counts as one more."""
    dice = random.Random(int(os.environ.get(SEED, seed)))  # noqa: S311
    is_stop = [False] * kills + [True] * stops
    dice.shuffle(is_stop)
    blows = [_blow(dice, victims, stop) for stop in is_stop]
    made = [_wish(dice, number, rooms) for number in range(wishes)]
    return Storm(int(os.environ.get(SEED, seed)), made, blows, rooms)


def _blow(dice: random.Random, victims: Sequence[str], stop: bool) -> Blow:
    return Blow(
        victim=dice.choice(victims),
        pause_seconds=dice.uniform(0.1, 1.0),
        moment=dice.choice(("effect", "effect", "entry", "now")),
        entries=dice.randint(1, 30),
        later_seconds=dice.choice((0.0, dice.uniform(0.0, 0.05), dice.uniform(0.0, 0.4))),
        stopped_seconds=dice.uniform(0.8, 2.5) if stop else None,
        is_killed_after=stop and dice.random() < 0.25,
    )


def _wish(dice: random.Random, number: int, rooms: int) -> Wish:
    runbook = dice.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
    manners = dice.choices(("ok", "slow", "cut", "error"), (3, 4, 2, 1), k=2)
    note = f"w{number}"
    given: dict[str, str | float] = {"note": note, "first": manners[0], "second": manners[1]}
    given["seconds"] = round(dice.uniform(0.1, 1.5), 2)
    if runbook == "turn":
        given["host"] = f"h{dice.randint(1, 8)}"
    room = None if dice.random() < OVER_REST else dice.randrange(rooms)
    return Wish(dice.choice(list(PEOPLE)), room, note, runbook, given)


# --- the place ------------------------------------------------------------------------------------------------------


@dataclass
class Program:
    """Asks for runs over REST, in Ada's name."""

    url: str
    token: str
    session: aiohttp.ClientSession

    async def asks(self, wish: Wish) -> bool:
        """Whether it heard that there is a run. Until then it asks again, with the same key."""
        headers = {"Authorization": f"Bearer {self.token}", "Idempotency-Key": wish.note}
        body = {"parameters": dict(wish.given)}
        try:
            async with self.session.post(f"{self.url}/{wish.runbook}/execute", json=body, headers=headers) as response:
                assert response.status == 202 or response.status >= 500, await response.text()
                return response.status == 202
        except aiohttp.ClientConnectionError:
            return False


@dataclass
class Place:
    """A house in which runbooks have an effect on a target, and rooms full of people."""

    house: House
    target: OnceTarget
    rooms: list[Channel]
    program: Program

    async def rows(self, statement: Any) -> list[Row[Any]]:
        async with self.house.database.reading() as tx:
            return list(await tx.execute(statement))

    async def run(self, name: str) -> Row[Any]:
        return (await self.rows(select(*runs.c).where(runs.c.id == run_number(name))))[0]

    async def attempt(self, name: str, step: str) -> Row[Any]:
        """The newest attempt at this step."""
        mine = (run_steps.c.run == run_number(name), run_steps.c.step == step)
        return (await self.rows(select(*run_steps.c).where(*mine).order_by(run_steps.c.attempt.desc())))[0]

    def messages(self) -> Iterator[tuple[Channel, Message]]:
        return ((room, one) for room in self.rooms for one in room.messages.values() if one.by_app)

    async def clicks(self, user: str, room: Channel, message: Message, action: str) -> bool:
        """Whether anybody has heard it."""
        wish = {"user": PEOPLE[user], "channel": room.id, "ts": message.ts, "action_id": action}
        answer = await self.house.does("click", **wish)
        assert answer["ok"] or answer["error"] in LOST | GONE, answer
        return bool(answer["ok"])


@asynccontextmanager
async def placed(url: str, folder: Path, *, rooms: int, workers: Sequence[str] = WORKERS) -> AsyncIterator[Place]:
    """`tocsin serve`, on PostgreSQL with workers beside it, a catalogue of runbooks, and the target."""
    async with once_target() as target:
        made = {name: text.replace("{url}", target.url) for name, text in RUNBOOKS.items()}
        port = free_port()
        settings = {"TOCSIN_CATALOG": str(shop(folder, **made)), "TOCSIN_HTTP_PORT": str(port)}
        async with housed(url, workers=workers, settings=settings) as house, aiohttp.ClientSession() as session:
            _, token = await tocsin(house, "token", "create", "storm", "--scope", "execute", "--owner", "U0ADA")
            program = Program(f"http://127.0.0.1:{port}/api/sre/runbooks", token.strip(), session)
            alerts = house.simulator.workspace.channels["C0OPSALERTS"]
            yield Place(house, target, [*(_room(house, number) for number in range(rooms)), alerts], program)


async def tocsin(house: House, *words: str) -> tuple[int | None, str]:
    """A command beside the running bot: its exit code, and what it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot.cli", *words, env=dict(house.environment), stdout=PIPE, stderr=PIPE
    )
    said, complaint = await process.communicate()
    return process.returncode, (said or complaint).decode()


def _room(house: House, number: int) -> Channel:
    workspace = house.simulator.workspace
    room = channels.create(workspace, f"room-{number}", False, "U0ADA")
    for person in PEOPLE:
        room.members[person] = None
    return room


async def until(holds: Callable[[], bool]) -> None:
    """Returns once it holds; looked at often."""
    while not holds():  # noqa: ASYNC110 - it happens in other processes
        await asyncio.sleep(0.01)


def is_open(message: Message, action: str) -> bool:
    return action in buttons({"blocks": message.blocks})


def value_of(message: Message, action: str) -> str:
    found = (one for block in message.blocks for one in block.get("elements", ()))
    return next(str(one["value"]) for one in found if one.get("action_id") == action)


# --- people ---------------------------------------------------------------------------------------------------------


class People:
    """They ask for runs, and answer whatever appears in the rooms."""

    def __init__(self, place: Place, storm: Storm) -> None:
        self.asks: Counter[str] = Counter()  # by the wish's note
        self.struck = 0
        self.left_open: set[str] = set()  # questions that nobody will answer, as `RUN-7` or `RUN-7:gate`
        self.answers: Counter[str] = Counter()
        self.odd: list[str] = []  # what they were told and should not have been
        self._place = place
        self._storm = storm
        self._seen = Counter[str]()
        self._tasks: set[asyncio.Task[None]] = set()
        self._asked = 0

    @property
    def asked(self) -> int:
        """Wishes that were spoken; whether they were heard is another matter."""
        return self._asked

    async def live(self) -> None:
        """Until cancelled. What one of them cannot do fails everybody at once."""
        self._begin(self._wish_all())
        try:
            while True:
                for room in self._place.rooms:
                    self._look_around(room)
                await asyncio.sleep(LOOK_SECONDS)
                for task in [one for one in self._tasks if one.done()]:
                    self._tasks.discard(task)
                    task.result()
        finally:
            await asyncio.gather(*map(end, self._tasks))

    def _begin(self, doing: Coroutine[Any, Any, None]) -> None:
        self._tasks.add(asyncio.create_task(doing))

    def _look_around(self, room: Channel) -> None:
        new = list(room.messages.values())[self._seen[room.id] :]
        self._seen[room.id] += len(new)
        for message in new:
            for action, answer in self._reactions().items():
                if message.by_app and is_open(message, action):
                    self._begin(answer(room, message))

    def _reactions(self) -> dict[str, Callable[[Channel, Message], Coroutine[Any, Any, None]]]:
        return {"run.cancel": self._perhaps_cancel, "approval.approve": self._decide, "step.happened": self._find_out}

    # --- asking ---

    async def _wish_all(self) -> None:
        for number, wish in enumerate(self._storm.wishes):
            await until(partial(self._may_be_asked, number))
            while await self._is_crowded():  # noqa: ASYNC110 - the database has no event for it
                await asyncio.sleep(LOOK_SECONDS)
            self._asked += 1
            self._begin(self._ask(wish))

    def _may_be_asked(self, number: int) -> bool:
        return number < self._storm.allowed(self.struck)

    async def _is_crowded(self) -> bool:
        if self._asked % 5:
            return False
        over = await self._place.rows(select(runs.c.id).where(runs.c.state == "over"))
        return self._asked - len(over) - len(self.left_open) > UNDER_WAY

    async def _ask(self, wish: Wish) -> None:
        """Again, as long as the run is not there. In Slack an answer that was lost can make it two."""
        up = self._place.house.children["serve"].up
        if wish.room is None:
            self.asks[wish.note] = 1  # however often it is asked
            while not await self._place.program.asks(wish):
                await asyncio.sleep(0.5)
                await up.wait()
            return
        while not await self._is_known(wish):
            await up.wait()
            self.asks[wish.note] += 1
            if await self._types(wish, self._place.rooms[wish.room].id):
                return
            await self._wait_for_it(wish)

    async def _types(self, wish: Wish, room: str) -> bool:
        """Whether the answer named the run."""
        answer = await self._place.house.does("command", user=PEOPLE[wish.person], channel=room, text=str(wish))
        said = str((answer.get("response") or {}).get("text", ""))
        assert answer["ok"] or answer["error"] in LOST, answer
        if said and "RUN-" not in said and "still connecting" not in said:
            self.odd.append(f"{wish}: {said}")
        return "RUN-" in said

    async def _wait_for_it(self, wish: Wish) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end and not await self._is_known(wish):  # noqa: ASYNC110 - nor for this
            await asyncio.sleep(1.0)

    async def _is_known(self, wish: Wish) -> bool:
        if not self.asks[wish.note]:
            return False
        found = await self._place.rows(select(runs.c.parameters).order_by(runs.c.id.desc()).limit(100))
        return any(row.parameters["note"] == wish.note for row in found)

    # --- cancelling ---

    async def _perhaps_cancel(self, room: Channel, message: Message) -> None:
        name = value_of(message, "run.cancel")
        dice = self._storm.dice("cancel", name)
        if dice.random() < CANCELLED:
            await asyncio.sleep(dice.uniform(0, 4))
            while is_open(message, "run.cancel") and not await self._is_over(name):
                if await self._place.clicks(dice.choice(list(PEOPLE)), room, message, "run.cancel"):
                    self.answers["cancel"] += 1
                await asyncio.sleep(AGAIN_SECONDS)

    async def _is_over(self, name: str) -> bool:
        row = await self._place.run(name)
        return row.state == "over" or bool(row.cancelled_by)

    # --- approving ---

    async def _decide(self, room: Channel, message: Message) -> None:
        """Somebody else approves; now and then the person who asked tries to, first."""
        value = value_of(message, "approval.approve")
        run = await self._place.run(value.partition(":")[0])
        dice = self._storm.dice("approve", value)
        if await self._leaves_open(dice, run, value):
            return
        await asyncio.sleep(dice.uniform(0, 1.0))
        if dice.random() < TRIES_ALONE:
            await self._place.clicks(run.requested_by, room, message, "approval.approve")
        approver = dice.choice([one for one in PEOPLE if one != run.requested_by])
        while is_open(message, "approval.approve"):
            if await self._place.clicks(approver, room, message, "approval.approve"):
                self.answers["approve"] += 1
            await asyncio.sleep(AGAIN_SECONDS)

    async def _leaves_open(self, dice: random.Random, run: Row[Any], value: str) -> bool:
        """Never one that others wait behind."""
        if run.slot_key or dice.random() >= LEFT_OPEN:
            return False
        self.left_open.add(value)
        return True

    # --- finding out what happened ---

    async def _find_out(self, room: Channel, message: Message) -> None:
        """Look at the target, then say what is to be seen there; or give up."""
        value = value_of(message, "step.happened")
        name, _, step = value.partition(":")
        made = await self._place.attempt(name, step)
        dice = self._storm.dice("unknown", value, made.attempt)
        if await self._leaves_open(dice, await self._place.run(name), value):
            return
        await asyncio.sleep(dice.uniform(0.5, 2.0))
        while await self._is_unknown(name, step, made.attempt):
            verdict = await self._verdict(dice, name, step, made.attempt)
            if await self._place.clicks(dice.choice(list(PEOPLE)), room, message, f"step.{verdict}"):
                self.answers[verdict] += 1
            await asyncio.sleep(AGAIN_SECONDS)

    async def _is_unknown(self, name: str, step: str, attempt: int) -> bool:
        made, run = await self._place.attempt(name, step), await self._place.run(name)
        return run.status == "unknown" and (made.attempt, made.state) == (attempt, StepState.UNKNOWN.value)

    async def _verdict(self, dice: random.Random, name: str, step: str, attempt: int) -> str:
        if dice.random() < 0.15:
            return "stop"
        seen = (await self._place.target.counts()).get((name, step), Counter())
        return "happened" if any(attempt_of(key) == attempt for key in seen) else "redo"


def attempt_of(key: str) -> int:
    """The idempotency key ends with the attempt."""
    return int(key.rpartition("-")[2])


# --- the storm itself -----------------------------------------------------------------------------------------------


class Weather:
    """Strikes one blow after the other, and puts forward the leases of the dead and the stopped."""

    def __init__(self, place: Place, storm: Storm, people: People) -> None:
        self.kills = self.stops = 0
        self._place = place
        self._storm = storm
        self._people = people
        self._entries = 0
        place.house.simulator.journal.watch(self._feel)

    def _feel(self, entry: Mapping[str, Any]) -> None:
        self._entries += 1

    async def rage(self) -> None:
        for number, blow in enumerate(self._storm.blows):
            await until(partial(self._is_busy, number))
            await self._place.house.is_up()
            await asyncio.sleep(blow.pause_seconds)
            with suppress(TimeoutError):
                async with asyncio.timeout(MOMENT_SECONDS):
                    await self._moment(blow)
            await asyncio.sleep(blow.later_seconds)
            await self._strike(blow)
            self._people.struck = number + 1

    def _is_busy(self, number: int) -> bool:
        return self._people.asked >= self._storm.allowed(number - 1)

    async def _moment(self, blow: Blow) -> None:
        if blow.moment == "effect":
            before = await self._place.target.until(0)
            await self._place.target.until(before + 1)
        if blow.moment == "entry":
            last = self._entries + blow.entries
            await until(lambda: self._entries >= last)

    async def _strike(self, blow: Blow) -> None:
        child = self._place.house.children[blow.victim]
        deaths = child.deaths
        if blow.stopped_seconds is not None:
            await self._stop(blow)
        if blow.stopped_seconds is None or blow.is_killed_after:
            child.kill()
            self.kills += 1
            await until(lambda: child.deaths > deaths)

    async def _stop(self, blow: Blow) -> None:
        """Stopped for longer than its leases last, as the others see it."""
        house = self._place.house
        child = house.children[blow.victim]
        self.stops += 1
        child.send(SIGSTOP)
        end = time.monotonic() + (blow.stopped_seconds or 0)
        while time.monotonic() < end:
            await asyncio.sleep(0.2)
            if child.pid and house.database.dialect == "postgresql":
                await house.release(child.pid)
        if not blow.is_killed_after:
            child.send(SIGCONT)

    async def sweep(self) -> None:
        """Until cancelled: what a dead process had sent off may be committed a moment after its funeral."""
        house = self._place.house
        while house.database.dialect == "postgresql":
            for pid in house.dead[-4:]:
                await house.release(pid)
            await asyncio.sleep(1.0)


# --- the judgement --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Books:
    """What the database says in the end."""

    runs: list[Row[Any]]
    steps: list[Row[Any]]
    gates: list[Row[Any]]
    votes: list[Row[Any]]
    audit: list[Row[Any]]
    slots: list[Row[Any]]
    posts: list[Row[Any]]

    def redos(self) -> Counter[tuple[str, str]]:
        found = ((row.subject, json_of(row.detail)["step"]) for row in self.audit if row.action == "step.redo")
        return Counter(found)

    def attempts(self, name: str, step: str) -> dict[int, Row[Any]]:
        mine = (one for one in self.steps if (one.run, one.step) == (run_number(name), step))
        return {one.attempt: one for one in mine}


def json_of(value: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(value) if isinstance(value, str) else value
    return found


async def books_of(place: Place) -> Books:
    return Books(
        runs=await place.rows(select(*runs.c).order_by(runs.c.id)),
        steps=await place.rows(select(*run_steps.c)),
        gates=await place.rows(select(*approval_requests.c)),
        votes=await place.rows(select(*approvals.c)),
        audit=await place.rows(select(*audit_log.c).order_by(audit_log.c.id)),
        slots=await place.rows(select(*slots.c)),
        posts=await place.rows(select(*deliveries.c).where(deliveries.c.kind.in_(POSTS))),
    )


@dataclass
class Outcome:
    """What a storm came to: figures to print, and what must not be."""

    storm: Storm
    figures: dict[str, Any]
    flaws: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        said = ", ".join(f"{name} {value}" for name, value in self.figures.items())
        return f"seed {self.storm.seed}: {said}, {len(self.flaws)} flaws"


class Judge:
    """Compares books, target and rooms."""

    def __init__(self, place: Place, storm: Storm, people: People, books: Books, counts: Counts) -> None:
        self._place = place
        self._people = people
        self._storm = storm
        self.books = books
        self.once = {about: keys for about, keys in counts.items() if about[1] in ONCE_STEPS}
        self._names = {f"RUN-{row.id}": row for row in books.runs}
        self._posted = _by_run(place)
        self.late: list[str] = []  # redone, and then the stopped process did it after all

    def stuck(self) -> Iterator[str]:
        """Runs that are not over and ask nobody anything, and what people have not been told."""
        for row in self.books.runs:
            if row.state != "over" and not self._asks(row):
                yield f"RUN-{row.id} is {row.state}/{row.status} (epoch {row.epoch}, {row.owner}): {row.sentence}"
        for post in self.books.posts:
            if post.state not in ("sent", "dropped"):
                yield f"{post.kind} of {post.subject} is {post.state}: {post.error}"
        known = {row.parameters["note"] for row in self.books.runs}
        yield from (f"{wish} was not heard" for wish in self._storm.wishes if wish.note not in known)

    def _asks(self, row: Row[Any]) -> bool:
        """Whether one of the questions that people left open is in its thread, with its buttons."""
        action = {"awaiting_approval": "approval.approve", "unknown": "step.happened"}.get(row.status)
        mine = [one for one in self._posted.get(f"RUN-{row.id}", ()) if one.is_reply]
        return any(action and is_open(one, action) and value_of(one, action) in self._people.left_open for one in mine)

    def flaws(self) -> Iterator[str]:
        yield from self.stuck()
        yield from self._too_often()
        yield from self._without_intent()
        yield from self._unexplained()
        yield from self._people_see()
        yield from self._books_agree()
        yield from self._people.odd

    # --- effects ---

    def _too_often(self) -> Iterator[str]:
        redos = self.books.redos()
        for (name, step), keys in self.once.items():
            if keys.total() > 1 + redos[name, step] or max(keys.values()) > 1:
                yield f"{name} {step} was done {dict(keys)} with {redos[name, step]} redos: {self._story(name)}"

    def _without_intent(self) -> Iterator[str]:
        for (name, step), keys in self.once.items():
            known = self.books.attempts(name, step)
            yield from (f"{name} {step}: no intent for {key}" for key in keys if attempt_of(key) not in known)

    def _unexplained(self) -> Iterator[str]:
        """In a run that succeeded, what is said to be done was done once, and what was redone was not."""
        for name, row in self._names.items():
            for step in ONCE_STEPS:
                made = self.books.attempts(name, step)
                keys = {attempt_of(key): n for key, n in self.once.get((name, step), Counter()).items()}
                if not made:
                    continue
                last = max(made)
                if row.status == "succeeded" and made[last].state == "done" and keys.get(last) != 1:
                    yield f"{name} {step} says done, and the target counted {keys}: {self._story(name)}"
                self.late += [f"{name} {step} {attempt}" for attempt in keys if attempt < last]
        if self.late and self._place.house.database.dialect == "sqlite":
            yield f"Redone, though it had happened: {self.late}"

    def _story(self, name: str) -> str:
        rows = [row for row in self.books.audit if row.subject == name]
        return "; ".join(f"{row.at:%H:%M:%S.%f} {row.actor} {row.action} {json_of(row.detail)}" for row in rows)

    # --- what people see ---

    def _people_see(self) -> Iterator[str]:
        tokens = Counter(_token(one) for _, one in self._place.messages())
        yield from (f"posted {count} times: {token}" for token, count in tokens.items() if token and count > 1)
        for name in self._names:
            live = [one for one in self._posted.get(name, ()) if not one.is_reply]
            if len(live) != 1:
                yield f"{name} has {len(live)} live messages"
        journal = self._place.house.simulator.journal.since()
        yield from (str(one["violation"]) for one in journal if "violation" in one)

    # --- the books ---

    def _books_agree(self) -> Iterator[str]:
        asked = Counter(row.parameters["note"] for row in self.books.runs)
        yield from (f"{n} runs of {note}" for note, n in asked.items() if n > self._people.asks[note])
        ends = Counter(row.subject for row in self.books.audit if row.action in ENDS)
        yield from (
            f"{name} ended {ends[name]} times"
            for name, row in self._names.items()
            if ends[name] != (row.state == "over")
        )
        over = {row.id for row in self.books.runs if row.state == "over"}
        yield from (f"RUN-{row.run} is over and holds {row.key}" for row in self.books.slots if row.run in over)
        asker = {gate.id: self._names[f"RUN-{gate.run}"].requested_by for gate in self.books.gates}
        yield from (f"{one.person} approved their own" for one in self.books.votes if asker[one.request] == one.person)


def _by_run(place: Place) -> dict[str, list[Message]]:
    """Posts of the bot by the run they are about; replies by their thread."""
    found: dict[str, list[Message]] = {}
    threads: dict[tuple[str, str | None], str] = {}
    for room, message in place.messages():
        if not message.is_reply and (about := re.match(r"\*(RUN-\d+)\*", shown({"blocks": message.blocks}))):
            threads[room.id, message.ts] = about[1]
            found.setdefault(about[1], []).append(message)
    for room, message in place.messages():
        if message.is_reply and (name := threads.get((room.id, message.thread_ts))):
            found[name].append(message)
    return found


def _token(message: Message) -> str:
    return str(((message.metadata or {}).get("event_payload") or {}).get("id", ""))


async def judge(place: Place, storm: Storm, people: People) -> Judge:
    return Judge(place, storm, people, await books_of(place), await place.target.counts())


# --- a whole storm --------------------------------------------------------------------------------------------------


async def weathered(new_database: NewDatabase, folder: Path, storm: Storm) -> Outcome:
    """From the first wish until every run is over or asks somebody."""
    async with placed(new_database(), folder, rooms=storm.rooms) as place:
        began = time.monotonic()
        people = People(place, storm)
        weather = Weather(place, storm, people)
        living, sweeping = asyncio.create_task(people.live()), asyncio.create_task(weather.sweep())
        try:
            await _while_alive(living, weather.rage())
            await _while_alive(living, _until_over(place, storm, people))
        finally:
            await end(living)
            await end(sweeping)
        judged = await judge(place, storm, people)
        flaws = [*judged.flaws(), *await audit_trouble(place.house)]
        return Outcome(storm, _figures(judged, people, weather, time.monotonic() - began), flaws)


async def _while_alive(living: asyncio.Task[None], work: Coroutine[Any, Any, None]) -> None:
    """Do it. Raises what the people raised, if they break off before that."""
    doing = asyncio.create_task(work)
    try:
        await asyncio.wait({doing, living}, return_when=asyncio.FIRST_COMPLETED)
        await (doing if doing.done() else living)
    finally:
        await end(doing)


async def _until_over(place: Place, storm: Storm, people: People) -> None:
    """What is still stuck after that time is for the judge."""
    end = time.monotonic() + END_SECONDS
    while time.monotonic() < end:
        await asyncio.sleep(3 * LOOK_SECONDS)
        if people.asked == len(storm.wishes) and not list((await judge(place, storm, people)).stuck()):
            return


def _figures(judged: Judge, people: People, weather: Weather, seconds: float) -> dict[str, Any]:
    books = judged.books
    return {
        "runs": len(books.runs),
        "kills": weather.kills,
        "stops": weather.stops,
        "seconds": round(seconds),
        "effects": sum(keys.total() for keys in judged.once.values()),
        "over REST": sum(row.source == "api" for row in books.runs),
        "redone and then late": len(judged.late),
        "states": dict(Counter(row.status for row in books.runs)),
        "answers": dict(people.answers),
        "asked again": people.asks.total() - len(people.asks),
    }


async def audit_trouble(house: House) -> list[str]:
    """What `tocsin audit verify` has to say against it."""
    code, said = await tocsin(house, "audit", "verify")
    return [] if code == 0 else [f"tocsin audit verify: {said}"]


def check(outcome: Outcome, repeat: str) -> None:
    """No flaw; else the seed and how to repeat it."""
    again = f"{outcome}\nRepeat: {SEED}={outcome.storm.seed} {repeat}"
    assert not outcome.flaws, "\n".join([again, *outcome.flaws])
