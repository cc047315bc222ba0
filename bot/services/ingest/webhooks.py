"""What monitoring sent, on its way through the inbox: kept as it came, read when it is worked."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from bot.deps import Deps
from bot.domain.alerts.alert import HOOK, Intake
from bot.intake import VENDORS, body, generic
from bot.queue import inbox
from bot.queue.inbox import InboxItem

LONG = 100_000  # characters: a few milliseconds of reading
KEPT = ("x-github-event", "sentry-hook-resource")  # headers that say what the body is; none of them is a secret
IDS = ("x-github-delivery", "x-amz-sns-message-id")  # the vendor's own number of a message, however often it is sent


@dataclass(frozen=True)
class Arrival:
    """One message. `text` is a JSON object; `wall` when it came; `source` the mapping by which `generic` is read.

    `signed`: the vendor's own signature fits. An ingest token proves only that alerts may be reported.
    """

    vendor: str
    text: str
    headers: Mapping[str, str]
    wall: float
    source: str | None = None
    signed: bool = False

    @property
    def key(self) -> str:
        """The vendor's number and the text, or when it came: a number used for two messages loses neither."""
        number = next((self.headers[name] for name in IDS if name in self.headers), repr(self.wall))
        whole = "\n".join([self.vendor, self.source or "", number, self.text])
        return f"{HOOK}:{hashlib.sha256(whole.encode('utf-8', 'replace')).hexdigest()}"


async def store(deps: Deps, arrival: Arrival) -> bool:
    """Whether the message is new. It may be answered when this returns."""
    headers = {name: arrival.headers[name][:200] for name in KEPT if name in arrival.headers}
    payload = {
        "body": arrival.text,
        "headers": headers,
        "source": arrival.source,
        "wall": arrival.wall,
        "signed": arrival.signed,
    }
    return await inbox.receive(deps, key=arrival.key, kind=f"{HOOK}:{arrival.vendor}", payload=payload)


def stored(item: InboxItem) -> Arrival:
    kept, vendor = item.payload, item.kind.partition(":")[2]
    return Arrival(vendor, kept["body"], kept["headers"], kept["wall"], kept["source"], kept["signed"])


async def read_beside(deps: Deps, arrival: Arrival) -> Intake:
    """A long text is read in a thread, so that nobody waits for it."""
    if len(arrival.text) < LONG:
        return read(deps, arrival)
    return await asyncio.to_thread(read, deps, arrival)


def read(deps: Deps, arrival: Arrival) -> Intake:
    payload, received_at = body.loads(arrival.text), datetime.fromtimestamp(arrival.wall, UTC)
    mapping = deps.catalogue.generic.get(arrival.source or "") if arrival.vendor == generic.SOURCE else None
    if mapping is not None and arrival.source:
        return generic.read(payload, received_at=received_at, mapping=mapping, source=arrival.source)
    return VENDORS[arrival.vendor](payload, received_at=received_at, headers=arrival.headers)
