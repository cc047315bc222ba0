"""Pages to PagerDuty through the outbox. An acknowledgement stops a page until the request leaves."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any

from bot.deps import Deps
from bot.domain.outgoing.delivery import NewDelivery, Payload
from bot.domain.outgoing.step_target import OfStep, StepTarget
from bot.domain.people import access
from bot.domain.people.person import BOT
from bot.ports import Tx
from bot.queue import audit, outbox
from bot.services import subjects
from bot.services.escalation import status
from bot.services.messaging import thread_notes
from bot.services.subjects import Subject
from bot.store.escalation import pages as store
from bot.store.escalation.pages import Sent, State
from bot.store.people import people as people_store

OURS = "In Slack: "  # how notes of ours begin, so that we know them when PagerDuty tells us of them
NOTE_LIMIT = 1_000
PREFIX = "tocsin:"  # of every key of ours at PagerDuty …
_OF_A_STEP = re.compile(r"tocsin-\d{14}-RUN-\d+-")  # … but those that steps of runs choose


@dataclass(frozen=True)
class Page(OfStep, kind="page", method="page"):
    """`page` is its key, `step` the step of an escalation policy that asks for it."""

    page: str
    to: str
    service: str
    title: str
    text: str
    step: StepTarget | None = None


@dataclass(frozen=True)
class PageChange(Payload, kind="page.change", method="page.change"):
    """The state at the moment of sending."""

    page: str


@dataclass(frozen=True)
class PageNote(Payload, kind="page.note", method="page.note"):
    page: str
    text: str


@dataclass(frozen=True)
class PageRequest:
    """A page to `page:WHO-or-CONTACT` of `service` about `subject` (`ALR-7`, `INC-42`, `RUN-7`), once for each `key`.

    What stops the `step` stops the page, too, until the request leaves.
    """

    subject: str
    target: str
    service: str
    title: str
    text: str
    key: str
    rank: int = 0
    by: str = BOT
    step: StepTarget | None = None


async def wake(deps: Deps, tx: Tx, request: PageRequest) -> None:
    subject, by, step = request.subject, request.by, request.step
    about, to = await subjects.load(tx, subject), request.target.removeprefix("page:")
    if about.is_drill:
        text = f"This is a drill: now {await spoken(tx, to)} would be paged."
        await thread_notes.say(deps, tx, subject, text, f"page drill {to} {request.key}")
        return
    name, now = dedup_key(about, to, request.key), deps.clock.now()
    row = {
        "key": name,
        "subject": subject,
        "target": to,
        "escalation": step and step.escalation,
        "position": step and step.position,
        "state": State.SENDING.value,
        "at": now,
        "changed_at": now,
        "changed_by": by,
    }
    if not await store.add(tx, row):
        return
    page = Page(name, to, request.service, request.title, request.text, step)
    await outbox.enqueue(deps, tx, NewDelivery(page, subject, rank=request.rank, dedupe_key=f"{page.kind}:{name}"))
    await audit.record(tx, deps.clock, by, "page.asked", subject, page=name, to=to)


async def acknowledged(deps: Deps, tx: Tx, subject: str, by: str, did: str = "acknowledged") -> None:
    """Tells what was done in Slack alone: PagerDuty knows what was done there."""
    said = f"{await _called(tx, by)} {did} {subject}." if access.USER.fullmatch(by) else ""
    await _leave_alone(deps, tx, subject, by, said)


async def maintained(deps: Deps, tx: Tx, subject: str) -> None:
    await _leave_alone(deps, tx, subject, BOT, f"{subject} is in maintenance.")


async def _leave_alone(deps: Deps, tx: Tx, subject: str, by: str, said: str) -> None:
    open_there = []
    for page in await store.unsettled(tx, subject):
        # A page by hand is stopped by any acknowledgement after it.
        is_by_hand = page.escalation is None
        if page.state is not State.OPEN and not is_by_hand and not await stopped_at_its_step(deps, tx, page):
            continue
        await mark(deps, tx, page, State.ACKNOWLEDGED, by)
        await change_there(deps, tx, page)
        open_there += [page] if page.state is State.OPEN else []
    if open_there and said and not (await subjects.load(tx, subject)).is_private:
        await _note(deps, tx, open_there, said, f"ack:{deps.clock.now().isoformat()}")


async def resolved(deps: Deps, tx: Tx, subject: str, by: str) -> None:
    for page in await store.not_over(tx, subject):
        await mark(deps, tx, page, State.RESOLVED, by)
        await change_there(deps, tx, page)


async def noted(deps: Deps, tx: Tx, subject: str, text: str, by: str) -> None:
    there = [page for page in await store.not_over(tx, subject) if page.state in (State.OPEN, State.ACKNOWLEDGED)]
    about = await subjects.load(tx, subject) if there else None
    if about and not about.is_private:
        await _note(deps, tx, there, f"{await _called(tx, by)} noted: {text}", deps.clock.now().isoformat())


# --- what delivery handlers and webhooks need -------------------------------------------------------------------------


async def hold(tx: Tx, key: str, subject: str) -> Sent:
    """Locks the subject first."""
    await subjects.lock(tx, subject)
    return await store.lock(tx, key)


async def stopped(deps: Deps, tx: Tx, page: Sent) -> str | None:
    """None where it is wanted."""
    if page.state is not State.SENDING:
        return f"it is {page.state} meanwhile"
    # A page by hand is stopped by an acknowledgement of its subject after it.
    if page.escalation is None and (await subjects.load(tx, page.subject)).was_taken_on_since(page.at):
        return "somebody is on it by now"
    return await stopped_at_its_step(deps, tx, page)


async def stopped_at_its_step(deps: Deps, tx: Tx, page: Sent) -> str | None:
    """None where it is wanted."""
    if page.escalation is None or page.position is None:
        return None
    return await status.stopped(deps, tx, page.escalation, page.position)


async def mark(deps: Deps, tx: Tx, page: Sent, state: State, by: str, **more: Any) -> Sent:
    return await store.change(tx, page.key, state=state.value, changed_at=deps.clock.now(), changed_by=by[:200], **more)


async def change_there(deps: Deps, tx: Tx, page: Sent) -> None:
    """A page on its way may have arrived."""
    if deps.pager is None or page.state is State.FAILED:
        return
    key = f"{PageChange.kind}:{page.key}"
    await outbox.enqueue(deps, tx, NewDelivery(PageChange(page.key), page.subject, collapse_key=key))


# --- how a page is named ----------------------------------------------------------------------------------------------


def dedup_key(subject: Subject, target: str, key: str) -> str:
    """The birth of the subject tells this ALR-7 from another installation's."""
    whole = f"{subject.born_at.isoformat()}\n{target}\n{key}"
    return f"{PREFIX}{subject}:{hashlib.sha256(whole.encode('utf-8', 'replace')).hexdigest()[:20]}"


def is_ours(name: str) -> bool:
    return name.startswith(PREFIX) or _OF_A_STEP.match(name) is not None


async def spoken(tx: Tx, target: str) -> str:
    if access.USER.fullmatch(target):
        return await _called(tx, target)
    if access.GROUP.fullmatch(target):
        return f"the user group {target}"
    return access.spoken(target)


# --- notes ------------------------------------------------------------------------------------------------------------


async def _note(deps: Deps, tx: Tx, there: list[Sent], text: str, key: str) -> None:
    if deps.pager is None or not deps.pager.has_rest:
        return
    said = deps.secrets.masker.mask(f"{OURS}{text}")[:NOTE_LIMIT]
    for page in there:
        name = f"{PageNote.kind}:{page.key}:{key}"[:255]
        await outbox.enqueue(deps, tx, NewDelivery(PageNote(page.key, said), page.subject, dedupe_key=name))


async def _called(tx: Tx, person: str) -> str:
    known = await people_store.find(tx, person)
    return known.person.name if known else person
