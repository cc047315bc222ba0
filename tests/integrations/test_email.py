"""E-mail by real SMTP: what arrives, who is refused, and what may have gone when the server falls silent."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest
import trustme
from hypothesis import given, strategies as st

from bot.domain.errors import Undeliverable
from bot.domain.outgoing.mail import Mail, Refusal, as_html, is_address, is_nowhere
from bot.domain.text.secret import Secret
from bot.integrations.email import SmtpMailer
from tests.support.mail_server import MailServer

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
MAIL = Mail(
    ("ann@example.com",), "[INC-42] Checkout is down", "P1 on Payments\n\nhttps://acme.slack.com/x", NOW, "inc-42"
)
SENDER = "Tocsin <tocsin@ops.example.com>"


def mailer(server: MailServer, *, starttls: str = "auto", login: tuple[str, str] | None = None) -> SmtpMailer:
    given = (login[0], Secret(login[1])) if login else None
    return SmtpMailer("127.0.0.1", server.port, sender=SENDER, starttls=starttls, login=given, timeout_seconds=5)


async def test_text_and_html(mail_server: MailServer) -> None:
    """A message arrives over TLS with a text and an HTML part that say the same, from whom the operator said."""
    sent = await mailer(mail_server).send(
        replace(MAIL, text="Überall & <überall>\n\nhttps://acme.slack.com/x?a=1&b=2.")
    )
    (got,) = mail_server.received
    assert sent.accepted == ("ann@example.com",)
    assert got.over_tls
    assert (got.sender, got.to) == ("tocsin@ops.example.com", ["ann@example.com"])
    assert (got.message["From"], got.message["To"]) == (SENDER, "ann@example.com")
    assert got.message["Date"].datetime == NOW
    assert got.part("plain").splitlines()[0] == "Überall & <überall>"
    assert "<p>Überall &amp; &lt;überall&gt;</p>" in got.part("html")
    assert '<a href="https://acme.slack.com/x?a=1&amp;b=2">' in got.part("html")


async def test_one_thread(mail_server: MailServer) -> None:
    """Every message of an incident answers its first one; another installation has another thread."""
    sender = mailer(mail_server)
    await sender.send(replace(MAIL, era="1763629200"))
    await sender.send(replace(MAIL, era="1763629200", part="update-7"))
    await sender.send(replace(MAIL, era="1763629999", part="resolved"))
    first, second, third = (one.message for one in mail_server.received)
    assert first["Message-ID"] == "<inc-42@1763629200.ops.example.com>"
    assert "In-Reply-To" not in first
    assert second["Message-ID"] == "<inc-42.update-7@1763629200.ops.example.com>"
    assert second["In-Reply-To"] == second["References"] == first["Message-ID"]
    assert third["References"] != first["Message-ID"]


async def test_a_login(tls: ssl.SSLContext) -> None:
    """Name and password go over TLS; a wrong one waits until somebody mends it."""
    async with MailServer(tls=tls, login=("tocsin", "right")).serving() as server:
        await mailer(server, login=("tocsin", "right")).send(MAIL)
        with pytest.raises(Undeliverable, match="login_refused: 535") as problem:
            await mailer(server, login=("tocsin", "wrong")).send(MAIL)
        with pytest.raises(Undeliverable, match="530"):
            await mailer(server).send(MAIL)
    assert not problem.value.permanent
    assert [one.over_tls for one in server.received] == [True]
    assert server.logins == ["tocsin", "tocsin"]


async def test_no_password_in_the_clear() -> None:
    """Where a server offers no TLS the password stays here, unless the operator switched TLS off."""
    async with MailServer(login=("tocsin", "right")).serving() as server:
        with pytest.raises(Undeliverable, match="no_starttls"):
            await mailer(server, login=("tocsin", "right")).send(MAIL)
        assert server.logins == []
        await mailer(server, starttls="off", login=("tocsin", "right")).send(MAIL)
    assert [one.over_tls for one in server.received] == [False]


@pytest.mark.parametrize("starttls", ["auto", "off"])
async def test_a_server_without_tls(starttls: str) -> None:
    """Unless TLS is required, mail goes as the server can."""
    async with MailServer().serving() as server:
        await mailer(server, starttls=starttls).send(MAIL)
    assert [one.over_tls for one in server.received] == [False]


async def test_required_is_required() -> None:
    """A server without TLS gets nothing where it is required; an operator mends that."""
    async with MailServer().serving() as server:
        with pytest.raises(Undeliverable, match="STARTTLS") as problem:
            await mailer(server, starttls="required").send(MAIL)
    assert (problem.value.permanent, server.received) == (False, [])


async def test_off_is_off(mail_server: MailServer) -> None:
    """With TLS switched off it is not used where it is offered."""
    await mailer(mail_server, starttls="off").send(MAIL)
    assert [one.over_tls for one in mail_server.received] == [False]


async def test_a_certificate_that_nobody_vouches_for(
    mail_server: MailServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server with a certificate of its own making gets no mail."""
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "other.pem"))
    with pytest.raises(Undeliverable) as problem:
        await mailer(mail_server).send(MAIL)
    assert (problem.value.permanent, problem.value.maybe_done) == (False, False)
    assert mail_server.received == []


async def test_one_of_three_is_refused(mail_server: MailServer) -> None:
    """The others get it, and who did not is reported with the server's words, and whether a retry makes sense."""
    mail_server.refusals = {"bob@example.com": "550 No such user", "cleo@example.com": "451 Later"}
    to = ("ann@example.com", "bob@example.com", "cleo@example.com", "ANN@example.com")
    sent = await mailer(mail_server).send(replace(MAIL, to=to))
    assert [one.to for one in mail_server.received] == [list(sent.accepted)]
    assert sent.refused == (
        Refusal("bob@example.com", "550 No such user"),
        Refusal("cleo@example.com", "451 Later", permanent=False),
    )


@pytest.mark.parametrize(("answer", "permanent"), [("550 No such user", True), ("451 Later", False)])
async def test_everybody_is_refused(mail_server: MailServer, answer: str, permanent: bool) -> None:
    """Where nobody gets it, nothing is sent; greylisting is not the end."""
    mail_server.refusals = {"ann@example.com": answer}
    with pytest.raises(Undeliverable, match=f"ann@example.com: {answer}") as problem:
        await mailer(mail_server).send(MAIL)
    assert problem.value.permanent is permanent
    assert mail_server.tried == 0


@pytest.mark.parametrize(
    "address", ["ops@company.invalid", "ops@INVALID", "ops@x.Invalid.", "no address", "a@b\r\nX: y"]
)
async def test_never_written_to(mail_server: MailServer, address: str) -> None:
    """A placeholder and what is no address never reach a server; they are reported beside those who do."""
    with pytest.raises(Undeliverable) as problem:
        await mailer(mail_server).send(replace(MAIL, to=(address,)))
    assert problem.value.permanent
    sent = await mailer(mail_server).send(replace(MAIL, to=(address, "ann@example.com")))
    assert len(sent.refused) == 1
    assert [one.to for one in mail_server.received] == [["ann@example.com"]]


async def test_headers_stay_ours(mail_server: MailServer) -> None:
    """Line ends in a subject make no header, and none in the text ends it."""
    evil = "Down\r\nBcc: eve@example.com\n\nBody \x00 \u2028 it"
    await mailer(mail_server).send(replace(MAIL, subject=evil, text="First\r\n.\r\nQUIT\r\nlast"))
    (got,) = mail_server.received
    assert got.message["Subject"] == "Down Bcc: eve@example.com Body it"
    assert got.message["Bcc"] is None
    assert got.part("plain").split() == ["First", ".", "QUIT", "last"]


@pytest.mark.parametrize(
    "coded", ["=?utf-8?q?=0D=0ABcc:_eve@example.com?=", "=?utf-8?b?CkJjYzogZXZlQGV4YW1wbGUuY29t?="]
)
async def test_an_encoded_subject_stays_one(mail_server: MailServer, coded: str) -> None:
    """What looks like an encoded word is not taken apart: a line end in it would begin a header."""
    await mailer(mail_server).send(replace(MAIL, subject=f"Down {coded} again"))
    (got,) = mail_server.received
    assert got.message["Bcc"] is None
    assert got.message["Subject"] == f"Down {coded} again".replace("=?", "= ?")


@pytest.mark.parametrize(("answer", "permanent"), [("554 Looks like spam", True), ("452 Disk full", False)])
async def test_content_is_refused(mail_server: MailServer, answer: str, permanent: bool) -> None:
    """What the server answers is certain: refused for good, or for now."""
    mail_server.bad_days = [answer]
    with pytest.raises(Undeliverable, match=f"content_refused: {answer}") as problem:
        await mailer(mail_server).send(MAIL)
    assert (problem.value.permanent, problem.value.maybe_done) == (permanent, False)


async def test_a_sender_that_is_refused_waits(mail_server: MailServer) -> None:
    """An operator mends SMTP_FROM: until then nothing is given up."""
    mail_server.sender_refusal = "553 Not yours"
    with pytest.raises(Undeliverable, match="sender_refused: 553") as problem:
        await mailer(mail_server).send(MAIL)
    assert not problem.value.permanent


async def test_gone_in_the_middle(mail_server: MailServer) -> None:
    """A server that goes away in mid-DATA leaves a doubt."""
    mail_server.bad_days = ["drop"]
    with pytest.raises(Undeliverable) as problem:
        await mailer(mail_server).send(MAIL)
    assert (problem.value.maybe_done, problem.value.permanent) == (True, False)


async def test_nobody_there() -> None:
    """Where nothing listens, nothing left."""
    with pytest.raises(Undeliverable) as problem:
        await SmtpMailer("127.0.0.1", 1, sender=SENDER, timeout_seconds=5).send(MAIL)
    assert (problem.value.maybe_done, problem.value.permanent) == (False, False)


async def test_a_server_that_hangs() -> None:
    """Who says nothing is left after a while; nothing went, and only a few wait for it at a time."""

    async def says_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(says_nothing, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        sender = SmtpMailer("127.0.0.1", port, sender=SENDER, timeout_seconds=0.5, busy_seconds=0.05)
        ends = await asyncio.gather(*(sender.send(MAIL) for _ in range(6)), return_exceptions=True)
    problems = [end for end in ends if isinstance(end, Undeliverable)]
    assert len(problems) == 6
    assert not any(problem.maybe_done or problem.permanent for problem in problems)
    assert sum(problem.error.startswith("busy") for problem in problems) == 2


@given(subject=st.text(max_size=300), text=st.text(max_size=400), part=st.sampled_from(["", "update-123456"]))
def test_any_words_make_one_message(subject: str, text: str, part: str) -> None:
    """Whatever is in subject and text, the message has exactly our headers, and ids in one piece."""
    made = SmtpMailer("h", 25, sender=SENDER)
    mail = replace(MAIL, subject=subject, text=text, part=part, era="1763629200")
    read = message_from_bytes(made.written(mail, ["ann@example.com"]), policy=default)
    wanted = {"From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"}
    assert set(read.keys()) == wanted | ({"In-Reply-To", "References"} if part else set())
    assert len(read.keys()) == len(set(read.keys()))
    assert read["Message-ID"].startswith("<inc-42")
    assert [one.get_content_type() for one in read.walk()] == ["multipart/alternative", "text/plain", "text/html"]


@given(st.text(max_size=200))
def test_html_is_inert(text: str) -> None:
    """No tag comes out of words but those that we put there."""
    tags = {"<html>", "<p>", "</p>", "<br>", "</body>", "</html>", "</a>", '<body style="font-family: sans-serif">'}
    rest = as_html(text)
    for tag in tags:
        rest = rest.replace(tag, "")
    assert rest.count("<") == rest.count('<a href="http')


def test_what_an_address_is() -> None:
    """One plain address, and no list, name or line end around it."""
    assert is_address("ann@example.com")
    assert not any(is_address(one) for one in ("ann", "a@b, c@d", "Ann <a@b>", "a@b\n", "é@b", "a b@c", ""))
    assert is_nowhere("ops@company.invalid")
    assert not is_nowhere("ops@notinvalid")
