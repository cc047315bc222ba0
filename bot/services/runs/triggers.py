"""Runbooks that alerts trigger: suggested on the card, asked for, or run.

What an alert begins by itself it begins once for each group and runbook, a few times at most however many alerts there
are, and never as a way round an approval.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bot.deps import Deps
from bot.domain.alerts import group as rules
from bot.domain.alerts.alert import Status
from bot.domain.alerts.group import AlertGroup
from bot.domain.errors import Problem
from bot.domain.outgoing.delivery import Call, Delivery, NewDelivery, Payload, Plan, Skip
from bot.domain.people.person import Actor, Kind, Person
from bot.domain.runs import triggers
from bot.domain.runs.run import SPOKEN, Run
from bot.domain.runs.triggers import ASK, Called
from bot.interactions import Where
from bot.ports import Tx
from bot.queue import outbox
from bot.queue.handler import DeliveryHandler
from bot.services.messaging import operator_notices, refresh, thread_notes
from bot.services.runs import request
from bot.services.runs.request import AUTOMATION, MOST_BY_THEMSELVES, WINDOW, TooMany, Wanted
from bot.services.subjects import NOT_YET
from bot.store.alerts import groups as store
from bot.store.queue import deliveries as deliveries_store
from bot.store.runs import runs as runs_store

LOOKED_AT = 20  # of a group's alerts, those that fire first
CARD_WITHIN_SECONDS = 10.0  # without a card, nothing begins much later
AUTOMATON = Person(AUTOMATION, AUTOMATION, Kind.BOT)


@dataclass(frozen=True)
class Trigger(Payload, kind="trigger", method="trigger"):
    runbook: str


async def called(deps: Deps, tx: Tx, group: AlertGroup) -> list[Called]:
    service = deps.catalogue.service_or_default(group.service)
    severity = service.find_severity(group.severity) or service.severity(service.default_severity)
    alerts = await store.singles(tx, group.id, LOOKED_AT)
    firing = [one.labels for one in alerts if one.status is Status.FIRING] or [one.labels for one in alerts[:1]]
    return triggers.called(deps.catalogue, severity, group.runbook, firing)


async def fire(deps: Deps, tx: Tx, group: AlertGroup) -> None:
    """After the commit. The card shows what triggers suggest."""
    if not triggers.any_by_itself(deps.catalogue):
        return
    for one in await called(deps, tx, group):
        if one.by_itself:
            await outbox.enqueue(deps, tx, _new_delivery(group, one.runbook))


def _new_delivery(group: AlertGroup, runbook: str) -> NewDelivery:
    """One at a time for a runbook, the worst first, so that of a storm the first few are seen by those that follow."""
    limit, key = f"{Trigger.kind}:{runbook}", f"{Trigger.kind}:{group.id}:{runbook}"
    return NewDelivery(Trigger(runbook), str(group), rate_limit=limit, rank=group.rank, collapse_key=key)


class TriggerHandler(DeliveryHandler[Trigger]):
    """Asks for the run, outside of any transaction: its plan looks at what it would reach."""

    async def prepare(self, deps: Deps, tx: Tx, delivery: Delivery[Trigger]) -> Plan:
        group, runbook = await store.get(tx, rules.number(delivery.subject) or 0), delivery.payload.runbook
        wanted = next((one for one in await called(deps, tx, group) if one.runbook == runbook), None)
        if said := await _not_wanted(deps, tx, group, wanted):
            return Skip(said)
        if await _is_often_enough(deps, tx, runbook):
            key = _bound_key(deps, runbook)
            is_said = await deliveries_store.answer_to(tx, operator_notices.key_of(key))
            return Skip("alerts have begun it often enough for now") if is_said else Call({"bound": True})
        if _waits_for_its_card(deps, group):
            return NOT_YET
        labels = dict(wanted.labels) if wanted else {}
        return Call({"group": group.id, "do": wanted.do if wanted else "", "name": group.called, "labels": labels})

    async def send(self, deps: Deps, delivery: Delivery[Trigger], arguments: dict[str, Any]) -> dict[str, Any]:
        if arguments.get("bound"):
            return {"bound": True}
        runbook, group = delivery.payload.runbook, int(arguments["group"])
        reason = f"{delivery.subject}, {arguments['name']}, fires."
        wanted = Wanted(runbook, reason=reason, alert=arguments["labels"], group=group, must_ask=arguments["do"] == ASK)
        by = Actor(AUTOMATON, key=f"{Trigger.kind}:{group}:{runbook}", source=AUTOMATION)
        try:
            run = await request.request(deps, wanted, by, Where())
        except TooMany:
            return {"bound": True}
        except Problem as problem:
            return {"why": problem.sentence}
        return {"run": run.id}

    async def on_sent(self, deps: Deps, tx: Tx, delivery: Delivery[Trigger], answer: dict[str, Any]) -> None:
        group, runbook = await store.get(tx, rules.number(delivery.subject) or 0), delivery.payload.runbook
        if answer.get("bound"):
            await _say_bound(deps, tx, group, runbook)
        elif "why" in answer:
            await _say_why_not(deps, tx, group, runbook, answer["why"])
        else:
            await _say_begun(deps, tx, group, await runs_store.get(tx, answer["run"]))
        await refresh.alert(deps, tx, group)


async def _not_wanted(deps: Deps, tx: Tx, group: AlertGroup, wanted: Called | None) -> str | None:
    """Looked at once more just before: much may have happened since it fired."""
    if not group.is_open:
        return "it is resolved"
    if group.is_suppressed(deps.clock.now()):
        return "it is silenced, or its service is in maintenance"
    if wanted is None or not wanted.by_itself:
        return "the catalogue no longer calls for it by itself"
    begun = [one for one in await runs_store.of_group(tx, group.id) if one.runbook == wanted.runbook]
    return next((f"{one} was asked for already" for one in begun if one.source == AUTOMATION), None)


async def _is_often_enough(deps: Deps, tx: Tx, runbook: str) -> bool:
    return len(await runs_store.begun_since(tx, runbook, AUTOMATION, deps.clock.now() - WINDOW)) >= MOST_BY_THEMSELVES


def _waits_for_its_card(deps: Deps, group: AlertGroup) -> bool:
    is_on_its_way = group.has_card and not group.storm and not group.ts
    return is_on_its_way and deps.clock.wall() - group.opened_wall < CARD_WITHIN_SECONDS


# --- what people read of it -------------------------------------------------------------------------------------------


async def _say_begun(deps: Deps, tx: Tx, group: AlertGroup, run: Run) -> None:
    if run.thread is None:
        text = f"{run} ({run.runbook}) was asked for by {group} itself, and {SPOKEN[run.status]}."
        await thread_notes.say(deps, tx, str(group), text, f"trigger {run.runbook}")


async def _say_why_not(deps: Deps, tx: Tx, group: AlertGroup, runbook: str, why: str) -> None:
    """In a storm nobody reads hundreds of these: there the audit log has it."""
    if not group.storm:
        text = f"{runbook} was not begun by {group} itself: {why} It is suggested instead."
        await thread_notes.say(deps, tx, str(group), text, f"trigger {runbook}")


async def _say_bound(deps: Deps, tx: Tx, group: AlertGroup, runbook: str) -> None:
    minutes = int(WINDOW.total_seconds() // 60)
    text = (
        f"Alerts have begun {runbook} {MOST_BY_THEMSELVES} times within {minutes} minutes. For {group} and what "
        f"follows it is only suggested: `/runbook run {runbook}`."
    )
    await operator_notices.enqueue(deps, tx, group.channel_name, text, _bound_key(deps, runbook))


def _bound_key(deps: Deps, runbook: str) -> str:
    return f"trigger bound:{runbook}:{int(deps.clock.now().timestamp() // WINDOW.total_seconds())}"
