"""Vendors' own signatures, in place of an ingest token: PagerDuty, GitHub, Sentry, and Amazon SNS."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from bot.deps import Deps
from bot.domain.text.secret import Secret
from bot.intake import body as bodies, cloudwatch, github, pagerduty, proof, sentry
from bot.services.ingest import webhooks

LONGEST_OF_SNS = 2_000_000  # 256 kB of theirs, as JSON within JSON
SNS_HEADER = "x-amz-sns-message-type"
WISHES = ("SubscriptionConfirmation", "UnsubscribeConfirmation")

NOT_SET = "The message is signed, and {variable} is not set, so that proves nothing. Set it, or send an ingest token."
WRONG = "The signature does not fit. {variable} must be the secret that {vendor} signs with."
NO_TOPICS = "The message comes from Amazon SNS, and TOCSIN_SNS_TOPICS is not set. Name its topic there."
OTHER_TOPIC = "TOCSIN_SNS_TOPICS does not name the topic of this message."
NOT_AMAZON = "Amazon SNS has not signed this message."

Check = Callable[[Mapping[str, str], bytes, Iterable[Secret]], bool]


@dataclass(frozen=True)
class Signatures:
    """The secrets that vendors sign with: each may be several, since they are changed one after another."""

    pagerduty: tuple[Secret, ...] = ()
    github: tuple[Secret, ...] = ()
    sentry: tuple[Secret, ...] = ()


class Unsigned(Exception):
    """No signature came along."""


class Wrong(Exception):
    """The signature proves nothing; the message says why in a sentence."""


@dataclass(frozen=True)
class _Way:
    header: str
    check: Check
    variable: str
    called: str


_WAYS = {
    pagerduty.SOURCE: _Way("x-pagerduty-signature", proof.pagerduty, "PAGERDUTY_WEBHOOK_SECRET", "PagerDuty"),
    github.SOURCE: _Way("x-hub-signature-256", proof.github, "GITHUB_WEBHOOK_SECRET", "GitHub"),
    sentry.SOURCE: _Way("sentry-hook-signature", proof.sentry, "SENTRY_WEBHOOK_SECRET", "Sentry"),
}


async def must_fit(deps: Deps, signatures: Signatures, vendor: str, headers: Mapping[str, str], body: bytes) -> None:
    """Raises Unsigned, Wrong; Unclear where the body cannot be read; Undeliverable where Amazon cannot be asked."""
    way = _WAYS.get(vendor)
    if way and way.header in headers:
        await _must_fit(way, getattr(signatures, vendor), headers, body)
    elif vendor == cloudwatch.SOURCE and SNS_HEADER in headers:
        await _must_be_amazons(deps, body)
    else:
        raise Unsigned


async def fits(deps: Deps, signatures: Signatures, vendor: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether the vendor signed what came with a token: only then may it say more than that something fires.

    Amazon is asked about its own wishes only: no alarm with a token waits for its certificate. Raises as `must_fit`.
    """
    if vendor == cloudwatch.SOURCE and headers.get(SNS_HEADER) not in WISHES:
        return False
    try:
        await must_fit(deps, signatures, vendor, headers, body)
    except (Unsigned, Wrong):
        return False
    return True


async def _must_fit(way: _Way, secrets: tuple[Secret, ...], headers: Mapping[str, str], body: bytes) -> None:
    if not secrets:
        raise Wrong(NOT_SET.format(variable=way.variable))
    if len(body) < webhooks.LONG:
        fits = way.check(headers, body, secrets)
    else:
        fits = await asyncio.to_thread(way.check, headers, body, secrets)
    if not fits:
        raise Wrong(WRONG.format(variable=way.variable, vendor=way.called))


async def _must_be_amazons(deps: Deps, body: bytes) -> None:
    """The cheapest checks come first: a stranger's message makes the bot ask Amazon for nothing."""
    if deps.sns is None:
        raise Wrong(NO_TOPICS)
    if len(body) > LONGEST_OF_SNS:
        raise Wrong(NOT_AMAZON)
    if not any(topic.encode() in body for topic in deps.sns.topics):
        raise Wrong(OTHER_TOPIC)  # before any of it is read
    payload = bodies.loads(await asyncio.to_thread(bodies.text_of, body))
    topic = payload.get("TopicArn")
    if not isinstance(topic, str) or topic not in deps.sns.topics:
        raise Wrong(OTHER_TOPIC)
    url = proof.sns_certificate_url(payload)
    if url is None or not _same_region(topic, url):
        raise Wrong(NOT_AMAZON)
    certificate = await deps.sns.certificate(url)
    received_at = datetime.fromtimestamp(deps.clock.wall(), UTC)
    if not proof.sns(payload, certificate, topics=deps.sns.topics, received_at=received_at):
        raise Wrong(NOT_AMAZON)


def _same_region(topic: str, url: str) -> bool:
    return urlsplit(url).netloc.split(".")[1:2] == topic.split(":")[3:4]
