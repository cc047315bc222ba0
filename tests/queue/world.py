"""The outside world in memory: a chat that keeps what it was told, refuses by script and can lose its answers."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from bot.deps import Config, CurrentCatalogue, Deps
from bot.domain.catalogue.catalogue import Catalogue
from bot.domain.errors import Undeliverable
from bot.domain.outgoing.delivery import Call, Delivery, Fate, Found, NewDelivery, Payload, Plan
from bot.ports import Clock, Database, Tx
from bot.queue import outbox
from bot.queue.handler import DeliveryHandler
from bot.store.wakeups.local import LocalWakeups


@dataclass(frozen=True)
class Post:
    method: str
    channel: str
    text: str
    token: str
    wall: float


@dataclass
class World:
    """A `Chat` and an `Alarm`. `refuse` scripts a method; `lose_answer` does the call and drops its answer."""

    clock: Clock
    posts: list[Post] = field(default_factory=list)
    alarms: list[str] = field(default_factory=list)
    calls: int = 0
    most_at_once: int = 0
    blocked: asyncio.Event | None = None  # while set and not fired, calls hang
    _at_once: int = 0
    _script: dict[str, deque[tuple[Exception, bool]]] = field(default_factory=lambda: defaultdict(deque))

    def refuse(self, method: str, *problems: Exception) -> None:
        self._script[method].extend((problem, False) for problem in problems)

    def lose_answer(self, method: str, times: int = 1) -> None:
        self._script[method].extend([(Undeliverable("connection reset", maybe_done=True), True)] * times)

    def texts(self, channel: str | None = None) -> list[str]:
        return [post.text for post in self.posts if channel in (None, post.channel)]

    async def call(self, method: str, arguments: dict[str, Any]) -> dict[str, Any]:
        self.calls += 1
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            if self.blocked is not None:
                await self.blocked.wait()
            return self._answer(method, arguments)
        finally:
            self._at_once -= 1

    def _answer(self, method: str, arguments: dict[str, Any]) -> dict[str, Any]:
        problem, does_it = self._script[method].popleft() if self._script[method] else (None, True)
        if does_it and method != "history":
            self.posts.append(self._post(method, arguments))
        if problem is not None:
            raise problem
        if method == "history":
            return {"messages": [post.token for post in self.posts]}
        return {"ok": True, "ts": str(len(self.posts))}

    def _post(self, method: str, arguments: dict[str, Any]) -> Post:
        return Post(method, arguments["channel"], arguments["text"], arguments["token"], self.clock.wall())

    async def upload(
        self, *, name: str, content: str, channel: str, thread: str | None, comment: str
    ) -> dict[str, Any]:
        raise NotImplementedError

    async def respond(self, response_url: str, payload: dict[str, Any]) -> None:
        raise NotImplementedError

    async def raise_alarm(self, sentence: str) -> None:
        self._refuse_alarm()
        self.alarms.append(sentence)

    def _refuse_alarm(self) -> None:
        if self._script["alarm"]:
            raise self._script["alarm"].popleft()[0]


class Silent:
    """`Words` for parts that say nothing."""

    def render(self, kind: str, *, service: str, severity: str, values: dict[str, Any]) -> str:
        return kind

    def render_postmortem(self, *, service: str, values: dict[str, Any]) -> str:
        return service

    def render_mail(self, kind: str, *, service: str, severity: str, values: dict[str, Any]) -> tuple[str, str]:
        return kind, kind


@dataclass(frozen=True)
class Said(Payload, kind="note", method="post"):
    text: str
    then: str = ""


@dataclass(frozen=True)
class SaidSlowly(Said, kind="note", method="slow"):
    """The same, by a method of its own."""


@dataclass
class Note(DeliveryHandler[Said]):
    """It posts `facts[subject]` (or the payload's text) and then enqueues what `then` says."""

    facts: dict[str, str] = field(default_factory=dict)
    plan: Callable[[Delivery[Said]], Plan | None] = lambda delivery: None
    fate: Callable[[Undeliverable], Fate] = lambda problem: None
    settled: list[int] = field(default_factory=list)
    troubles: list[Exception] = field(default_factory=list)  # what settle raises, one a time

    async def prepare(self, deps: Deps, tx: Tx, delivery: Delivery[Said]) -> Plan:
        planned = self.plan(delivery)
        text = self.facts.get(delivery.subject, delivery.payload.text)
        channel = delivery.rate_limit.removeprefix("post:") if delivery.rate_limit else "-"
        return planned or Call({"channel": channel, "text": text, "token": delivery.token})

    async def find_sent(self, deps: Deps, delivery: Delivery[Said], arguments: dict[str, Any]) -> Found | None:
        history = await deps.chat.call("history", {})
        return Found({"ts": "found"}) if delivery.token in history["messages"] else None

    async def on_sent(self, deps: Deps, tx: Tx, delivery: Delivery[Said], answer: dict[str, Any]) -> None:
        if self.troubles:
            raise self.troubles.pop(0)
        self.settled.append(delivery.id)
        if then := delivery.payload.then:
            await outbox.enqueue(deps, tx, note(then, subject=delivery.subject))

    async def on_refused(self, deps: Deps, tx: Tx, delivery: Delivery[Said], problem: Undeliverable) -> Fate:
        return self.fate(problem)


def note(text: str, *, subject: str = "INC-1", then: str = "", kind: type[Said] = Said, **more: Any) -> NewDelivery:
    """A delivery for `Note`."""
    return NewDelivery(kind(text, then), subject, **more)


@dataclass
class Outbox:
    """What the tests say: put this in, send what may go, look at the rows."""

    deps: Deps
    world: World
    handler: Note

    @property
    def handlers(self) -> dict[str, DeliveryHandler[Any]]:
        return {"note": self.handler}

    async def put(self, *news: NewDelivery) -> list[int | None]:
        async with self.deps.database.transaction() as tx:
            return [await outbox.enqueue(self.deps, tx, new) for new in news]

    async def send(self) -> int:
        return await outbox.send_waiting(self.deps, self.handlers)


def make_deps(database: Database, clock: Clock, world: World, **config: Any) -> Deps:
    """Real parts around an outside world in memory."""
    return Deps(
        config=Config(**config),
        clock=clock,
        database=database,
        chat=world,
        alarm=world,
        wakeups=LocalWakeups(),
        current_catalogue=CurrentCatalogue(Catalogue(services={}, default_service="default")),
        templates=Silent(),
    )


async def until(condition: Callable[[], bool | Awaitable[bool]], seconds: float = 30) -> float:
    """How long it took until it held, in seconds of the event loop."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    async with asyncio.timeout(seconds):
        while True:
            held = condition()
            if held is True or (not isinstance(held, bool) and await held):
                return loop.time() - started
            await asyncio.sleep(0.001)
