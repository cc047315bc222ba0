"""page {to, text} -> reached missed. PagerDuty wakes people, or who answers for one of its services.

The key names the step, not the attempt: a retry after a crash must not wake the same person twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.domain.errors import Throttled, Unclear, Undeliverable
from bot.domain.escalation.page import Page, Paged
from bot.domain.people.recipients import Meant
from bot.domain.runs.outcome import Done, Failed, Outcome, Unknown
from bot.engine.steps import arguments as read
from bot.engine.steps.bounds import within
from bot.engine.steps.context import StepContext, StepRecipients
from bot.ports import Pager

MAX_TEXT = 10_000
NOT_SET_UP = "PagerDuty is not set up: PAGERDUTY_ROUTING_KEY and PAGERDUTY_API_KEY are not set."
NO_WAY = (
    "Nothing says where the page should go. Set PAGERDUTY_ROUTING_KEY, or PAGERDUTY_API_KEY and pagerduty_service of a "
    "contact of this service."
)


async def perform(arguments: Mapping[str, Any], context: StepContext) -> Outcome:
    recipients = context.recipients
    if recipients is None or recipients.pager is None:
        raise Unclear(NOT_SET_UP)
    to, text = read.text(arguments, "to"), context.masker.mask(read.text(arguments, "text"))
    if not text.strip():
        raise Unclear("The page is empty. Say why somebody is woken.")
    meant = await recipients.meant(to, arguments.get("contact"))
    way = _way(meant, recipients.pager, to)
    if meant.is_drill:
        return _drilled(to, context)
    return await _wake(recipients.pager, way, _page(recipients, meant, text, context), to, context)


def _way(meant: Meant, pager: Pager, to: str) -> dict[str, Any]:
    """Raises Unclear."""
    service, addresses = meant.reach.pagerduty_service, meant.reach.addresses
    if service and pager.has_rest:
        return {"service": service}
    if meant.on_behalf and pager.has_rest:
        if not addresses:
            raise Unclear(f"Nobody of {to[:100]} has an address by which PagerDuty could know them.")
        return {"service": meant.on_behalf, "people": addresses}
    if not pager.has_events:
        raise Unclear(NO_WAY)
    return {"people": addresses or [to]}


def _page(recipients: StepRecipients, meant: Meant, text: str, context: StepContext) -> Page:
    """Of a private incident nothing but that there is something leaves the house."""
    said = "A runbook of a private incident asks for you. Its channel says what it is about."
    shown = said if meant.is_private else text
    summary = next((line for line in shown.splitlines() if line.strip()), shown)
    return Page(
        summary=summary, dedup_key=context.key, source=recipients.service, details=shown[:MAX_TEXT], link=meant.link
    )


async def _wake(pager: Pager, way: dict[str, Any], page: Page, to: str, context: StepContext) -> Outcome:
    try:
        paged = await within(context.timeout_seconds, pager.page(page, **way))
    except TimeoutError:
        return Unknown(f"The page may have gone: no answer within {context.timeout_seconds:g} s.")
    except Throttled as busy:
        return Failed(f"PagerDuty asks for patience: {busy.retry_after_seconds:g} s.", certain=True)
    except Undeliverable as problem:
        reason = context.short(problem.error.rstrip("."))
        if problem.maybe_done:
            return Unknown(f"The page may have gone: {reason}.")
        return Failed(f"Nobody was paged: {reason}.", certain=True)
    return _done(paged, way, to, context)


def _done(paged: Paged, way: Mapping[str, Any], to: str, context: StepContext) -> Outcome:
    reached = [one for one in way.get("people", [to]) if one not in paged.unknown]
    missed = [f"{one}: PagerDuty knows nobody of that address" for one in paged.unknown]
    output = f"Paged {', '.join(reached)}."
    context.write(output + "\n")
    return Done(
        {"reached": reached, "missed": missed}, output, f"It did not reach {'; '.join(missed)}." if missed else ""
    )


def _drilled(to: str, context: StepContext) -> Outcome:
    output = f"This is a drill: nobody was woken. Now {to} would be paged."
    context.write(output + "\n")
    return Done({"reached": [], "missed": []}, output, output)
