"""Whom a severity tells by e-mail: told once, over a real mail mail_server and whatever it does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from bot.integrations.email import SmtpMailer
from bot.ports import Database, Mailer
from bot.services.admin import readiness
from bot.services.incidents import email as incident_email
from bot.services.messaging import email
from bot.services.messaging.email import WrittenEmail
from bot.services.workspace import people
from bot.store.incidents import incidents as store
from bot.store.tables.audit import audit_log
from bot.store.tables.queue import deliveries as table
from tests.support.catalogues import catalogue, templates
from tests.support.clock import HandClock
from tests.support.mail_server import MailServer, Received
from tests.support.story import Story, told, worker_of

PAYMENTS = """
service: payments
name: Payments
default_severity: S1
severities:
  - {key: S1, name: Urgent, notify: ["email:ops", "email:team:management"]}
  - {key: S2, name: Normal, notify: ["email:nobody"]}
contacts:
  ops: {email: [ann@example.com, bob@example.com, ops@company.invalid]}
  nobody: {email: [ops@company.invalid]}
"""
ORG = "teams: {management: [U0DAN]}"


def speaking(mail_server: MailServer) -> SmtpMailer:
    return SmtpMailer("127.0.0.1", mail_server.port, sender="Tocsin <tocsin@example.com>", timeout_seconds=30)


@asynccontextmanager
async def installed(
    database: Database,
    clock: HandClock,
    folder: Path,
    mailer: Mailer | None,
    *,
    payments: str = PAYMENTS,
    **files: str,
) -> AsyncIterator[Story]:
    """An installation with this mailer, where Slack has said how Dan is reached."""
    folders = [catalogue(folder, org=ORG, payments=payments)]
    words = [templates(folder, **files)] if files else []
    async with told(database, clock, catalogue=folders, templates=words) as story:
        deps = replace(story.deps, mailer=mailer)
        story.worker = worker_of(deps)
        await people.remember(deps, {"id": "U0DAN", "name": "dan", "profile": {"email": "dan@example.com"}})
        yield story


@pytest.fixture
async def story(
    sqlite_database: Database, clock: HandClock, tmp_path: Path, mail_server: MailServer
) -> AsyncIterator[Story]:
    async with installed(sqlite_database, clock, tmp_path, speaking(mail_server)) as made:
        yield made


def by_address(mail_server: MailServer) -> list[Received]:
    """What arrived, by its first address: messages leave side by side."""
    return sorted(mail_server.received, key=lambda one: one.to[0])


async def settled(story: Story) -> list[tuple[str, str]]:
    """How each e-mail ended, and why."""
    async with story.deps.database.reading() as tx:
        rows = await tx.execute(select(table.c.state, table.c.error).where(table.c.method == email.METHOD))
        return [(row.state, row.error or "") for row in rows]


async def noted(story: Story, action: str) -> list[dict[str, Any]]:
    async with story.deps.database.reading() as tx:
        rows = await tx.execute(select(audit_log.c.detail).where(audit_log.c.action == action))
        return [dict(row.detail) for row in rows]


async def test_contacts_and_people_are_told(
    database: Database, clock: HandClock, tmp_path: Path, mail_server: MailServer
) -> None:
    """A contact's addresses and the people of a team each get one message, of what is known then; placeholders none."""
    async with installed(database, clock, tmp_path, speaking(mail_server)) as story:
        await story.declared("S1 payments card payments fail")
        first, second = by_address(mail_server)
        assert (first.to, second.to) == (["ann@example.com", "bob@example.com"], ["dan@example.com"])
        assert first.message["Subject"] == "[INC-1] card payments fail"
        assert first.message["From"] == "Tocsin <tocsin@example.com>"
        assert "S1 (Urgent) on Payments: card payments fail" in first.part("plain")
        assert "INC-1 was declared by ada at 09:00 UTC" in first.part("plain")
        assert "In Slack: http" in second.part("plain")
        assert '<a href="http' in second.part("html")
        assert first.message["Message-ID"].startswith("<inc-1@")


async def test_the_thread_goes_on(story: Story, mail_server: MailServer) -> None:
    """Updates and the end answer the first message, say what changed with people's names, and come once each."""
    room = await story.declared("S1 payments card payments fail")
    await story.types("Ada", "/incident update rolled back to <1.41> & watching", room)
    await say(story, "update", nth=1)
    await story.types("Ada", "/incident resolve It was the cache", room)
    first, update, end = [one.message for one in mail_server.received if one.to == ["dan@example.com"]]
    assert (update["Subject"], end["Subject"]) == ("Re: [INC-1] card payments fail",) * 2
    assert update["References"] == end["In-Reply-To"] == first["Message-ID"]
    assert len({first["Message-ID"], update["Message-ID"], end["Message-ID"]}) == 3
    said = [one.part("plain") for one in mail_server.received if one.to == ["dan@example.com"]]
    assert "rolled back to <1.41> & watching" in said[1]
    assert "It was the cache" in said[2]
    assert "<@" not in "".join(said)


async def say(story: Story, template: str, *, nth: int | None = None) -> None:
    async with story.deps.database.transaction() as tx:
        incident = await store.get(tx, 1)
        await incident_email.keep_posted(story.deps, tx, incident, template, nth=nth)
    await story.settle()


async def test_who_is_refused_is_noted(story: Story, mail_server: MailServer) -> None:
    """Two of three are written to; the third, whom the mail_server does not know, is in the audit log."""
    mail_server.refusals = {"bob@example.com": "550 No such user"}
    await story.declared("S1 payments card payments fail")
    assert [one.to for one in by_address(mail_server)] == [["ann@example.com"], ["dan@example.com"]]
    assert await noted(story, "email.refused") == [{"refused": ["bob@example.com: 550 No such user"]}]
    assert [state for state, _ in await settled(story)] == ["sent", "sent"]


async def test_who_is_refused_for_now_is_written_to_later(story: Story, mail_server: MailServer) -> None:
    """A greylisted address gets the same message later, and the others get it once."""
    mail_server.refusals = {"bob@example.com": "451 Greylisted"}
    await story.declared("S1 payments card payments fail")
    assert [one.to for one in by_address(mail_server)] == [["ann@example.com"], ["dan@example.com"]]
    mail_server.refusals = {}
    await story.fast_forward(minutes=10)
    assert [one.to for one in mail_server.received[2:]] == [["bob@example.com"]]
    assert {one.message["Message-ID"] for one in mail_server.received[2:]} == {
        mail_server.received[0].message["Message-ID"]
    }


async def test_an_outage_delays_and_loses_nothing(
    sqlite_database: Database, clock: HandClock, tmp_path: Path, mail_server: MailServer
) -> None:
    """With the mail mail_server away, Slack is told at once; when it is back, each message goes out once."""
    async with MailServer().serving() as gone:
        pass
    async with installed(sqlite_database, clock, tmp_path, speaking(gone)) as story:
        await story.declared("S1 payments card payments fail")
        assert {state for state, _ in await settled(story)} == {"ready"}
        await story.fast_forward(hours=3)
        async with gone.serving(gone.port):
            await story.fast_forward(minutes=30)
        assert [one.to[0] for one in by_address(gone)] == ["ann@example.com", "dan@example.com"]
        assert [state for state, _ in await settled(story)] == ["sent", "sent"]


async def test_slack_is_away(story: Story, mail_server: MailServer) -> None:
    """With Slack away there is nothing to link to; who is told by e-mail hears of it within the minute."""
    await story.fault("http_500", times=10_000)
    await story.types("Ada", "/incident declare S1 payments card payments fail")
    await story.fast_forward(seconds=40)
    assert [one.to[0] for one in by_address(mail_server)] == ["ann@example.com", "dan@example.com"]
    assert "In Slack" not in mail_server.received[0].part("plain")


async def test_a_server_that_goes_away_in_the_middle(story: Story, mail_server: MailServer) -> None:
    """What was cut off goes again; what was taken without an answer comes twice under one Message-ID, and never not."""
    mail_server.bad_days = ["drop", "taken, and drop"]
    await story.declared("S1 payments card payments fail")
    await story.fast_forward(minutes=5)
    ids = [one.message["Message-ID"] for one in mail_server.received if one.to == ["dan@example.com"]]
    assert (len(mail_server.received), mail_server.tried) == (3, 4)
    assert len(set(ids)) == 1
    assert [state for state, _ in await settled(story)] == ["sent", "sent"]


async def test_mail_is_refused_for_good(story: Story, mail_server: MailServer) -> None:
    """Content that the mail_server never takes is given up aloud: in the log and in the audit log."""
    mail_server.bad_days = ["554 Looks like spam"] * 2
    await story.declared("S1 payments card payments fail")
    assert [state for state, _ in await settled(story)] == ["failed", "failed"]
    assert [one["error"] for one in await noted(story, "delivery.failed")] == [
        "content_refused: 554 Looks like spam"
    ] * 2


async def test_nobody_to_write_to(story: Story, mail_server: MailServer) -> None:
    """A contact of placeholders alone is written to by nobody, and that is no failure."""
    await story.declared("S2 payments slow")
    ((state, why),) = await settled(story)
    assert (state, mail_server.tried) == ("dropped", 0)
    assert "nobody" in why


async def test_without_a_mail_server(sqlite_database: Database, clock: HandClock, tmp_path: Path) -> None:
    """Where e-mail is not set up, declaring works as ever, and the log says which variable is missing."""
    async with installed(sqlite_database, clock, tmp_path, None) as story:
        await story.declared("S1 payments card payments fail")
        assert {state for state, _ in await settled(story)} == {"dropped"}
        assert "SMTP_SERVER" in (await settled(story))[0][1]


async def test_a_private_incident_writes_to_nobody(story: Story, mail_server: MailServer) -> None:
    """What is private stays in its channel: neither its beginning nor its end is mailed."""
    await story.declared("private S1 payments a key leaked")
    await say(story, "resolved")
    assert (mail_server.tried, await settled(story)) == (0, [])


async def test_an_operators_own_words(
    sqlite_database: Database, clock: HandClock, tmp_path: Path, mail_server: MailServer
) -> None:
    """A service's template comes before the packaged one, and a title cannot write headers into it."""
    files = {"email/payments/declared/subject.txt": "{{ incident.severity }}: {{ incident.title }}"}
    async with installed(sqlite_database, clock, tmp_path, speaking(mail_server), **files) as story:
        await story.declared("S1 payments <b>down</b> Bcc: eve@example.com")
        assert mail_server.received[0].message["Subject"] == "S1: <b>down</b> Bcc: eve@example.com"
        assert "&lt;b&gt;down" in mail_server.received[0].part("html")


async def test_words_that_stand_already(story: Story, mail_server: MailServer) -> None:
    """What a runbook's step writes goes out as it is, once for its key."""
    for _ in range(2):
        async with story.deps.database.transaction() as tx:
            mail = WrittenEmail(to=["U0DAN"], service="payments", title="Backup", text="Done")
            await email.write(story.deps, tx, "RUN-7", mail, "step")
    await story.settle()
    (got,) = mail_server.received
    assert (got.message["Subject"], got.part("plain").strip(), got.to) == ("Backup", "Done", ["dan@example.com"])
    assert got.message["References"] == "<run-7@example.com>"


# --- what people are told of it ---------------------------------------------------------------------------------------


async def lines(story: Story, channel: str, about: str = "e-mail") -> list[str]:
    return [text for text in await story.by_the_bot(channel) if about in text]


async def test_people_read_who_was_not_reached(
    database: Database, clock: HandClock, tmp_path: Path, mail_server: MailServer
) -> None:
    """A refused address and a person without one stand in the incident's channel, once, whatever follows by mail."""
    mail_server.refusals = {"bob@example.com": "550 No such <user>"}
    async with installed(database, clock, tmp_path, speaking(mail_server)) as story:
        await people.remember(story.deps, {"id": "U0DAN", "name": "dan", "deleted": True})
        room = await story.declared("S1 payments card payments fail")
        await story.types("Ada", "/incident update rolled back", room)
        await story.types("Ada", "/incident update it holds", room)
        missed = "The e-mail about INC-1 did not reach bob@example.com (550 No such &lt;user&gt;). The others have it."
        nobody = [line for line in await lines(story, room) if "did not go out" in line]
        assert [line for line in await lines(story, room) if "did not reach" in line] == [missed]
        assert "<@U0DAN>: no address is known" in nobody[0]


async def test_reopened_and_resolved_again(story: Story, mail_server: MailServer) -> None:
    """Who read that it is resolved reads that it is not, and later that it is; each is a message of its own."""
    room = await story.declared("S1 payments card payments fail")
    await story.types("Ada", "/incident resolve It was the cache", room)
    story.clock.advance(minutes=5)
    await story.types("Ada", "/incident reopen", room)
    story.clock.advance(minutes=5)
    await story.types("Ada", "/incident resolve It was the proxy", room)
    mine = [one for one in mail_server.received if one.to == ["dan@example.com"]]
    said = [one.part("plain") for one in mine]
    assert ["is resolved" in said[1], "is open again: investigating" in said[2], "the proxy" in said[3]] == [True] * 3
    assert len({one.message["Message-ID"] for one in mine}) == 4
    assert {one.message["In-Reply-To"] for one in mine[1:]} == {mine[0].message["Message-ID"]}


async def test_what_was_overtaken_is_not_sent(
    sqlite_database: Database, clock: HandClock, tmp_path: Path, mail_server: MailServer
) -> None:
    """After an outage the newest of the bot's own updates goes out, and not that it was resolved when it is not."""
    async with MailServer().serving() as gone:
        pass
    update = PAYMENTS.replace("name: Urgent,", "name: Urgent, update_every: 30m,")
    async with installed(sqlite_database, clock, tmp_path, speaking(gone), payments=update) as story:
        room = await story.declared("S1 payments card payments fail")
        await story.fast_forward(hours=2)
        await story.types("Ada", "/incident resolve It was the cache", room)
        await story.types("Ada", "/incident reopen", room)
        async with gone.serving(gone.port):
            await story.fast_forward(minutes=5)
        said = [one.part("plain") for one in gone.received if one.to == ["dan@example.com"]]
        assert len(said) == 3
        assert not any("is resolved" in text for text in said)


async def test_an_outage_is_said_once(
    sqlite_database: Database, clock: HandClock, tmp_path: Path, mail_server: MailServer
) -> None:
    """Where mail does not go out for half a minute, the incident reads it once, and that it is tried again."""
    async with MailServer().serving() as gone:
        pass
    async with installed(sqlite_database, clock, tmp_path, speaking(gone)) as story:
        room = await story.declared("S1 payments card payments fail")
        await story.fast_forward(minutes=30)
        (line,) = await lines(story, room)
        assert line.startswith("The e-mail about INC-1 has not gone out yet: SMTPConnectError")
        assert line.endswith("It is tried again.")


async def test_what_is_given_up_is_said(story: Story, mail_server: MailServer) -> None:
    """Content that no mail_server takes: the incident's channel reads to whom nothing went, and why."""
    mail_server.bad_days = ["554 Looks like spam"] * 2
    room = await story.declared("S1 payments card payments fail")
    said = sorted(await lines(story, room))
    why = "did not go out: content_refused: 554 Looks like spam."
    assert said == [f"The e-mail about INC-1 to ops {why}", f"The e-mail about INC-1 to team:management {why}"]
    assert story.alarm.heard == []


async def test_a_server_is_missing(sqlite_database: Database, clock: HandClock, tmp_path: Path) -> None:
    """The alerts channel reads once that SMTP_SERVER is not set, however many messages there would be."""
    async with installed(sqlite_database, clock, tmp_path, None) as story:
        room = await story.declared("S1 payments card payments fail")
        await story.types("Ada", "/incident update rolled back", room)
        assert await lines(story, "ops-alerts", "SMTP") == [email.NEEDS_A_SERVER]
        assert email.NEEDS_A_SERVER in (await readiness.look(story.deps, None)).notes


POLICY = (
    PAYMENTS.replace("notify:", "escalation_policy: urgent, notify:", 1).replace(
        '"email:ops", "email:team:management"', ""
    )
    + """
escalation_policies:
  urgent: {steps: [{after: 1m, unless: acknowledged, notify: ["email:team:management"]}]}
"""
)


async def test_an_escalations_mail_that_fails_for_good_is_an_alarm(
    sqlite_database: Database, clock: HandClock, tmp_path: Path, mail_server: MailServer
) -> None:
    """A step of an escalation policy is a promise: that its mail reaches nobody is said through the second channel."""
    mail_server.refusals = {"dan@example.com": "550 No such user"}
    async with installed(sqlite_database, clock, tmp_path, speaking(mail_server), payments=POLICY) as story:
        await story.declared("S1 payments card payments fail")
        await story.fast_forward(minutes=2)
        what = "the e-mail to team:management that its escalation policy promised"
        assert f"INC-1: {what} did not go out: dan@example.com: 550 No such user." in story.alarm.heard


async def test_an_escalations_mail_waits_for_nobody_who_is_on_it(
    sqlite_database: Database, clock: HandClock, tmp_path: Path
) -> None:
    """Mail that an outage held up is not sent when somebody has acknowledged meanwhile."""
    async with MailServer().serving() as gone:
        pass
    async with installed(sqlite_database, clock, tmp_path, speaking(gone), payments=POLICY) as story:
        await story.declared("S1 payments card payments fail")
        await story.fast_forward(minutes=2)
        assert [state for state, _ in await settled(story)] == ["ready"]
        await story.types("Ben", "/incident ack INC-1")
        async with gone.serving(gone.port):
            await story.fast_forward(minutes=5)
        assert gone.received == []
        ((state, why),) = await settled(story)
        assert (state, why) == ("dropped", "INC-1 is acknowledged by now.")
