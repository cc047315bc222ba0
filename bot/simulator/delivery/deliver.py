"""Brings what happened to the app: one queue of payloads, over Socket Mode or signed HTTP, with Slack's retries."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from bot.simulator.delivery.faults import Faults
from bot.simulator.workspace.clock import wait_until
from bot.simulator.workspace.state import Json, Workspace

ACK_SECONDS = 3.0
RETRY_AFTER_SECONDS = (0.0, 60.0, 300.0)
Sort = Literal["events_api", "slash_commands", "interactive"]


@dataclass(frozen=True)
class Delivery:
    """One payload on its way. `key` is what the app may recognise it by: event_id or trigger_id."""

    sort: Sort
    payload: Json
    key: str
    attempt: int = 0
    reason: str = ""


@dataclass(frozen=True)
class Ack:
    payload: Any
    milliseconds: float


class Undelivered(Exception):
    """The app did not acknowledge; `reason` is Slack's word for why."""

    def __init__(self, reason: str, retry: bool = True) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry = retry


class Transport(Protocol):
    name: str

    async def hand_over(self, delivery: Delivery) -> Ack: ...

    async def wait_for_route(self) -> bool:
        """True once a delivery has a route; False at once if this transport cannot know."""


class Deliverer:
    def __init__(self, workspace: Workspace, faults: Faults, transports: dict[str, Transport]) -> None:
        self.mode = "socket"
        self._workspace = workspace
        self._faults = faults
        self._transports = transports
        self._tasks: set[asyncio.Task[Any]] = set()

    def send_event(self, payload: Json) -> None:
        delivery = Delivery("events_api", payload, payload["event_id"])
        copies = 2 if self._faults.take_delivery("duplicate_delivery") else 1
        for _ in range(copies):
            self._spawn(self._deliver_event(delivery))

    async def ask(self, sort: Sort, payload: Json, key: str) -> Ack:
        """Slack retries neither commands nor interactions."""
        delivery = Delivery(sort, payload, key)
        if self._faults.take_delivery("duplicate_delivery"):
            self._spawn(self._quietly(delivery))
        return await self._attempt(delivery)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def quiet(self) -> None:
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _quietly(self, delivery: Delivery) -> None:
        with suppress(Undelivered):  # the person waits for the other copy
            await self._attempt(delivery)

    async def _deliver_event(self, delivery: Delivery) -> None:
        for attempt, wait in enumerate((*RETRY_AFTER_SECONDS, None)):
            try:
                await self._attempt(Delivery("events_api", delivery.payload, delivery.key, attempt, delivery.reason))
            except Undelivered as problem:
                if wait is None or not problem.retry:
                    self._workspace.record("given_up", sort="events_api", id=delivery.key, reason=problem.reason)
                    return
                delivery = Delivery("events_api", delivery.payload, delivery.key, attempt, problem.reason)
                await self._wait_before_retry(problem.reason, wait)
            else:
                return

    async def _wait_before_retry(self, reason: str, wait_seconds: float) -> None:
        # An event without a route waits for the next one: a process that comes back hears at once what it missed.
        if reason.startswith("connection") and await self._transports[self.mode].wait_for_route():
            return
        await wait_until(self._workspace.clock, self._workspace.clock.wall() + wait_seconds)

    async def _attempt(self, delivery: Delivery) -> Ack:
        transport = self._transports[self.mode]
        self._note_delivery(delivery, transport.name)
        try:
            if self._faults.take_delivery("drop_delivery"):
                raise Undelivered("http_timeout")
            ack = await transport.hand_over(delivery)
        except Undelivered as problem:
            self._note_failure(delivery, problem)
            raise
        self._workspace.record(
            "ack", id=delivery.key, sort=delivery.sort, ms=round(ack.milliseconds, 2), payload=ack.payload
        )
        return ack

    def _note_delivery(self, delivery: Delivery, transport: str) -> None:
        payload = delivery.payload
        kind = payload.get("command") or payload.get("event", {}).get("type") or payload.get("type")
        self._workspace.record(
            "delivery", sort=delivery.sort, kind=kind, id=delivery.key, transport=transport, attempt=delivery.attempt
        )

    def _note_failure(self, delivery: Delivery, problem: Undelivered) -> None:
        details = {"sort": delivery.sort, "id": delivery.key, "reason": problem.reason}
        self._workspace.record("undelivered", **details)
        if problem.reason == "http_timeout":
            self._workspace.violation("not acknowledged within three seconds", **details)
