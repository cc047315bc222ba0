"""Faults on order: the next calls or deliveries that go wrong, and how."""

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from bot.simulator.workspace.errors import NotPossible, forbid

CALL_KINDS = frozenset({"rate_limited", "error", "http_500", "slow", "drop_response"})
DELIVERY_KINDS = frozenset({"duplicate_delivery", "drop_delivery", "drop_socket"})


@dataclass
class Fault:
    """One order. `method` and `channel` (id or name) may hold `*`; None matches all. `times` counts down."""

    id: int
    kind: str
    times: int = 1
    method: str | None = None
    channel: str | None = None
    seconds: float = 0.0
    error: str = "internal_error"
    retry_after: int = 1
    status: int = 500

    def matches(self, method: str, channels: tuple[str, ...]) -> bool:
        if self.method and not fnmatchcase(method, self.method):
            return False
        return self.channel is None or any(fnmatchcase(one, self.channel) for one in channels)


class Faults:
    def __init__(self) -> None:
        self._orders: list[Fault] = []
        self._count = 0

    def __iter__(self) -> Iterator[Fault]:
        return iter(self._orders)

    def order(self, wish: dict[str, Any]) -> Fault:
        kind = str(wish.get("kind"))
        known = sorted(CALL_KINDS | DELIVERY_KINDS)
        forbid(kind not in known, "unknown_fault", f"There is no fault of kind {kind}; there are {', '.join(known)}.")
        self._count += 1
        fault = Fault(self._count, kind, **_details(wish))
        self._orders.append(fault)
        return fault

    def take_call(self, method: str, *channels: str) -> Fault | None:
        return self._take(CALL_KINDS, method, channels)

    def take_delivery(self, kind: str) -> Fault | None:
        return self._take(frozenset({kind}), "", ())

    def clear(self) -> None:
        self._orders.clear()

    def _take(self, kinds: frozenset[str], method: str, channels: tuple[str, ...]) -> Fault | None:
        found = next((one for one in self._orders if one.kind in kinds and one.matches(method, channels)), None)
        if found:
            found.times -= 1
            self._orders = [one for one in self._orders if one.times > 0]
        return found


def _details(wish: dict[str, Any]) -> dict[str, Any]:
    casts: dict[str, Any] = {"times": int, "seconds": float, "retry_after": int, "status": int}
    casts |= dict.fromkeys(("method", "channel", "error"), str)
    try:
        details = {key: cast(wish[key]) for key, cast in casts.items() if wish.get(key) is not None}
    except (TypeError, ValueError) as problem:
        raise NotPossible("invalid_arguments", f"This fault cannot be read: {problem}.") from problem
    if "channel" in details:
        details["channel"] = details["channel"].removeprefix("#")
    return details
