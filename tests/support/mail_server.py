"""A mail server on loopback that speaks real SMTP: STARTTLS, a login, refusals as a test says, and its bad days."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


@dataclass(frozen=True)
class Received:
    """A message as the server took it."""

    sender: str
    to: list[str]
    message: EmailMessage
    over_tls: bool

    def part(self, subtype: str) -> str:
        body = self.message.get_body((subtype,))
        assert body is not None
        return str(body.get_content())


class MailServer:
    """`refusals` are answers to RCPT by address. `bad_days` are answers to DATA, or "drop"; one for each message."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, login: tuple[str, str] | None = None) -> None:
        self.port = 0
        self.received: list[Received] = []
        self.logins: list[str] = []
        self.tried = 0  # how often somebody came as far as DATA
        self.refusals: dict[str, str] = {}
        self.bad_days: list[str] = []
        self.sender_refusal = ""
        self._tls = tls
        self._login = login

    @asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator[MailServer]:
        server = await asyncio.get_running_loop().create_server(self._speaking, "127.0.0.1", port)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    def _speaking(self) -> SMTP:
        return SMTP(
            self,
            hostname="mail.test",
            tls_context=self._tls,
            authenticator=self._authenticate if self._login else None,
            auth_required=bool(self._login and self._tls),
            auth_require_tls=bool(self._tls),
            auth_exclude_mechanism=["LOGIN"],
            loop=asyncio.get_running_loop(),
        )

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: LoginPassword
    ) -> AuthResult:
        assert self._login is not None
        self.logins.append(given.login.decode())
        is_right = (given.login.decode(), given.password.decode()) == self._login
        return AuthResult(success=True) if is_right else AuthResult(success=False, handled=False)

    # --- what aiosmtpd calls ---

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.sender_refusal:
            return self.sender_refusal
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refusals:
            return self.refusals[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.tried += 1
        bad = self.bad_days.pop(0) if self.bad_days else ""
        if bad == "drop":
            _hang_up(server)
            return "250 Nobody hears this"
        if bad and not bad.startswith("taken"):
            return bad
        assert isinstance(envelope.content, bytes)
        message = message_from_bytes(envelope.content, policy=default)
        assert isinstance(message, EmailMessage)
        sender = envelope.mail_from or ""
        self.received.append(Received(sender, list(envelope.rcpt_tos), message, session.ssl is not None))
        if bad == "taken, and drop":
            _hang_up(server)
        return "250 OK"


def _hang_up(server: SMTP) -> None:
    assert isinstance(server.transport, asyncio.Transport)
    server.transport.abort()
