"""Delivery handlers to PagerDuty: a page, its acknowledgement or resolution, and notes beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from bot.deps import Deps
from bot.domain.catalogue.service import Service
from bot.domain.errors import Throttled, Undeliverable, Unwanted
from bot.domain.escalation.page import Page as PageEvent, Paged
from bot.domain.outgoing.delivery import Call, Delivery, Fate, Found, Plan, Skip, Wait
from bot.domain.outgoing.mail import unique
from bot.domain.people.person import BOT
from bot.ports import Pager, Still, Tx
from bot.queue import audit
from bot.queue.handler import DeliveryHandler
from bot.services import subjects
from bot.services.escalation import page_fallback, pages, status, text as escalation_text
from bot.services.escalation.pages import Page, PageChange, PageNote
from bot.services.workspace import oncall_now, recipients
from bot.store.escalation import escalations, pages as store
from bot.store.escalation.pages import Sent, State
from bot.views import escalation as view

SEVERITIES = ("critical", "error", "warning", "info")  # PagerDuty's, by rank
NOT_SET_UP = "PagerDuty is not set up"
NO_WAY = (
    "nothing says where it should go: set PAGERDUTY_ROUTING_KEY, or PAGERDUTY_API_KEY and a contact of the service's "
    "with a pagerduty_service"
)
NO_ADDRESS = "nobody of these has an address that is known"
NO_NOTE = "no_open_incident"
HELD_UP = "held_up"  # nobody could be asked whether it is still wanted: that is not PagerDuty's fault
HELD_UP_SECONDS = 0.5


class Busy(Undeliverable):
    """PagerDuty asks for patience. Not `Throttled`: people are told by other means meanwhile."""

    def __init__(self, seconds: float) -> None:
        super().__init__(page_fallback.THROTTLED)
        self.seconds = seconds


class PageHandler(DeliveryHandler[Page]):
    """PagerDuty takes the same key once, so a lost answer is simply repeated."""

    async def prepare(self, deps: Deps, tx: Tx, delivery: Delivery[Page]) -> Plan:
        page, about = delivery.payload, await subjects.load(tx, delivery.subject)
        title, text = page_fallback.words(about, *await _words(deps, tx, page))
        event = PageEvent(
            summary=title,
            dedup_key=page.page,
            source=page.service,
            severity=SEVERITIES[min(delivery.rank, len(SEVERITIES) - 1)],
            details="\n\n".join(part for part in (text, f"To take it on in Slack: {about.take_on}") if part),
            link=subjects.link(deps, about),
        )
        return Call({"event": event, "roles": await subjects.roles(tx, about)})

    async def still_wanted(self, deps: Deps, tx: Tx, delivery: Delivery[Page]) -> str | None:
        return await pages.stopped(deps, tx, await store.get(tx, delivery.payload.page))

    async def send(self, deps: Deps, delivery: Delivery[Page], arguments: dict[str, Any]) -> dict[str, Any]:
        try:
            paged = await _page(deps, _pager(deps), delivery, arguments["event"], arguments["roles"])
        except Unwanted:
            raise
        except Throttled as busy:
            raise Busy(busy.retry_after_seconds) from busy
        except Undeliverable as problem:
            raise Undeliverable(problem.error, permanent=problem.permanent) from problem
        return {"remote": paged.remote, "unknown": list(paged.unknown)}

    async def on_sent(self, deps: Deps, tx: Tx, delivery: Delivery[Page], answer: dict[str, Any]) -> None:
        if not answer.get("instead"):
            await _sent(deps, tx, delivery, answer["remote"], answer["unknown"])
        if delivery.payload.step:
            await status.meet(deps, tx, delivery.subject, delivery.payload.step)

    async def on_refused(self, deps: Deps, tx: Tx, delivery: Delivery[Page], problem: Undeliverable) -> Fate:
        if problem.error.startswith(HELD_UP):
            return Wait(HELD_UP_SECONDS, problem.error)
        page = await pages.hold(tx, delivery.payload.page, delivery.subject)
        if said := await pages.stopped(deps, tx, page):
            await _may_have_arrived(deps, tx, page)
            return Skip(said)
        if problem.permanent:
            return await _never(deps, tx, delivery, problem.error)
        if page.away_since is None:
            page = await store.change(tx, page.key, away_since=deps.clock.now())
            await page_fallback.away(deps, tx, delivery, page, problem.error)
        return Wait(problem.seconds, problem.error) if isinstance(problem, Busy) else None


def _pager(deps: Deps) -> Pager:
    if deps.pager is None:
        raise Undeliverable(NOT_SET_UP, permanent=True)
    return deps.pager


async def _words(deps: Deps, tx: Tx, page: Page) -> tuple[str, str]:
    if page.step is None:
        return page.title, page.text
    escalation = await escalations.get(tx, page.step.escalation)
    return view.page(await escalation_text.words(deps, tx, escalation, page.step))


async def _sent(deps: Deps, tx: Tx, delivery: Delivery[Page], remote: str | None, unknown: Sequence[str]) -> None:
    page = await pages.hold(tx, delivery.payload.page, delivery.subject)
    remote = remote or page.remote
    if page.state is State.SENDING:
        now = deps.clock.now()
        page = await store.change(tx, page.key, state=State.OPEN.value, remote=remote, changed_at=now)
    else:
        page = await store.change(tx, page.key, remote=remote)
        await _may_have_arrived(deps, tx, page)
    await audit.record(tx, deps.clock, BOT, "page.sent", delivery.subject, page=page.key, to=page.target)
    if page.away_since:
        await page_fallback.through(deps, tx, page)
    if unknown:
        await page_fallback.unknown_there(deps, tx, delivery, page, unknown)


async def _may_have_arrived(deps: Deps, tx: Tx, page: Sent) -> None:
    if page.state in (State.ACKNOWLEDGED, State.RESOLVED):
        await pages.change_there(deps, tx, page)


async def _never(deps: Deps, tx: Tx, delivery: Delivery[Page], error: str) -> dict[str, Any] | None:
    """None fails the delivery."""
    page = await store.change(tx, delivery.payload.page, state=State.FAILED.value, changed_at=deps.clock.now())
    if error == NOT_SET_UP:
        await page_fallback.not_set_up(deps, tx, delivery, page)
        return {"instead": True}
    await page_fallback.refused(deps, tx, delivery, page, error)
    return None


# --- the way to people ------------------------------------------------------------------------------------------------


async def _page(deps: Deps, pager: Pager, delivery: Delivery[Page], page: PageEvent, roles: Mapping[str, str]) -> Paged:
    to, service = delivery.payload.to, deps.catalogue.service_or_default(delivery.payload.service)
    still = _still(deps, delivery)
    contact = service.contacts.get(to)
    if contact and contact.pagerduty_service and pager.has_rest:
        return await pager.page(page, service=contact.pagerduty_service, still=still)
    # A page to people is made for a service of PagerDuty's: the first that the contacts name.
    on_behalf = next((one.pagerduty_service for one in service.contacts.values() if one.pagerduty_service), None)
    addresses = await _addresses(deps, service, to, roles) if on_behalf and pager.has_rest else ()
    if not addresses:
        return await _by_routing_key(deps, pager, page, to, still, on_behalf=on_behalf)
    return await pager.page(page, service=on_behalf, people=addresses, still=still)


async def _by_routing_key(
    deps: Deps, pager: Pager, page: PageEvent, to: str, still: Still, *, on_behalf: str | None
) -> Paged:
    """The routing key wakes people also where no address is known, as while Slack is away."""
    if not pager.has_events:
        raise Undeliverable(NO_ADDRESS if pager.has_rest and on_behalf else NO_WAY, permanent=True)
    async with deps.database.reading() as tx:
        whom = await pages.spoken(tx, to)
    return await pager.page(page, people=[whom], still=still)


async def _addresses(deps: Deps, service: Service, to: str, roles: Mapping[str, str]) -> tuple[str, ...]:
    found = await recipients.find(deps, service.key, [to], roles)
    told = await oncall_now.ask(deps, [to], service.key)
    there = [person.email for schedule in told.values() for person in schedule.people if person.email]
    return unique([*(address for _, address in found.people), *there])


def _still(deps: Deps, delivery: Delivery[Page]) -> Still:
    """The page is locked until the request is handed to the network."""

    @asynccontextmanager
    async def still() -> AsyncIterator[None]:
        async with deps.database.transaction() as tx:
            page = await pages.hold(tx, delivery.payload.page, delivery.subject)
            if said := await pages.stopped(deps, tx, page):
                raise Unwanted(said)
            yield

    return still


# --- what has become of it --------------------------------------------------------------------------------------------


class PageChangeHandler(DeliveryHandler[PageChange]):
    async def prepare(self, deps: Deps, tx: Tx, delivery: Delivery[PageChange]) -> Plan:
        page = await store.get(tx, delivery.payload.page)
        if page.state not in (State.ACKNOWLEDGED, State.RESOLVED):
            return Skip(f"it is {page.state} again")
        return Call({"state": page.state})

    async def send(self, deps: Deps, delivery: Delivery[PageChange], arguments: dict[str, Any]) -> dict[str, Any]:
        pager, is_over = _pager(deps), arguments["state"] is State.RESOLVED
        await (pager.resolve if is_over else pager.acknowledge)(delivery.payload.page)
        return {}


class PageNoteHandler(DeliveryHandler[PageNote]):
    async def prepare(self, deps: Deps, tx: Tx, delivery: Delivery[PageNote]) -> Plan:
        return Call({})

    async def send(self, deps: Deps, delivery: Delivery[PageNote], arguments: dict[str, Any]) -> dict[str, Any]:
        await _pager(deps).note(delivery.payload.page, delivery.payload.text)
        return {}

    async def find_sent(self, deps: Deps, delivery: Delivery[PageNote], arguments: dict[str, Any]) -> Found | None:
        return Found({})  # a remark that may be missing is better than one that is read twice

    async def on_refused(self, deps: Deps, tx: Tx, delivery: Delivery[PageNote], problem: Undeliverable) -> Fate:
        return Skip(problem.error) if problem.error.startswith(NO_NOTE) else None
