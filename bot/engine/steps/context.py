"""What a step is handed: its key, its time, the things it may reach, and where its output goes."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.domain.catalogue.runbook import Connection
from bot.domain.errors import Misconfigured, Unclear, Undeliverable
from bot.domain.people.recipients import Meant
from bot.domain.text.masking import Masker
from bot.domain.text.secret import Secret
from bot.engine.steps import bounds
from bot.ports import Clock, Mailer, Pager

if TYPE_CHECKING:
    import httpx


@dataclass(frozen=True)
class Connections:
    """The catalogue's connections. Their addresses are resolved at the moment of use, by `resolve`."""

    known: Mapping[str, Connection]
    resolve: Callable[[str], Secret]

    def address(self, name: str, kind: str) -> Secret:
        """Raises Misconfigured."""
        found = self.known.get(name)
        if found is None:
            raise Misconfigured(f"There is no connection “{name}”. Add it to org.yml under connections.")
        if found.kind != kind:
            raise Misconfigured(f"The connection “{name}” is one of {found.kind}, and {kind} is needed here.")
        return self.resolve(found.reference)


@dataclass(frozen=True)
class ShellRules:
    """Where programs may run, and with what. `folder` None: not at all. `environment`: all that may be handed on."""

    folder: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class StepRecipients:
    """How people beyond Slack are reached, where that is set up. `look` says whom a `to` means, and its contact."""

    look: Callable[[str, Mapping[str, Any] | None], Awaitable[Meant]]
    service: str = ""
    mailer: Mailer | None = None
    pager: Pager | None = None

    async def meant(self, to: str, contact: Mapping[str, Any] | None) -> Meant:
        """Raises Unclear where Slack does not tell."""
        try:
            return await self.look(to, contact)
        except (TimeoutError, Undeliverable):
            raise Unclear("Slack did not say how to reach them.") from None


@lru_cache(maxsize=2)
def _tls(verify: bool) -> ssl.SSLContext:
    import httpx

    return httpx.create_ssl_context(verify=verify, trust_env=False)


def new_client(verify_tls: bool) -> httpx.AsyncClient:
    """No kept connection that may be half dead, no proxy, no redirects."""
    import httpx

    unlimited = httpx.Timeout(None)  # the step's own time is kept over the whole request
    return httpx.AsyncClient(verify=_tls(verify_tls), trust_env=False, follow_redirects=False, timeout=unlimited)


def _nowhere(text: str) -> None:
    """Output that nobody watches."""


@dataclass(frozen=True)
class StepContext:
    """`key` names the step, not the attempt. `started_at`: when a wait was first looked at, else None."""

    key: str
    timeout_seconds: float
    clock: Clock
    connections: Connections
    write: Callable[[str], None] = _nowhere
    shell: ShellRules = ShellRules()
    client: Callable[[bool], httpx.AsyncClient] = new_client
    started_at: datetime | None = None
    masker: Masker = field(default_factory=Masker)
    recipients: StepRecipients | None = None

    def shown(self, text: str) -> str:
        """Masked first: half a secret is known to nobody afterwards."""
        return bounds.shown(self.masker.mask(text))

    def short(self, text: str, limit: int = 300) -> str:
        return self.masker.mask(text)[:limit]

    def ended(self, text: str) -> str:
        """A text whose end was cut off as it came: what may be a secret's beginning there goes too."""
        return self.masker.mask(text)[: -self.masker.reach or None]
