"""What happens while a page cannot go out: people get e-mail and direct messages instead, others hear that the page
waits.

Each of these is dropped where the page is not wanted when it leaves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from bot.deps import Deps
from bot.domain.incidents.incident import Incident
from bot.domain.outgoing.delivery import Delivery, NewDelivery, Payload, Skip, Wait
from bot.domain.outgoing.mail import is_address
from bot.ports import Tx
from bot.queue import operator_alarm, outbox
from bot.queue.handler import DeliveryHandler
from bot.services import subjects
from bot.services.escalation import pages
from bot.services.escalation.pages import Page
from bot.services.messaging import email, fan_out, operator_notices, thread_notes
from bot.services.messaging.email import Email, EmailHandler, Words
from bot.services.messaging.fan_out import FanOut, Meant
from bot.services.messaging.slack_post import Message, Post, Rendered
from bot.services.subjects import Subject
from bot.services.workspace import recipients
from bot.store.escalation import pages as store
from bot.store.escalation.pages import Sent, State
from bot.views.incident import spoken
from bot.views.kit.blocks import section
from bot.views.kit.mrkdwn import link, literal

TEXT_LIMIT = 2_000
KEY_TROUBLE = ("http_401", "http_402", "http_403")
THROTTLED = "throttled"


@dataclass(frozen=True, kw_only=True)
class PageEmail(Email, kind="page.email", method=email.METHOD):
    page: str
    title: str
    text: str


@dataclass(frozen=True)
class _Told(Payload):
    """`why` tells people why they are told this way."""

    page: str
    title: str
    text: str
    why: str


@dataclass(frozen=True)
class PageMessageToAll(_Told, kind="page.recipients", method=fan_out.METHOD):
    """`to` is the page's target, `meant` the people told instead."""

    to: str
    service: str
    meant: list[str]


@dataclass(frozen=True)
class PageMessage(_Told, kind="page.direct_message"):
    person: str


Instead = TypeVar("Instead", PageEmail, PageMessageToAll, PageMessage)


# --- what is said -----------------------------------------------------------------------------------------------------


async def away(deps: Deps, tx: Tx, delivery: Delivery[Page], page: Sent, error: str) -> None:
    since = await store.away_since(tx) or deps.clock.now()
    whom, meant = await pages.spoken(tx, page.target), _meant(deps, delivery)
    trouble = f"{_trouble(error)} since {_clock(since)}."
    waits = f"{trouble} The page to {whom} waits and is tried again; {await _how(deps, tx, whom, meant)}."
    await thread_notes.say(deps, tx, page.subject, waits, f"page away {page.key}")
    pages_wait = f"{trouble} Pages wait and are tried again; e-mail and direct messages go out instead."
    await _notice(deps, tx, page, pages_wait, f"page away:{since.isoformat()}")
    if error.startswith(KEY_TROUBLE):
        sentence = f"PagerDuty does not accept our key ({error}). Pages wait until it does: see PAGERDUTY_API_KEY."
        await operator_alarm.raise_later(
            deps, tx, subject=page.subject, sentence=sentence, key=f"page key:{since.isoformat()}"
        )
    await _tell(deps, tx, delivery, page, meant, f"{_trouble(error)}, so you are told here.")


def _trouble(error: str) -> str:
    if error.startswith(KEY_TROUBLE):
        return "PagerDuty has not accepted our key"
    return "PagerDuty has taken no more requests" if error.startswith(THROTTLED) else "PagerDuty cannot be reached"


async def through(deps: Deps, tx: Tx, page: Sent) -> None:
    began, now = await store.away_since(tx) or page.away_since or page.at, deps.clock.now()
    whom, late = await pages.spoken(tx, page.target), spoken(now - (page.away_since or page.at))
    text = f"PagerDuty answers again: the page to {whom} went out at {_clock(now)}, {late} late."
    await thread_notes.say(deps, tx, page.subject, text, f"page through {page.key}")
    again = f"PagerDuty answers again. It could not be reached since {_clock(began)}; what waited goes out now."
    await _notice(deps, tx, page, again, f"page through:{began.isoformat()}")


async def refused(deps: Deps, tx: Tx, delivery: Delivery[Page], page: Sent, error: str) -> None:
    whom, meant = await pages.spoken(tx, page.target), _meant(deps, delivery)
    how, why = await _how(deps, tx, whom, meant), deps.secrets.masker.mask(error).rstrip(".")
    text = f"PagerDuty did not take the page to {whom} ({why}), so {how}."
    await thread_notes.say(deps, tx, page.subject, text, f"page refused {page.key}")
    sentence = f"{page.subject}: PagerDuty did not take the page to {page.target} ({why}), so {how}."
    await operator_alarm.raise_later(deps, tx, subject=page.subject, sentence=sentence, key=f"page refused:{page.key}")
    await _tell(deps, tx, delivery, page, meant, "PagerDuty did not take the page to you, so you are told here.")


async def not_set_up(deps: Deps, tx: Tx, delivery: Delivery[Page], page: Sent) -> None:
    meant = _meant(deps, delivery)
    text = f"PagerDuty is not set up here: {await _how(deps, tx, '', meant)}."
    await thread_notes.say(deps, tx, page.subject, text, f"page not set up {page.key}")
    await _tell(deps, tx, delivery, page, meant, "PagerDuty is not set up here, so you are told this way.")


async def unknown_there(deps: Deps, tx: Tx, delivery: Delivery[Page], page: Sent, addresses: Sequence[str]) -> None:
    whom = await pages.spoken(tx, page.target)
    sentence = (
        f"{page.subject}: of the page to {whom}, PagerDuty knows nobody of {', '.join(addresses)}. "
        "They are written to instead; the others were paged."
    )
    await thread_notes.say(deps, tx, page.subject, sentence, f"page unknown {page.key}")
    await operator_alarm.raise_later(deps, tx, subject=page.subject, sentence=sentence, key=f"page unknown:{page.key}")
    await _mail(deps, tx, delivery, page, addresses, "PagerDuty does not know you, so you are told by e-mail.")


async def _notice(deps: Deps, tx: Tx, page: Sent, text: str, key: str) -> None:
    """Once for an outage. An incident has its thread note alone."""
    group = (await subjects.load(tx, page.subject)).alert
    if group:
        await operator_notices.enqueue(deps, tx, group.channel_name, text, f"{key}:{group.channel_name}")


async def _how(deps: Deps, tx: Tx, whom: str, meant: Sequence[str]) -> str:
    names = ", ".join([await pages.spoken(tx, one) for one in meant])
    if not names:
        return "nobody is told instead: the catalogue names nobody else"
    to = "them" if names == whom else names
    return f"{'e-mail and ' if deps.mailer else ''}a direct message {'go' if deps.mailer else 'goes'} to {to} instead"


def _clock(at: datetime) -> str:
    return f"{at:%H:%M} UTC"


# --- who is told ------------------------------------------------------------------------------------------------------


def _meant(deps: Deps, delivery: Delivery[Page]) -> list[str]:
    service, to = deps.catalogue.service_or_default(delivery.payload.service), delivery.payload.to
    contact = service.contacts.get(to)
    if contact is None or contact.addresses or contact.who:
        return [to]
    return ["oncall"] if service.oncall else list(service.owners)


async def _tell(deps: Deps, tx: Tx, delivery: Delivery[Page], page: Sent, meant: Sequence[str], why: str) -> None:
    await _mail(deps, tx, delivery, page, meant, why)
    asked = delivery.payload
    to_all = PageMessageToAll(page.key, asked.title, asked.text, why, asked.to, asked.service, list(meant))
    await outbox.enqueue(deps, tx, _instead(to_all, delivery, page.key))


async def _mail(deps: Deps, tx: Tx, delivery: Delivery[Page], page: Sent, to: Sequence[str], why: str) -> None:
    if deps.mailer is None or not to:
        return
    about, asked = await subjects.load(tx, page.subject), delivery.payload
    title, text = words(about, asked.title, asked.text)
    parts = text, why, f"To take it on: {about.take_on} in Slack.", subjects.link(deps, about)
    whole = "\n\n".join(part for part in parts if part)
    mail = PageEmail(to=list(to), service=asked.service, step=asked.step, page=page.key, title=title, text=whole)
    await outbox.enqueue(deps, tx, _instead(mail, delivery, page.key))


def _instead(what: Payload, delivery: Delivery[Any], key: str) -> NewDelivery:
    return NewDelivery(what, delivery.subject, rank=delivery.rank, dedupe_key=f"{what.kind}:{key}")


def words(about: Subject, title: str, text: str) -> tuple[str, str]:
    if about.is_private:
        return str(about), "It is private: its channel says what it is about."
    return title, text


# --- delivery handlers ------------------------------------------------------------------------------------------------


class _InsteadHandler(DeliveryHandler[Instead]):
    async def still_wanted(self, deps: Deps, tx: Tx, delivery: Delivery[Instead]) -> str | None:
        """A page that went out meanwhile makes no difference; an acknowledgement does."""
        page = await store.get(tx, delivery.payload.page)
        if page.state in (State.ACKNOWLEDGED, State.RESOLVED):
            return f"it is {page.state} meanwhile"
        return await pages.stopped_at_its_step(deps, tx, page)


class PageEmailHandler(_InsteadHandler[PageEmail], EmailHandler[PageEmail]):
    async def words(
        self, deps: Deps, tx: Tx, delivery: Delivery[PageEmail], incident: Incident | None
    ) -> Words | Skip | Wait:
        return delivery.payload.title, delivery.payload.text


class PageMessageToAllHandler(_InsteadHandler[PageMessageToAll], FanOut[PageMessageToAll]):
    async def meant(self, deps: Deps, tx: Tx, delivery: Delivery[PageMessageToAll]) -> Meant:
        roles = await subjects.roles(tx, await subjects.load(tx, delivery.subject))
        who = [one for one in delivery.payload.meant if not is_address(one)]
        return Meant(who, roles, delivery.payload.service)

    async def send(self, deps: Deps, delivery: Delivery[PageMessageToAll], arguments: dict[str, Any]) -> dict[str, Any]:
        meant: Meant = arguments["meant"]
        found = await recipients.find(deps, meant.service, meant.who, meant.roles)
        everybody = [*(person for person, _ in found.people), *found.unreachable, *found.unavailable]
        return {"people": everybody, "reached": bool(everybody or (deps.mailer and found.written))}

    def each(self, delivery: Delivery[PageMessageToAll], person: str) -> NewDelivery:
        asked = delivery.payload
        message = PageMessage(asked.page, asked.title, asked.text, asked.why, person)
        return _instead(message, delivery, f"{asked.page}:{person}")

    async def on_sent(self, deps: Deps, tx: Tx, delivery: Delivery[PageMessageToAll], answer: dict[str, Any]) -> None:
        await super().on_sent(deps, tx, delivery, answer)
        if not answer["reached"]:
            to, key = delivery.payload.to, f"page nobody:{delivery.payload.page}"
            sentence = f"{delivery.subject}: the page to {to} reached nobody, and nobody could be told instead."
            await operator_alarm.raise_later(deps, tx, subject=delivery.subject, sentence=sentence, key=key)


class PageMessageHandler(_InsteadHandler[PageMessage], Post[PageMessage]):
    async def render(self, deps: Deps, tx: Tx, delivery: Delivery[PageMessage]) -> Rendered:
        about, message = await subjects.load(tx, delivery.subject), delivery.payload
        title, text = words(about, message.title, message.text)
        url = subjects.link(deps, about)
        named = link(url, str(about)) if url else str(about)
        asked = f"{message.why} To take it on: `{about.take_on}`."
        lines = [f"*You are paged: {named}*", literal(title), literal(text[:TEXT_LIMIT]), asked]
        said = "\n".join(line for line in lines if line)
        named_once = title if title.startswith(str(about)) else f"{about} {title}"
        return Message(message.person, literal(f"You are paged: {named_once}"), [section(said)])
