"""Who hears of a change of on-call: the relieved, the new one, and the channel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bot.deps import Deps
from bot.domain.errors import Undeliverable
from bot.domain.oncall import oncall as rules
from bot.domain.outgoing.delivery import POST, Call, Delivery, NewDelivery, Plan, Skip, Wait
from bot.domain.people import access
from bot.ports import Tx
from bot.queue import outbox
from bot.services.messaging.slack_errors import CHANNEL_GONE
from bot.services.messaging.slack_post import Message, Plain, Post
from bot.services.oncall.shifts import level_of, overrides_of
from bot.services.workspace import channels, oncall_now
from bot.store.people import oncall as store
from bot.store.people.oncall import Taken
from bot.views import oncall as view
from bot.views.kit.blocks import section

DIRECT_MESSAGE = "oncall.direct_message"
LINE = "oncall.announcement"
BACK = "oncall.returned"
MOST_MESSAGES = 20
CHANNEL_WAIT_SECONDS = 60.0


def persons(who: Sequence[str]) -> list[str]:
    """Those that are one person: nobody writes to all of a team."""
    return [entry for entry in who if access.USER.fullmatch(entry)][:MOST_MESSAGES]


async def write(deps: Deps, tx: Tx, about: Taken, what: str, to: str, **more: Any) -> None:
    payload = {"override": about.id, "what": what, "to": to, **more}
    key = f"{DIRECT_MESSAGE}:{about.id}:{what}:{to}"
    await outbox.enqueue(deps, tx, NewDelivery(DIRECT_MESSAGE, about.subject, POST, payload, dedupe_key=key))


def channel_line(about: Taken, what: str, **more: Any) -> NewDelivery:
    payload = {"override": about.id, "what": what, **more}
    return NewDelivery(LINE, about.subject, POST, payload, dedupe_key=f"{LINE}:{about.id}:{what}")


def give_back(one: Taken, *, ended_by: str | None) -> NewDelivery:
    """Who has it now is asked when it is sent, and may be PagerDuty's to say."""
    return NewDelivery(
        BACK, one.subject, "users.info", {"override": one.id, "by": ended_by}, dedupe_key=f"{BACK}:{one.id}"
    )


class GiveBack(Plain):
    """Who has it after an override: found when it is over, and told."""

    async def prepare(self, deps: Deps, tx: Tx, delivery: Delivery) -> Plan:
        one = await store.get(tx, delivery.payload["override"])
        return Call({"service": one.service, "level": one.level})

    async def send(self, deps: Deps, delivery: Delivery, arguments: dict[str, Any], method: str) -> dict[str, Any]:
        if arguments["service"] not in deps.catalogue.services:
            return {"now": []}
        meant = await oncall_now.look(deps, [f"{access.ON_CALL}:{arguments['level']}"], arguments["service"])
        return {"now": list(meant.who)}

    async def on_sent(self, deps: Deps, tx: Tx, delivery: Delivery, answer: dict[str, Any]) -> None:
        one, now = await store.get(tx, delivery.payload["override"]), answer["now"]
        by = delivery.payload["by"]
        if by is not None:
            await outbox.enqueue(deps, tx, channel_line(one, "ended", now=now, by=by))
        if one.person not in now and by != one.person:
            await write(deps, tx, one, "over", one.person, now=now)
        for person in persons(now):
            await write(deps, tx, one, "again", person)


async def _direct_message(deps: Deps, tx: Tx, delivery: Delivery) -> Message | Skip | Wait:
    one = await store.get(tx, delivery.payload["override"])
    text = await _words(deps, tx, one, delivery.payload)
    return Message(delivery.payload["to"], text, [section(text)]) if text else Skip("it is over by now")


async def _words(deps: Deps, tx: Tx, one: Taken, payload: dict[str, Any]) -> str:
    """Empty where there is nothing to say any more."""
    place, now, what = _place(deps, one), deps.clock.now(), payload["what"]
    if what == "over":
        return view.over_message(place, payload["now"])
    if what == "again":
        return await _again(deps, tx, one, payload["to"])
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
    """`Payments (primary)`; of a service that has left the catalogue, its key."""
    service = deps.catalogue.services.get(one.service)
    return view.place(service.name if service else one.service, one.level)


async def _said(deps: Deps, tx: Tx, delivery: Delivery) -> Message | Skip | Wait:
    """One line in the channel of the service's alerts."""
    one, payload = await store.get(tx, delivery.payload["override"]), delivery.payload
    service = deps.catalogue.service_or_default(one.service)
    channel = await channels.resolve(tx, service.alerts_channel or deps.config.alerts_channel)
    if not channel:
        return Wait(CHANNEL_WAIT_SECONDS, "that channel cannot be used yet")
    if payload["what"] == "ended":
        text = view.line_of_end(_place(deps, one), one.person, payload["by"], payload["now"])
    elif one.ends_at <= deps.clock.now():
        return Skip("it is over by now")
    else:
        text = view.line(_place(deps, one), one.person, one.ends_at, payload["relieved"], one.made_by)
    return Message(channel, text, [section(text)])


class DirectMessage(Post):
    """To a person. Whom the file names and Slack does not know is not waited for."""

    async def on_refused(
        self, deps: Deps, tx: Tx, delivery: Delivery, problem: Undeliverable
    ) -> dict[str, Any] | Wait | Skip | None:
        return Skip(problem.error) if problem.permanent or problem.error in CHANNEL_GONE else None


direct_message = DirectMessage(_direct_message)
line = Post(_said)
