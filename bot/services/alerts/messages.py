"""Delivery handlers of alert cards: a group's and a storm's, posted once and edited in place."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from bot.deps import Deps
from bot.domain.alerts import group as rules
from bot.domain.alerts.group import AlertGroup
from bot.domain.catalogue.runbook import Runbook
from bot.domain.errors import Undeliverable
from bot.domain.outgoing.delivery import Delivery, Fate, P, Plan, Skip, Wait
from bot.domain.runs.run import Run
from bot.interactions import Block
from bot.ports import Tx
from bot.queue import outbox
from bot.services.alerts import lifecycle
from bot.services.alerts.storms import PostAlert, PostStorm, posting
from bot.services.escalation import text as escalation_text
from bot.services.messaging.refresh import EditAlert, EditStorm
from bot.services.messaging.slack_errors import CHANNEL_GONE
from bot.services.messaging.slack_post import Edit, Message, Post, Rendered, edited, not_posted
from bot.services.runs import triggers
from bot.services.subjects import NO_CHANNEL
from bot.services.workspace import channels
from bot.store.alerts import groups as store, maintenance, storms as storms_store
from bot.store.alerts.storms import Storm
from bot.store.incidents import incidents as incidents_store
from bot.store.runs import runs as runs_store
from bot.views import alert as view
from bot.views.kit import links

OPENING_SECONDS = 0.5
OPENING = timedelta(seconds=10)  # how long the link to an incident whose place is being opened is waited for
ALERTS_SHOWN = 10
WORST_SHOWN = 5


async def shown(deps: Deps, tx: Tx, group: AlertGroup) -> view.Card:
    service, severity = lifecycle.level(deps, group)
    incident = await incidents_store.get(tx, group.incident) if group.incident else None
    runs = await runs_store.of_group(tx, group.id)
    offered = await _offered(deps, tx, group, runs)
    return view.Card(
        group=group,
        service=service,
        severity=severity,
        alerts=await store.singles(tx, group.id, ALERTS_SHOWN),
        now=deps.clock.now(),
        incident=str(incident) if incident else "",
        incident_url=links.permalink(deps, *incident.card) if incident else None,
        runbook=(offered[0].id, offered[0].title) if offered else None,
        others=[one.id for one in offered[1:]],
        runs=[(str(run), run.runbook, links.permalink(deps, run.channel, run.ts)) for run in runs],
        maintenance=await maintenance.get(tx, group.maintenance) if group.maintenance else None,
        coming=await escalation_text.coming(deps, tx, group),
    )


async def _offered(deps: Deps, tx: Tx, group: AlertGroup, runs: Sequence[Run]) -> list[Runbook]:
    under_way = {run.runbook for run in runs if not run.is_over}
    called = [one.runbook for one in await triggers.called(deps, tx, group)]
    return [deps.catalogue.runbooks[runbook] for runbook in called if runbook not in under_way]


async def _of(tx: Tx, delivery: Delivery[Any]) -> AlertGroup:
    return await store.get(tx, rules.number(delivery.subject) or 0)


class PostAlertHandler(Post[PostAlert]):
    async def render(self, deps: Deps, tx: Tx, delivery: Delivery[PostAlert]) -> Rendered:
        group = await _of(tx, delivery)
        if group.storm and not delivery.unconfirmed:
            return Skip("it is shown in the card of a storm")
        channel = await channels.resolve(tx, group.channel_name)
        return Message(channel, *await _card(deps, tx, group)) if channel else NO_CHANNEL

    async def on_sent(self, deps: Deps, tx: Tx, delivery: Delivery[PostAlert], answer: dict[str, Any]) -> None:
        await store.change(tx, rules.number(delivery.subject) or 0, channel=answer["channel"], ts=answer["ts"])
        await outbox.retry_now(deps, tx, delivery.subject)


async def _card(deps: Deps, tx: Tx, group: AlertGroup) -> tuple[str, list[Block]]:
    return view.fallback(group), view.card(await shown(deps, tx, group))


class _Edit(Edit[P]):
    async def on_refused(self, deps: Deps, tx: Tx, delivery: Delivery[P], problem: Undeliverable) -> Fate:
        if problem.error in CHANNEL_GONE:
            return Skip(f"{problem.error}: there is no message to edit")
        return await super().on_refused(deps, tx, delivery, problem)


class EditAlertHandler(_Edit[EditAlert]):
    async def prepare(self, deps: Deps, tx: Tx, delivery: Delivery[EditAlert]) -> Plan:
        group = await _of(tx, delivery)
        if not group.channel or not group.ts:
            return Skip("it has no card of its own") if group.storm else await not_posted(tx, posting(group))
        if await _is_being_declared(deps, tx, group):
            return Wait(OPENING_SECONDS, "its incident is being opened, and the card is to lead there")
        return edited(group.channel, group.ts, *await _card(deps, tx, group))


async def _is_being_declared(deps: Deps, tx: Tx, group: AlertGroup) -> bool:
    incident = await incidents_store.get(tx, group.incident) if group.incident else None
    return bool(incident and not all(incident.card) and deps.clock.now() - incident.declared_at < OPENING)


# --- storms -----------------------------------------------------------------------------------------------------------


def _number(delivery: Delivery[Any]) -> int:
    return int(delivery.subject.rpartition("-")[2])


async def _storm_card(deps: Deps, tx: Tx, storm: Storm) -> tuple[str, list[Block]]:
    names = {key: service.name for key, service in deps.catalogue.services.items()}
    lines = [
        view.Line(
            part.severity,
            part.rank,
            names.get(part.service, part.service),
            part.name,
            part.groups,
            part.open,
            part.firing,
        )
        for part in await storms_store.parts(tx, storm.id)
    ]
    worst = await storms_store.unattended(tx, storm.id, WORST_SHOWN, now=deps.clock.now())
    found = view.StormCard(storm.began_at, lines, worst, await maintenance.of_storm(tx, storm.id))
    return view.storm_fallback(found), view.storm_card(found)


class PostStormHandler(Post[PostStorm]):
    async def render(self, deps: Deps, tx: Tx, delivery: Delivery[PostStorm]) -> Rendered:
        storm = await storms_store.storm(tx, _number(delivery))
        channel = await channels.resolve(tx, storm.channel_name)
        return Message(channel, *await _storm_card(deps, tx, storm)) if channel else NO_CHANNEL

    async def on_sent(self, deps: Deps, tx: Tx, delivery: Delivery[PostStorm], answer: dict[str, Any]) -> None:
        await storms_store.change_storm(tx, _number(delivery), channel=answer["channel"], ts=answer["ts"])
        await outbox.retry_now(deps, tx, delivery.subject)


class EditStormHandler(_Edit[EditStorm]):
    async def prepare(self, deps: Deps, tx: Tx, delivery: Delivery[EditStorm]) -> Plan:
        storm = await storms_store.storm(tx, _number(delivery))
        if not storm.channel or not storm.ts:
            return await not_posted(tx, posting(storm))
        return edited(storm.channel, storm.ts, *await _storm_card(deps, tx, storm))
