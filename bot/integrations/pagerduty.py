"""PagerDuty: events in by the routing key, everything else by REST. One request each; repeating is the outbox's work.

Their client is synchronous, so it waits in threads, a few at a time. Nothing else in the bot speaks to it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import quote

import httpx2
import pagerduty

from bot.domain.errors import Throttled, Undeliverable
from bot.domain.escalation.page import OnCall, Page, Paged
from bot.domain.text.secret import Secret
from bot.integrations import connect_hook
from bot.integrations.thread_slots import ThreadSlots
from bot.ports import Still

T = TypeVar("T")

EVENTS_URL = "https://events.pagerduty.com"
API_URL = "https://api.pagerduty.com"
THREADS = 4  # an outage must not take every thread of the process
THROTTLED_SECONDS = 10.0  # where a 429 does not say for how long
OPEN = ["triggered", "acknowledged"]
ERROR_LIMIT = 300
A_MOMENT = timedelta(seconds=1)
MOST_KNOWN = 500  # people whose address is kept in mind

# Raised before a byte of the request left.
NOTHING_LEFT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.UnsupportedProtocol)
# An operator mends these: what was promised meanwhile waits, and is not given up.
KEY_TROUBLE = frozenset({401, 402, 403})


class PagerDuty:
    """`ports.Pager`. Either key may be missing; what would need it is refused, with its variable's name."""

    def __init__(
        self,
        *,
        routing_key: Secret | None = None,
        api_key: Secret | None = None,
        sender: str | None = None,
        events_url: str = EVENTS_URL,
        api_url: str = API_URL,
        timeout_seconds: float = 10.0,
    ) -> None:
        self._events = _Events(routing_key.reveal(), base_url=events_url) if routing_key else None
        self._rest = _Rest(api_key.reveal(), default_from=sender, base_url=api_url) if api_key else None
        self.has_events, self.has_rest = self._events is not None, self._rest is not None
        for client in self._clients():
            client.timeout = timeout_seconds  # type: ignore[assignment]  # theirs is 60, which the types take for a rule
        self._seats = ThreadSlots(THREADS)
        self._known: dict[str, OnCall] = {}

    def close(self) -> None:
        for client in self._clients():
            client.close()

    def _clients(self) -> list[_Events | _Rest]:
        return [client for client in (self._events, self._rest) if client is not None]

    # --- what the port promises ---

    async def trigger(self, page: Page, *, still: Still | None = None) -> None:
        await self._in_thread(lambda: self._trigger(page), still)

    async def acknowledge(self, dedup_key: str) -> None:
        await self._in_thread(lambda: self._change(dedup_key, "acknowledge", "acknowledged"))

    async def resolve(self, dedup_key: str) -> None:
        await self._in_thread(lambda: self._change(dedup_key, "resolve", "resolved"))

    async def page(
        self, page: Page, *, service: str | None = None, people: Sequence[str] = (), still: Still | None = None
    ) -> Paged:
        if service is None:
            await self._in_thread(lambda: self._trigger(page, people), still)
            return Paged()
        found = await self._in_thread(lambda: self._users(people)) if people else {}
        remote = await self._in_thread(lambda: self._create(page, service, list(found.values())), still)
        return Paged(remote, tuple(one for one in people if one not in found))

    async def note(self, dedup_key: str, text: str) -> None:
        await self._in_thread(lambda: self._note(dedup_key, text))

    async def on_call(self, schedule: str, at: datetime | None = None) -> tuple[OnCall, ...]:
        return await self._in_thread(lambda: self._on_call(schedule, at))

    async def who(self, user: str) -> OnCall:
        """Asked once: hundreds of their webhooks may name the same few people."""
        if user not in self._known:
            found = await self._in_thread(lambda: self._user(user))
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[user] = found
        return self._known[user]

    async def _in_thread(self, work: Callable[[], T], still: Still | None = None) -> T:
        async with self._seats.one():
            if still is None:
                return await asyncio.to_thread(_sorting, work)
            with connect_hook.before_leaving(still):
                return await asyncio.to_thread(_sorting, work)

    # --- in a thread ---

    def _trigger(self, page: Page, people: Sequence[str] = ()) -> None:
        self._needed_events().trigger(
            page.line,
            page.source,
            dedup_key=page.dedup_key,
            severity=page.severity,
            custom_details=_details(page, people),
            links=[{"href": page.link, "text": page.dedup_key}] if page.link else None,
        )

    def _change(self, dedup_key: str, action: str, status: str) -> None:
        """There, where it was made by REST; otherwise by an event, which finds what an event made."""
        found = self._open_incidents(dedup_key) if self._rest else []
        for incident in found:
            self._needed_rest().put(
                f"/incidents/{incident}", json={"incident": {"type": "incident_reference", "status": status}}
            )
        if not found and self._events:
            self._events.send_event(action, dedup_key=dedup_key)

    def _create(self, page: Page, service: str, users: Sequence[str]) -> str | None:
        """They refuse a key that is open already: then an answer was lost, and the page is out."""
        incident: dict[str, Any] = {
            "type": "incident",
            "title": page.line,
            "service": {"id": service, "type": "service_reference"},
            "urgency": "high",
            "incident_key": page.dedup_key,
            "body": {"type": "incident_body", "details": "\n".join(_details(page).values())},
        }
        if users:
            incident["assignments"] = [{"assignee": {"id": user, "type": "user_reference"}} for user in users]
        try:
            made = self._needed_rest().post("/incidents", json={"incident": incident})
        except Undeliverable as refusal:
            there = self._open_incidents(page.dedup_key) if refusal.permanent else []
            if not there:
                raise
            return there[0]
        return str(made.json()["incident"]["id"])

    def _users(self, addresses: Sequence[str]) -> dict[str, str]:
        found = {address: user for address in addresses if (user := self._user_of(address))}
        if not found:
            raise Undeliverable("no_such_user: PagerDuty knows nobody of that address", permanent=True)
        return found

    def _user_of(self, address: str) -> str | None:
        found = self._needed_rest().get("/users", params={"query": address}).json()["users"]
        same = (str(user["id"]) for user in found if str(user.get("email", "")).casefold() == address.casefold())
        return next(same, None)

    def _user(self, user: str) -> OnCall:
        return _person({"user": self._needed_rest().get(f"/users/{quote(user, safe='')}").json()["user"]})

    def _note(self, dedup_key: str, text: str) -> None:
        found = self._open_incidents(dedup_key)
        if not found:
            raise Undeliverable("no_open_incident: nothing is open there that it could stand beside", permanent=True)
        for incident in found:
            self._needed_rest().post(f"/incidents/{incident}/notes", json={"note": {"content": text}})

    def _on_call(self, schedule: str, at: datetime | None) -> tuple[OnCall, ...]:
        wanted: dict[str, Any] = {"schedule_ids": [schedule], "include": ["users"], "earliest": True}
        if at is not None:
            # A shift that ends at that very moment would be in the answer, too.
            wanted |= {"since": (at + A_MOMENT).isoformat(), "until": (at + 2 * A_MOMENT).isoformat()}
        found = self._needed_rest().get("/oncalls", params=wanted).json()["oncalls"]
        people = [_person(entry) for entry in sorted(found, key=lambda one: one.get("escalation_level") or 0)]
        return tuple({person.id: person for person in people}.values())

    def _open_incidents(self, dedup_key: str) -> list[str]:
        wanted: dict[str, Any] = {"incident_key": dedup_key, "statuses": OPEN}
        return [str(one["id"]) for one in self._needed_rest().get("/incidents", params=wanted).json()["incidents"]]

    def _needed_events(self) -> _Events:
        if self._events is None:
            raise Undeliverable("PAGERDUTY_ROUTING_KEY is not set", permanent=True)
        return self._events

    def _needed_rest(self) -> _Rest:
        if self._rest is None:
            raise Undeliverable("PAGERDUTY_API_KEY is not set", permanent=True)
        return self._rest


# --- their clients, without their retries -------------------------------------------------------------------------


class _Once(pagerduty.ApiClient):
    max_network_attempts = 0

    def request(self, method: str, url: str, **how: Any) -> httpx2.Response:  # type: ignore[override]  # as theirs
        return super().request(method, url, **(how | connect_hook.of(method)))

    def postprocess(self, response: httpx2.Response, suffix: str | None = None) -> None:
        """Before they would wait and try again, on a 429 for ever."""
        _must_be_well(response)


class _Events(_Once, pagerduty.EventsApiV2Client):
    """Takes events by the routing key."""


class _Rest(_Once, pagerduty.RestApiV2Client):
    """Takes everything else by the API key."""


def _must_be_well(response: httpx2.Response) -> None:
    status = response.status_code
    if response.is_success:
        return
    if status == 429:
        raise Throttled(_wait_seconds(response.headers))
    error = f"http_{status}: {_said(response)}"[:ERROR_LIMIT].rstrip(": ")
    if status >= 500 or status == 408:
        raise Undeliverable(error, maybe_done=True)
    raise Undeliverable(error, permanent=status >= 400 and status not in KEY_TROUBLE)


def _wait_seconds(headers: Mapping[str, str]) -> float:
    try:
        return max(float(headers.get("retry-after") or headers["ratelimit-reset"]), 0.0)
    except (KeyError, ValueError):
        return THROTTLED_SECONDS


def _said(response: httpx2.Response) -> str:
    """`error` of REST, or an event's `message`; each may hold a list of `errors`."""
    try:
        answer = response.json()
    except ValueError:
        return ""
    problem = answer.get("error", answer) if isinstance(answer, dict) else None
    if not isinstance(problem, dict):
        return str(problem or "")
    errors = problem.get("errors")
    return " ".join([str(problem.get("message") or ""), *map(str, errors if isinstance(errors, list) else [])])


def _sorting(work: Callable[[], T]) -> T:
    try:
        return work()
    except Undeliverable:
        raise
    except (pagerduty.Error, httpx2.HTTPError) as problem:
        cause = problem.__cause__ or problem
        if isinstance(cause, NOTHING_LEFT):
            raise Undeliverable(f"not_reached: {type(cause).__name__}") from None
        raise Undeliverable(f"answer_lost: {type(cause).__name__}", maybe_done=True) from None
    except (ValueError, LookupError, TypeError) as problem:
        raise Undeliverable(f"answer_not_understood: {type(problem).__name__}", maybe_done=True) from None


def _details(page: Page, people: Sequence[str] = ()) -> dict[str, str]:
    details = {"details": page.details, "link": page.link or "", "for": ", ".join(people)}
    return {name: text for name, text in details.items() if text}


def _person(entry: Mapping[str, Any]) -> OnCall:
    user, end = entry["user"], entry.get("end")  # who is always on call has no end
    name = str(user.get("name") or user.get("summary") or user["id"])
    return OnCall(str(user["id"]), name, user.get("email") or None, datetime.fromisoformat(end) if end else None)
