"""Who hears of a change of on-call: the relieved, the new one, and the channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.deps import Deps
from bot.domain.errors import Undeliverable
from bot.domain.oncall import oncall as rules
from bot.domain.outgoing.delivery import Call, Delivery, Fate, NewDelivery, Payload, Plan, Skip
from bot.domain.people import access
from bot.ports import Tx
from bot.queue import outbox
from bot.services.messaging import fan_out
from bot.services.messaging.slack_errors import CHANNEL_GONE
from bot.services.messaging.slack_post import Message, Post, Rendered, SlackCall
from bot.services.oncall.shifts import level_of, overrides_of
from bot.services.subjects import NO_CHANNEL
from bot.services.workspace import channels, oncall_now
from bot.store.people import oncall as store
from bot.store.people.oncall import Taken
from bot.views import oncall as view
from bot.views.kit.blocks import section

MOST_MESSAGES = 20


@dataclass(frozen=True)
class OncallMessage(Payload, kind="oncall.direct_message"):
    """`what`: given | relieved | over | again. `now` are those who have it after it is over."""

    override: int
    what: str
    to: str
    now: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class OncallLine(Payload, kind="oncall.announcement"):
    """`what`: taken, from those `relieved`; or ended, `by` somebody, and `now` they have it."""

    override: int
    what: str
    relieved: list[str] = field(default_factory=list)
    now: list[str] = field(default_factory=list)
    by: str = ""


@dataclass(frozen=True)
class GiveBack(Payload, kind="oncall.returned", method=fan_out.METHOD):
    """Who has it after an override is asked when it is sent, and may be PagerDuty's to say. `by` ended it early."""

    override: int
    by: str | None


def persons(who: Sequence[str]) -> list[str]:
    return [entry for entry in who if access.USER.fullmatch(entry)][:MOST_MESSAGES]


async def write(deps: Deps, tx: Tx, about: Taken, message: OncallMessage) -> None:
    await _enqueue(deps, tx, about, message, f"{message.what}:{message.to}")


async def announce(deps: Deps, tx: Tx, about: Taken, line: OncallLine) -> None:
    await _enqueue(deps, tx, about, line, line.what)


async def give_back(deps: Deps, tx: Tx, one: Taken, *, ended_by: str | None) -> None:
    await _enqueue(deps, tx, one, GiveBack(one.id, ended_by), "")


async def _enqueue(deps: Deps, tx: Tx, about: Taken, payload: Payload, key: str) -> None:
    new = NewDelivery(payload, about.subject, dedupe_key=f"{payload.kind}:{about.id}:{key}")
    await outbox.enqueue(deps, tx, new)


class GiveBackHandler(SlackCall[GiveBack]):
    async def prepare(self, deps: Deps, tx: Tx, delivery: Delivery[GiveBack]) -> Plan:
        one = await store.get(tx, delivery.payload.override)
        return Call({"service": one.service, "level": one.level})

    async def send(self, deps: Deps, delivery: Delivery[GiveBack], arguments: dict[str, Any]) -> dict[str, Any]:
        if arguments["service"] not in deps.catalogue.services:
            return {"now": []}
        meant = await oncall_now.look(deps, [f"{access.ON_CALL}:{arguments['level']}"], arguments["service"])
        return {"now": list(meant.who)}

    async def on_sent(self, deps: Deps, tx: Tx, delivery: Delivery[GiveBack], answer: dict[str, Any]) -> None:
        one = await store.get(tx, delivery.payload.override)
        now, by = answer["now"], delivery.payload.by
        if by is not None:
            await announce(deps, tx, one, OncallLine(one.id, "ended", now=now, by=by))
        if one.person not in now and by != one.person:
            await write(deps, tx, one, OncallMessage(one.id, "over", one.person, now))
        for person in persons(now):
            await write(deps, tx, one, OncallMessage(one.id, "again", person))


class OncallMessageHandler(Post[OncallMessage]):
    """One whom Slack does not know is not waited for."""

    async def render(self, deps: Deps, tx: Tx, delivery: Delivery[OncallMessage]) -> Rendered:
        one = await store.get(tx, delivery.payload.override)
        text = await _words(deps, tx, one, delivery.payload)
        return Message(delivery.payload.to, text, [section(text)]) if text else Skip("it is over by now")

    async def on_refused(self, deps: Deps, tx: Tx, delivery: Delivery[OncallMessage], problem: Undeliverable) -> Fate:
        return Skip(problem.error) if problem.permanent or problem.error in CHANNEL_GONE else None


async def _words(deps: Deps, tx: Tx, one: Taken, message: OncallMessage) -> str:
    place, now, what = _place(deps, one), deps.clock.now(), message.what
    if what == "over":
        return view.over_message(place, message.now)
    if what == "again":
        return await _again(deps, tx, one, message.to)
    if one.ends_at <= now:
        return ""
    if what == "given":
        return view.given_message(place, one.ends_at, one.made_by)
    level = level_of(deps, one)
    schedule = level.pagerduty_schedule if level else None
    return view.relieved_message(place, one.person, one.ends_at, one.made_by, schedule)


async def _again(deps: Deps, tx: Tx, one: Taken, to: str) -> str:
    level, now, until = level_of(deps, one), deps.clock.now(), None
    if level:
        until = rules.next_change(level, now, await overrides_of(tx, one.service, one.level, now))
    if to == one.person:
        return view.still_message(_place(deps, one), until)
    return view.again_message(_place(deps, one), one.person, until)


def _place(deps: Deps, one: Taken) -> str:
    service = deps.catalogue.services.get(one.service)
    return view.place(service.name if service else one.service, one.level)


class OncallLineHandler(Post[OncallLine]):
    async def render(self, deps: Deps, tx: Tx, delivery: Delivery[OncallLine]) -> Rendered:
        one, line = await store.get(tx, delivery.payload.override), delivery.payload
        service = deps.catalogue.service_or_default(one.service)
        channel = await channels.resolve(tx, service.alerts_channel or deps.config.alerts_channel)
        if not channel:
            return NO_CHANNEL
        if line.what == "ended":
            text = view.line_of_end(_place(deps, one), one.person, line.by, line.now)
        elif one.ends_at <= deps.clock.now():
            return Skip("it is over by now")
        else:
            text = view.line(_place(deps, one), one.person, one.ends_at, line.relieved, one.made_by)
        return Message(channel, text, [section(text)])
