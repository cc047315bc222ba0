"""E-mail by SMTP: one connection, one message, every refusal sorted by whether it may have gone. Never retries."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as WIRE
from email.utils import parseaddr

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPDataError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPResponseException,
    SMTPSenderRefused,
)

from bot.domain.errors import Undeliverable
from bot.domain.outgoing.mail import Mail, Refusal, Sent, is_address, is_nowhere, one_line, unique
from bot.domain.text.secret import Secret
from bot.integrations.thread_slots import ThreadSlots

CONNECTIONS = 4  # at a time: servers turn away who opens many
TLS_PORT = 465  # TLS from the first byte
HOST_LIMIT = 40  # so that a Message-ID stays in one line, which Python would break wrongly
REASON_LIMIT = 200
REFUSED: Mapping[type[SMTPResponseException], str] = {
    SMTPDataError: "content_refused",
    SMTPAuthenticationError: "login_refused",
    SMTPSenderRefused: "sender_refused",
}


class SmtpMailer:
    """`ports.Mailer`. `starttls` is auto, required or off; a password travels in the clear only when it is off."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        sender: str,
        starttls: str = "auto",
        login: tuple[str, Secret] | None = None,
        timeout_seconds: float = 10.0,
        busy_seconds: float = 3.0,
    ) -> None:
        self._host, self._port = host, port
        self._name, self._address = parseaddr(sender)
        self._starttls = starttls
        self._login = login
        self._timeout_seconds = timeout_seconds
        self._seats = ThreadSlots(CONNECTIONS, wait_seconds=busy_seconds)

    async def send(self, mail: Mail) -> Sent:
        addresses, refused = _writable(mail.to)
        if not addresses:
            raise Undeliverable(_reasons(refused) or "no_address", permanent=True)
        async with self._seats.one(), self._connected() as client:
            refused += await self._envelope(client, addresses)
            accepted = tuple(one for one in addresses if one not in {no.address for no in refused})
            if not accepted:
                raise Undeliverable(_reasons(refused), permanent=all(no.permanent for no in refused))
            async with self._phase(maybe_done=True):
                await client.data(self.written(mail, addresses))
        return Sent(accepted, tuple(refused))

    # --- the conversation ---

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[SMTP]:
        client = self._client()
        try:
            async with self._phase():
                await client.connect()
                await self._log_in(client)
            yield client
        finally:
            await _leave(client)

    def _client(self) -> SMTP:
        at_once = self._port == TLS_PORT and self._starttls != "off"
        return SMTP(
            hostname=self._host,
            port=self._port,
            local_hostname=self._address.rpartition("@")[2],
            timeout=self._timeout_seconds,
            use_tls=at_once,
            start_tls=False if at_once else {"required": True, "off": False}.get(self._starttls),
        )

    async def _log_in(self, client: SMTP) -> None:
        if self._login is None:
            return
        if self._starttls != "off" and client.get_transport_info("sslcontext") is None:
            raise Undeliverable("no_starttls: the server offers none, and the password is not sent in the clear")
        username, password = self._login
        await client.login(username, password.reveal())

    async def _envelope(self, client: SMTP, addresses: list[str]) -> list[Refusal]:
        async with self._phase():
            await client.mail(self._address)
            refused = [await self._refusal(client, address) for address in addresses]
        return [no for no in refused if no is not None]

    async def _refusal(self, client: SMTP, address: str) -> Refusal | None:
        try:
            await client.rcpt(address)
        except SMTPRecipientRefused as no:
            return Refusal(address, _answer(no), permanent=no.code >= 500)
        return None

    @asynccontextmanager
    async def _phase(self, *, maybe_done: bool = False) -> AsyncIterator[None]:
        """What the server answered is certain; where it answered nothing, the message may have gone."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                yield
        except SMTPResponseException as no:
            what = next((word for kind, word in REFUSED.items() if isinstance(no, kind)), "refused")
            permanent = isinstance(no, SMTPDataError) and no.code >= 500
            raise Undeliverable(f"{what}: {_answer(no)}", permanent=permanent) from None
        except (SMTPException, OSError) as problem:
            said = one_line(str(problem))[:REASON_LIMIT]
            raise Undeliverable(f"{type(problem).__name__}: {said}", maybe_done=maybe_done) from None

    # --- the message ---

    def written(self, mail: Mail, addresses: list[str]) -> bytes:
        message = EmailMessage(policy=WIRE)
        message["From"] = Address(one_line(self._name), addr_spec=self._address)
        message["To"] = [Address(addr_spec=address) for address in addresses]
        message["Subject"] = mail.line
        message["Date"] = mail.sent_at
        for name, value in self._threading(mail).items():
            message[name] = value
        message["Auto-Submitted"] = "auto-generated"  # who is on holiday does not answer it
        message.set_content(mail.text, cte="quoted-printable")
        message.add_alternative(mail.html, subtype="html", cte="quoted-printable")
        return message.as_bytes()

    def _threading(self, mail: Mail) -> dict[str, str]:
        """The first message is answered by all others, also in the mailbox of who never got it."""
        host = f"{mail.era}.{self._address.rpartition('@')[2]}"[-HOST_LIMIT:].lstrip(".-")
        first = f"<{mail.thread}@{host}>"
        if not mail.part:
            return {"Message-ID": first}
        return {"Message-ID": f"<{mail.thread}.{mail.part}@{host}>", "In-Reply-To": first, "References": first}


def _writable(to: tuple[str, ...]) -> tuple[list[str], list[Refusal]]:
    addresses, refused = [], []
    for address in unique(to):
        if not is_address(address):
            refused.append(Refusal(one_line(address)[:REASON_LIMIT], "not an address"))
        elif is_nowhere(address):
            refused.append(Refusal(address, "a placeholder", is_placeholder=True))
        else:
            addresses.append(address)
    return addresses, refused


def _answer(no: SMTPResponseException) -> str:
    return one_line(f"{no.code} {no.message}")[:REASON_LIMIT]


def _reasons(refused: list[Refusal]) -> str:
    return "; ".join(map(str, refused))


async def _leave(client: SMTP) -> None:
    with contextlib.suppress(SMTPException, OSError):
        if client.is_connected:
            await client.quit(timeout=1)
    client.close()
