"""email {to, subject, text} -> reached missed. One message to all who are meant; who did not get it is said.

Its Message-ID names the step, not the attempt: sent twice, mail programs show it as one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from bot.domain.errors import Unclear, Undeliverable
from bot.domain.outgoing.mail import Mail, Sent
from bot.domain.people.recipients import Meant
from bot.domain.runs.outcome import Done, Failed, Outcome, Unknown
from bot.engine.steps import arguments as read
from bot.engine.steps.bounds import within
from bot.engine.steps.context import StepContext, StepRecipients

MAX_TEXT = 20_000
NOT_SET_UP = "E-mail is not set up: SMTP_SERVER is not set."


async def perform(arguments: Mapping[str, Any], context: StepContext) -> Outcome:
    recipients = context.recipients
    if recipients is None or recipients.mailer is None:
        raise Unclear(NOT_SET_UP)
    subject, text = read.text(arguments, "subject"), read.text(arguments, "text")
    meant = await _meant(arguments, recipients)
    if meant.is_private:
        raise Unclear("This run belongs to a private incident, of which nothing is written by e-mail.")
    if not subject.strip() or not text.strip():
        raise Unclear("The message is empty. Give it a subject and a text.")
    mail = _mail(meant, context, subject, text)
    try:
        sent = await within(context.timeout_seconds, recipients.mailer.send(mail))
    except TimeoutError:
        return Unknown(f"The message may have gone: no answer within {context.timeout_seconds:g} s.")
    except Undeliverable as problem:
        return _lost(problem, context)
    return _done(sent, meant, context)


async def _meant(arguments: Mapping[str, Any], recipients: StepRecipients) -> Meant:
    """Raises Unclear where nobody has an address."""
    to = read.text(arguments, "to")
    meant = await recipients.meant(to, arguments.get("contact"))
    if not meant.reach.addresses:
        raise Unclear(f"Nobody of {to[:100]} can be written to{_why(meant)}.")
    return meant


def _why(meant: Meant) -> str:
    missing = [
        *meant.reach.missing,
        *(f"{one}: Slack has not said how to reach them" for one in meant.reach.unavailable),
    ]
    return f" ({'; '.join(missing)})" if missing else ": there is no address but placeholders"


def _mail(meant: Meant, context: StepContext, subject: str, text: str) -> Mail:
    hide = context.masker.mask
    drill = "[Drill] " if meant.is_drill else ""
    return Mail(
        to=meant.reach.addresses,
        subject=f"{drill}{hide(subject)}",
        text=hide(text)[:MAX_TEXT],
        sent_at=datetime.fromtimestamp(context.clock.wall(), UTC),
        thread=meant.thread,
        era=meant.era,
        part=meant.part,
    )


def _lost(problem: Undeliverable, context: StepContext) -> Outcome:
    reason = context.short(problem.error.rstrip("."))
    if problem.maybe_done:
        return Unknown(f"The message may have gone: {reason}.")
    return Failed(f"The message did not go out: {reason}.", certain=True)


def _done(sent: Sent, meant: Meant, context: StepContext) -> Outcome:
    told = [str(no) for no in sent.refused if not no.is_placeholder]
    missed = [context.short(one.rstrip(".")) for one in (*told, *meant.reach.missing)]
    missed += [f"{one}: Slack has not said how to reach them" for one in meant.reach.unavailable]
    output = f"Sent to {', '.join(sent.accepted)}."
    context.write(output + "\n")
    sentence = f"It did not reach {'; '.join(missed)}." if missed else ""
    return Done({"reached": list(sent.accepted), "missed": missed}, output, sentence)
