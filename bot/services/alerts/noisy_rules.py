"""The health of alerting: figures of every rule for programs, and a weekly list of the noisy ones for people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.deps import Deps
from bot.domain.alerts import noisy_rules as rules
from bot.domain.alerts.noisy_rules import Rule
from bot.domain.outgoing.delivery import Delivery, NewDelivery, Payload, Skip
from bot.domain.outgoing.timer import Timer
from bot.ports import Tx
from bot.queue import outbox, timers
from bot.services.messaging.slack_post import Message, Post, Rendered
from bot.services.subjects import NO_CHANNEL
from bot.services.workspace import channels
from bot.store.alerts import noisy_rules as store, refused_webhooks
from bot.views import noisy_rules as view

LIST = "noisy_rules.list"  # the timer's kind and the delivery handler's
SUBJECT = "alerts"
NOBODY_MINDS = "no rule was noisy"


@dataclass(frozen=True)
class NoisyRulesList(Payload, kind=LIST):
    until: str  # ISO


@dataclass(frozen=True)
class NoisyRules:
    """Of the last seven days. `refused` is vendor -> reason -> number of messages."""

    rules: list[Rule]
    noisy: list[Rule]
    refused: dict[str, dict[str, int]]


async def figures(deps: Deps) -> NoisyRules:
    now = deps.clock.now()
    async with deps.database.reading() as tx:
        found = await store.rules(tx, now - rules.WINDOW, now)
        refused = await refused_webhooks.since(tx, (now - rules.WINDOW).date())
    return NoisyRules(found, rules.noisy(found), refused)


# --- every week -------------------------------------------------------------------------------------------------------


async def plant(deps: Deps) -> bool:
    """Whether next Monday's list was not promised yet.

    Each list plants the next one. This chore serves the first start, and an edit of the time zone.
    """
    at, key = _next(deps, deps.clock.now())
    async with deps.database.reading() as tx:
        if await store.is_scheduled(tx, key):
            return False
    async with deps.database.transaction() as tx:
        return await _schedule(tx, at, key)


def _next(deps: Deps, after: datetime) -> tuple[datetime, str]:
    timezone = deps.catalogue.service_or_default("").timezone
    at = rules.next_list(after, timezone)
    return at, f"{LIST}:{rules.slot(at, timezone)}"


async def _schedule(tx: Tx, at: datetime, key: str) -> bool:
    return await timers.schedule(tx, kind=LIST, subject=SUBJECT, due_at=at, dedupe_key=key)


async def due(deps: Deps, tx: Tx, timer: Timer) -> None:
    """After an outage of several weeks there is one list."""
    await _schedule(tx, *_next(deps, deps.clock.now()))
    if await _noisy(tx, timer.due_at):
        payload = NoisyRulesList(timer.due_at.isoformat())
        await outbox.enqueue(deps, tx, NewDelivery(payload, SUBJECT, dedupe_key=timer.dedupe_key))


async def _noisy(tx: Tx, until: datetime) -> list[Rule]:
    return rules.noisy(await store.rules(tx, until - rules.WINDOW, until))


class NoisyRulesListHandler(Post[NoisyRulesList]):
    async def render(self, deps: Deps, tx: Tx, delivery: Delivery[NoisyRulesList]) -> Rendered:
        channel = await channels.resolve(tx, deps.config.alerts_channel)
        if not channel:
            return NO_CHANNEL
        found = await _noisy(tx, datetime.fromisoformat(delivery.payload.until))
        return Message(channel, view.summary(len(found)), view.noisy(found)) if found else Skip(NOBODY_MINDS)
