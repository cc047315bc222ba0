"""The shape of a delivery handler: one kind of thing the world is told. Only `bot.queue.outbox` runs them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Generic, TypeVar, get_args

from bot.deps import Deps
from bot.domain.errors import Undeliverable
from bot.domain.outgoing.delivery import Delivery, Fate, Found, P, Plan
from bot.ports import Tx

T = TypeVar("T")


class DeliveryHandler(Generic[P]):
    """Between two short transactions: prepare (claim committed before), look up and send, settle.

    The parameter of a subclass, `DeliveryHandler[PostCard]`, is the payload whose kind it handles.
    """

    payload: type[P]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        given = [one for base in cls.__dict__.get("__orig_bases__", ()) for one in get_args(base)]
        if given and isinstance(given[0], type):
            cls.payload = given[0]

    async def prepare(self, deps: Deps, tx: Tx, delivery: Delivery[P]) -> Plan:
        """Render from the state of this moment. Runs in a read; writes nothing."""
        raise NotImplementedError

    async def look_up(self, deps: Deps, delivery: Delivery[P], arguments: dict[str, Any]) -> dict[str, Any]:
        """The arguments with what has to be asked of others first, such as who is meant. Raises Undeliverable."""
        return arguments

    async def still_wanted(self, deps: Deps, tx: Tx, delivery: Delivery[P]) -> str | None:
        """Why it is to be dropped; None: it is wanted. Asked when nothing but the sending is left, or to wait."""
        return None

    async def send(self, deps: Deps, delivery: Delivery[P], arguments: dict[str, Any]) -> dict[str, Any]:
        """Make the call. Raises Undeliverable, and Unwanted where it is dropped."""
        return await deps.chat.call(delivery.method, arguments)

    async def find_sent(self, deps: Deps, delivery: Delivery[P], arguments: dict[str, Any]) -> Found | None:
        """After a lost answer: did it happen? Makes only reading calls. None: it is sent again, so twice does no
        harm.
        """
        return None

    async def on_sent(self, deps: Deps, tx: Tx, delivery: Delivery[P], answer: dict[str, Any]) -> None:
        """Write down what became of it, in the outcome's transaction. May enqueue what follows."""

    async def on_refused(self, deps: Deps, tx: Tx, delivery: Delivery[P], problem: Undeliverable) -> Fate:
        """What a refusal means, in the outcome's transaction: an answer (it is as good as done, `on_sent` follows),
        Wait (retry then), Skip (drop), or None (permanent fails, anything else is retried with backoff).
        """
        return None


def once(lines: Iterable[tuple[str, T]]) -> Mapping[str, T]:
    """Raises ValueError where a kind is there twice."""
    found: dict[str, T] = {}
    for kind, handler in lines:
        if kind in found:
            raise ValueError(f"{kind} is registered twice.")
        found[kind] = handler
    return found


def by_kind(*handlers: DeliveryHandler[Any]) -> Mapping[str, DeliveryHandler[Any]]:
    return once((handler.payload.kind, handler) for handler in handlers)
