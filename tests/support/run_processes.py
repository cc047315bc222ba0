"""Runbooks in a real `tocsin serve` beside a simulated workspace: each of them is run once, in a channel of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from signal import SIGTERM
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.engine import Row

from bot.simulator.content import channels
from bot.simulator.workspace.state import Channel, Message
from bot.store.tables.queue import deliveries
from bot.store.tables.runs import run_steps, runs
from tests.support.crash import House, housed
from tests.support.runbooks import ORG, SERVICE, shop
from tests.support.story import buttons, shown

PEOPLE = ("U0ADA", "U0BEN", "U0CLEO")
PATIENCE_SECONDS = 60.0  # of a machine that does much else
LOOK_SECONDS = 0.05
EDIT = "run.edit"

T = TypeVar("T")


async def eventually(look: Callable[[], Awaitable[T | None]], what: str) -> T:
    """What `look` finds in the end."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not (found := await look()):
        assert time.monotonic() < until, what
        await asyncio.sleep(LOOK_SECONDS)  # it happens in other processes
    return found


class Room:
    """A channel, and the one run that is asked for there."""

    def __init__(self, house: House, runbook: str) -> None:
        self.runbook = runbook
        self._house = house
        self._channel = _channel(house, runbook)

    # --- what people do ---

    async def ask(self) -> None:
        await self._house.types("Ada", f"/runbook run {self.runbook}", self._channel.id)

    async def click(self, user: str, action: str) -> None:
        """This button, as soon as it is there."""
        message = await self.message_with(action)
        wish: dict[str, Any] = {"user": user, "channel": self._channel.id, "ts": message.ts, "action_id": action}
        await self._house.insists("click", **wish)

    # --- what they see ---

    async def message_with(self, action: str) -> Message:
        async def look() -> Message | None:
            found = (one for one in self.by_the_bot() if action in buttons({"blocks": one.blocks}))
            return next(found, None)

        return await eventually(look, f"{self.runbook}: nobody is asked {action}: {self.said()}")

    def asks(self, action: str) -> bool:
        return any(action in buttons({"blocks": one.blocks}) for one in self.by_the_bot())

    def by_the_bot(self) -> list[Message]:
        return [one for one in self._channel.messages.values() if one.by_app and not one.ephemeral_to]

    def said(self) -> list[str]:
        return [words(one) for one in self.by_the_bot()]

    def files(self) -> list[str]:
        """What is in the files of its thread."""
        known = self._house.simulator.workspace.files
        kept = [known[name].content for one in self._channel.messages.values() for name in one.files]
        return [content.decode() for content in kept if content is not None]

    def edits(self) -> list[dict[str, Any]]:
        """Every call that edited its live message: when, and to what."""
        live = next(one.ts for one in self.by_the_bot() if not one.is_reply)
        calls = [one for one in self._house.simulator.journal.since() if one.get("method") == "chat.update"]
        return [one for one in calls if one["args"].get("channel") == self._channel.id and one["args"]["ts"] == live]

    # --- what the database says ---

    async def run(self) -> Row[Any]:
        """The run, as soon as it is there."""
        statement = select(*runs.c).where(runs.c.channel == self._channel.id)

        async def look() -> Row[Any] | None:
            return next(iter(await rows(self._house, statement)), None)

        return await eventually(look, f"{self.runbook} was not heard")

    async def step(self, step: str) -> Row[Any] | None:
        """The newest attempt at it, if it was begun."""
        mine = (run_steps.c.run == (await self.run()).id, run_steps.c.step == step)
        found = await rows(self._house, select(*run_steps.c).where(*mine).order_by(run_steps.c.attempt.desc()))
        return found[0] if found else None

    async def begun(self, step: str) -> Row[Any]:
        """The newest attempt at a step that was begun."""
        made = await self.step(step)
        assert made is not None, f"step {step} of {self.runbook} was not begun"
        return made

    async def until(self, status: str) -> Row[Any]:
        async def look() -> Row[Any] | None:
            row = await self.run()
            return row if row.status == status else None

        return await self._until(look, status)

    async def under_way(self, holds: Callable[[], bool]) -> None:
        """A step of it has reached its counterpart."""

        async def look() -> bool:
            return holds()

        await self._until(look, "under way")

    async def _until(self, look: Callable[[], Awaitable[T | None]], what: str) -> T:
        try:
            return await eventually(look, what)
        except AssertionError:
            row = await self.run()
            sentence = f"{self.runbook} is {row.status} and not {what}: {row.sentence} {self.said()}"
            raise AssertionError(f"{sentence}\n{self._house.logs()}") from None


def words(message: Message) -> str:
    return shown({"blocks": message.blocks, "text": message.text})


def _channel(house: House, runbook: str) -> Channel:
    made = channels.create(house.simulator.workspace, f"room-{runbook.replace('_', '-')}", False, PEOPLE[0])
    made.members.update(dict.fromkeys(PEOPLE))
    return made


async def rows(house: House, statement: Any) -> list[Row[Any]]:
    async with house.database.reading() as tx:
        return list(await tx.execute(statement))


class Shop:
    """The house, and a room for each runbook."""

    def __init__(self, house: House, runbooks: Iterable[str]) -> None:
        self.house = house
        self.rooms = {name: Room(house, name) for name in runbooks}
        self._child = house.children["serve"]

    def __getitem__(self, runbook: str) -> Room:
        return self.rooms[runbook]

    def those(self, runbooks: Iterable[str]) -> list[Room]:
        return [self.rooms[name] for name in runbooks]

    async def kill(self) -> None:
        await self.house.down()

    def kill_at(self, method: str, text: str) -> None:
        """SIGKILL at the first such call with this text: it has arrived, and the answer is lost."""
        deaths = self._child.deaths

        def feel(entry: dict[str, Any]) -> None:
            is_it = entry.get("method") == method and entry["args"].get("text") == text
            if is_it and self._child.deaths == deaths:
                self._child.allowed.clear()
                self._child.kill()

        self.house.simulator.journal.watch(feel)

    async def killed(self) -> None:
        """It is dead, by what was laid for it."""

        async def look() -> bool:
            return not self._child.allowed.is_set() and self._child.is_gone.is_set()

        await eventually(look, "nothing killed it")

    def posted(self, channel: str) -> list[str]:
        """The texts of what the bot posted there."""
        workspace = self.house.simulator.workspace
        messages = workspace.channels[workspace.channel_names[channel]].messages.values()
        return [one.text for one in messages if one.by_app]

    async def terminate(self, meanwhile: Callable[[], Awaitable[None]]) -> int | None:
        """SIGTERM; what is to happen as soon as it was heard; the exit code."""
        self._child.allowed.clear()
        process = self._child._process
        assert process is not None
        self._child.send(SIGTERM)
        await eventually(self._is_stopping, "it does not hear SIGTERM")
        await meanwhile()
        await self._child.is_gone.wait()
        return process.returncode

    async def _is_stopping(self) -> bool:
        return any('"tocsin.stopping"' in line for line in self._child.log)

    async def told(self) -> None:
        """Everything is posted and known to be, but for edits, of which only so many a minute are made."""
        waits = select(deliveries.c.kind).where(
            deliveries.c.state.not_in(["sent", "dropped"]), deliveries.c.kind != EDIT
        )

        async def look() -> bool:
            return not await rows(self.house, waits)

        await eventually(look, "not everything is posted")

    async def start(self) -> None:
        self.house.back()
        await self.house.is_up()


@asynccontextmanager
async def opened(
    url: str,
    folder: Path,
    runbooks: Mapping[str, str],
    *,
    connections: str = "",
    service: str = SERVICE,
    settings: Mapping[str, str] | None = None,
) -> AsyncIterator[Shop]:
    """`tocsin serve` on the database of that URL, with these runbooks, whose programs may run."""
    catalogue = shop(folder, org=f"{ORG}\n{connections}", service=service, **runbooks)
    known = {"TOCSIN_CATALOG": str(catalogue), "TOCSIN_ALLOW_SHELL": str(catalogue), **(settings or {})}
    async with housed(url, workers=(), settings=known) as house:
        yield Shop(house, runbooks)
        violations = [str(one) for one in house.simulator.journal.since() if "violation" in one]
        assert violations == []
