"""The delivery handler that makes one delivery for each person whom a team, group or role means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.deps import Deps
from bot.domain.outgoing.delivery import Call, Delivery, NewDelivery, P, Plan
from bot.ports import Tx
from bot.queue import outbox
from bot.services.messaging.slack_post import SlackCall
from bot.services.workspace import recipients

METHOD = "users.info"


@dataclass(frozen=True)
class Meant:
    """`who` as in the catalogue; `roles` and `service` resolve it."""

    who: Sequence[str]
    roles: Mapping[str, str]
    service: str


class FanOut(SlackCall[P]):
    async def meant(self, deps: Deps, tx: Tx, delivery: Delivery[P]) -> Meant:
        raise NotImplementedError

    def each(self, delivery: Delivery[P], person: str) -> NewDelivery:
        raise NotImplementedError

    async def prepare(self, deps: Deps, tx: Tx, delivery: Delivery[P]) -> Plan:
        return Call({"meant": await self.meant(deps, tx, delivery)})

    async def send(self, deps: Deps, delivery: Delivery[P], arguments: dict[str, Any]) -> dict[str, Any]:
        meant: Meant = arguments["meant"]
        return {"people": await recipients.expand(deps, meant.who, meant.roles, service=meant.service)}

    async def on_sent(self, deps: Deps, tx: Tx, delivery: Delivery[P], answer: dict[str, Any]) -> None:
        for person in answer["people"]:
            await outbox.enqueue(deps, tx, self.each(delivery, person))
