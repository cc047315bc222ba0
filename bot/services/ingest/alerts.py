"""Alerts come in: read, routed, joined to their groups. A message is worked in a few transactions."""

from __future__ import annotations

from dataclasses import replace

from bot.deps import Deps
from bot.domain.alerts.alert import Intake
from bot.domain.alerts.grouping import Message
from bot.domain.errors import Repeated
from bot.priority import yield_to_commands
from bot.queue import unit_of_work
from bot.queue.inbox import InboxItem
from bot.queue.unit_of_work import begin
from bot.services.alerts import grouping, lifecycle
from bot.services.ingest import webhooks
from bot.store.db.errors import lost_database
from bot.store.db.locks import serialise
from bot.telemetry import Event, get_logger

TOGETHER = 100  # alerts in one transaction: nobody who clicks waits for more than that
YIELD_SECONDS = 0.1


async def handle(deps: Deps, item: InboxItem) -> None:
    """Working a message again changes nothing."""
    await take(deps, item, await webhooks.read_beside(deps, webhooks.stored(item)))


async def take(deps: Deps, item: InboxItem, intake: Intake) -> None:
    _log(item, intake)
    wall, left_out = webhooks.stored(item).wall, intake.group.left_out
    for start in range(0, len(intake.alerts), TOGETHER):
        part = intake.alerts[start : start + TOGETHER]
        await _work(deps, f"{item.key}:{start}", Message(part, wall, left_out, intake.noticed))


def _log(item: InboxItem, intake: Intake) -> None:
    for context in intake.contexts:
        get_logger().info(Event.HOOK_CONTEXT, kind=item.kind, about=context.kind.value, title=context.title[:200])
    for request in intake.subscription_requests:
        get_logger().warning(
            Event.HOOK_REQUEST, kind=item.kind, change=request.change.value, subject=request.subject[:200]
        )


async def _work(deps: Deps, key: str, message: Message) -> None:
    """Where one transaction for all fails, each alert has its own, so that a bad alert costs no other."""
    try:
        await _take(deps, key, message)
    except Exception as problem:
        if lost_database(problem) or len(message.alerts) == 1:
            raise  # and so the whole message is tried again
        await _work_each(deps, key, message)


async def _work_each(deps: Deps, key: str, message: Message) -> None:
    """Raises the first failure after the other alerts are kept, so that the message is tried again."""
    failures: list[Exception] = []
    for index, alert in enumerate(message.alerts):
        try:
            await _work(deps, f"{key}:{index}", replace(message, alerts=[alert]))
        except Exception as failure:  # noqa: BLE001 - raised when the others are done
            failures.append(failure)
    if failures:
        raise failures[0]


async def _take(deps: Deps, key: str, message: Message) -> None:
    await yield_to_commands(YIELD_SECONDS)
    try:
        async with begin(deps) as tx:
            await unit_of_work.once(deps, tx, key)
            await serialise(tx, lifecycle.ONE_AT_A_TIME)
            await grouping.take(deps, tx, key, message)
    except Repeated:
        return  # done before a crash took us
