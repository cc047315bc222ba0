"""The shape of a delivery handler: one kind of thing the world is told. Only `bot.queue.outbox` runs them."""

from __future__ import annotations

from typing import Any, Protocol

from bot.deps import Deps
from bot.domain.errors import Undeliverable
from bot.domain.outgoing.delivery import Delivery, Found, Plan, Skip, Wait
from bot.ports import Tx


class DeliveryHandler(Protocol):
    """Between two short transactions: prepare (claim committed before), act, settle."""

    async def prepare(self, deps: Deps, tx: Tx, delivery: Delivery) -> Plan:
        """Render from the state of this moment. Runs in a read; writes nothing."""

    async def send(self, deps: Deps, delivery: Delivery, arguments: dict[str, Any], method: str) -> dict[str, Any]:
        """Make the call. Raises Undeliverable. The usual one is `deps.chat.call(method, arguments)`."""

    async def find_sent(self, deps: Deps, delivery: Delivery, arguments: dict[str, Any]) -> Found | None:
        """After a lost answer: did it happen? Makes only reading calls."""

    async def on_sent(self, deps: Deps, tx: Tx, delivery: Delivery, answer: dict[str, Any]) -> None:
        """Write down what became of it, in the outcome's transaction. May enqueue what follows."""

    async def on_refused(
        self, deps: Deps, tx: Tx, delivery: Delivery, problem: Undeliverable
    ) -> dict[str, Any] | Wait | Skip | None:
        """What a refusal means, in the outcome's transaction: an answer (it is as good as done, settle follows), Wait
        (retry then), Skip (drop), or None (the default: permanent fails, anything else is retried with backoff)."""
