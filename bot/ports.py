"""The world outside, as Protocols. The real ones live in `bot.store` and `bot.integrations`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from bot.domain.escalation.page import OnCall, Page, Paged
from bot.domain.outgoing.mail import Mail, Sent
from bot.domain.text.masking import Masker
from bot.domain.text.secret import Secret

Tx = AsyncConnection


class Clock(Protocol):
    """Two clocks. `now` is the time of promises, scaled and hand-held in tests. `wall` is for pacing and leases."""

    def now(self) -> datetime:
        """Aware UTC, scaled by TOCSIN_CLOCK_SPEED; on PostgreSQL derived from the database's clock."""

    def wall(self) -> float:
        """Epoch seconds, never scaled."""

    @property
    def speed(self) -> float:
        """How many seconds `now` moves on in one of the wall's; above 0."""

    def from_wall(self, epoch_seconds: float) -> datetime:
        """A time that came from outside (Slack's ts) as a time of promises."""

    def wall_in(self, seconds: float) -> float:
        """What `wall` shows when so much of promised time has gone, at the speed of this moment."""
        return self.wall() + seconds / self.speed

    def seconds_until(self, moment: datetime) -> float:
        """Of wall time, until `now` shows that moment; negative where it is past."""
        return (moment - self.now()).total_seconds() / self.speed

    async def refresh(self, tx: Tx | None = None) -> None:
        """Read the anchors again: another process may have jumped or changed the speed."""


class Database(Protocol):
    """Short transactions. SQLite: one writer behind a lock, readers beside it. PostgreSQL: a pool."""

    dialect: str

    def transaction(self) -> AbstractAsyncContextManager[Tx]:
        """Commits at the end, rolls back on an exception. Never hold one across a call to the outside."""

    def reading(self) -> AbstractAsyncContextManager[Tx]:
        """A consistent read."""


class Chat(Protocol):
    """Slack's Web API."""

    async def call(self, method: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """One call, one answer. Raises Undeliverable (or Throttled); never retries by itself."""

    async def upload(
        self, *, name: str, content: str, channel: str, thread: str | None, comment: str
    ) -> dict[str, Any]:
        """A text file into a channel or thread, as Slack's three calls. Returns the file object."""

    async def respond(self, response_url: str, payload: dict[str, Any]) -> None:
        """Answer by `response_url`. Raises Undeliverable."""


class Alarm(Protocol):
    """The second channel, for when the first one failed: a missed promise reports itself here."""

    async def raise_alarm(self, sentence: str) -> None:
        """Raises Undeliverable when it could not be said."""


# Entering raises Undeliverable where it is no longer wanted; until it is left, nobody can say so.
Still = Callable[[], AbstractAsyncContextManager[None]]


class Pager(Protocol):
    """PagerDuty. Every method raises Undeliverable (or Throttled) and never retries by itself.

    A `dedup_key` names the reason: whatever is said of it twice counts once, so that a lost answer may be repeated.
    `still` is entered last, with the connection there and nothing of the request sent, and left as soon as that is on
    its way: it holds what it asks about, and is never held while PagerDuty is waited for.
    """

    @property
    def has_events(self) -> bool:
        """Whether it can wake the people whom the routing key leads to."""

    @property
    def has_rest(self) -> bool:
        """Whether it can wake a service or a person, take notes, and say who is on call."""

    async def trigger(self, page: Page, *, still: Still | None = None) -> None:
        """Wake the people whom the routing key leads to."""

    async def acknowledge(self, dedup_key: str) -> None:
        """Somebody is on it: nobody else is woken."""

    async def resolve(self, dedup_key: str) -> None:
        """It is over."""

    async def page(
        self, page: Page, *, service: str | None = None, people: Sequence[str] = (), still: Still | None = None
    ) -> Paged:
        """Wake who answers for a service of PagerDuty's, or people by e-mail address, on that service's behalf.

        Without a service it goes where the routing key leads, and says for whom it is.
        """

    async def note(self, dedup_key: str, text: str) -> None:
        """A remark beside the page, for who reads it there."""

    async def on_call(self, schedule: str, at: datetime | None = None) -> tuple[OnCall, ...]:
        """Who is on call by a schedule of PagerDuty's, now or `at` a moment of its clock; nobody where it has a gap."""

    async def who(self, user: str) -> OnCall:
        """The person of that id of PagerDuty's."""


class Sns(Protocol):
    """Amazon SNS, for a listener."""

    @property
    def topics(self) -> frozenset[str]:
        """Those that count."""

    async def certificate(self, url: str) -> bytes:
        """The certificate at this address of Amazon's, which is kept. Raises Undeliverable."""

    async def confirm(self, url: str) -> None:
        """Say yes to a subscription. Raises Undeliverable."""


class Mailer(Protocol):
    """Outgoing e-mail."""

    async def send(self, mail: Mail) -> Sent:
        """One message; who did not get it is in the answer. Raises Undeliverable where nobody did."""


class Wakeups(Protocol):
    """Wake-ups: only ever make things faster. Losing one loses nothing."""

    def wake(self) -> None:
        """Something was committed that a worker should look at."""

    def listen(self, heard: Callable[[], None]) -> None:
        """Call `heard` at every wake-up; it is quick and does not raise."""


class Templates(Protocol):
    """Words that leave the house: Jinja templates by kind, service and severity."""

    def render(self, kind: str, *, service: str, severity: str, values: dict[str, Any]) -> str:
        """The first template found: service and severity, service, plain. A broken one falls back to the built-in."""

    def render_postmortem(self, *, service: str, values: dict[str, Any]) -> str:
        """The Markdown draft by the service's template, or the packaged one."""

    def render_mail(self, kind: str, *, service: str, severity: str, values: dict[str, Any]) -> tuple[str, str]:
        """Subject and text of an e-mail, found as `render` finds its template."""


class SecretResolver(Protocol):
    """Where the secrets that runbooks refer to are found, at the moment of use."""

    masker: Masker
    environment: Mapping[str, str]  # what programs of shell steps may be handed, where they name it

    def resolve(self, reference: str) -> Secret:
        """`env:NAME` or `file:/path`. Raises Misconfigured, naming the reference and never a value."""
