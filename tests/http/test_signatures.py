"""Vendors' signatures at the door: the right one opens it without a token, and every other is told what is wrong."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from aiohttp import web
from sqlalchemy import select

from bot.domain.alerts.alert import SubscriptionChange, SubscriptionRequest
from bot.domain.people.token import Scope
from bot.domain.text.secret import Secret
from bot.http.door import HttpDoor
from bot.http.signatures import Signatures
from bot.integrations.sns import FETCHES_A_MINUTE, AmazonSns
from bot.ports import Database
from bot.services.ingest import sns, webhooks
from bot.services.ingest.webhooks import Arrival
from bot.store.tables import queue as queue_tables
from tests.http.conftest import TokenFor, client_of
from tests.intake.payloads import one
from tests.support.amazon import CERTIFICATE, CONFIRM, TOPIC, Amazon
from tests.support.clock import HandClock
from tests.support.story import Story, told

BODY = json.dumps({"event": {"event_type": "pagey.ping", "data": {}}}).encode()
OLD, NEW = Secret("old"), Secret("new")
SIGNED = {
    "pagerduty": ("X-PagerDuty-Signature", "v1={}", "PAGERDUTY_WEBHOOK_SECRET"),
    "github": ("X-Hub-Signature-256", "sha256={}", "GITHUB_WEBHOOK_SECRET"),
    "sentry": ("Sentry-Hook-Signature", "{}", "SENTRY_WEBHOOK_SECRET"),
}
VENDORS = sorted(SIGNED)


def signed(vendor: str, body: bytes, *secrets: str) -> dict[str, str]:
    header, form, _ = SIGNED[vendor]
    found = [form.format(hmac.new(one.encode(), body, hashlib.sha256).hexdigest()) for one in secrets]
    return {header: ",".join(found)}


def door_of(story: Story, *secrets: Secret) -> HttpDoor:
    return HttpDoor(
        deps=lambda: story.deps, slack_trouble=lambda: None, signatures=Signatures(secrets, secrets, secrets)
    )


@pytest.fixture
async def api(story: Story) -> AsyncIterator[httpx.AsyncClient]:
    """Whose door knows an old secret and a new one of each vendor."""
    async with client_of(door_of(story, OLD, NEW)) as client:
        yield client


async def kept(story: Story) -> int:
    async with story.deps.database.reading() as tx:
        return len(
            list(await tx.execute(select(queue_tables.inbox.c.id).where(queue_tables.inbox.c.kind.like("hook:%"))))
        )


def refused(answer: httpx.Response, status: int = 401) -> str:
    assert answer.status_code == status, answer.text
    return str(answer.json()["detail"])


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_signature_in_place_of_a_token(vendor: str, story: Story, api: httpx.AsyncClient) -> None:
    """What is signed with the old secret or the new one needs no token."""
    for secret in ("old", "new"):
        story.clock.advance(seconds=1)
        answer = await api.post(f"/hooks/{vendor}", content=BODY, headers=signed(vendor, BODY, secret))
        assert answer.status_code == 202, answer.text
    assert await kept(story) == 2


async def test_pagerduty_signs_twice_while_it_changes_its_secret(story: Story) -> None:
    """One of several signatures in the header is enough."""
    async with client_of(door_of(story, NEW)) as api:
        headers = signed("pagerduty", BODY, "older", "new")
        assert (await api.post("/hooks/pagerduty", content=BODY, headers=headers)).status_code == 202


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_wrong_signature(vendor: str, story: Story, api: httpx.AsyncClient) -> None:
    """Another secret, another body or another vendor's signature: 401 with a sentence that names the variable."""
    variable = SIGNED[vendor][2]
    other = VENDORS[VENDORS.index(vendor) - 1]
    for headers in (signed(vendor, BODY, "stolen"), signed(vendor, BODY + b" ", "new")):
        answer = await api.post(f"/hooks/{vendor}", content=BODY, headers=headers)
        assert variable in refused(answer)
        assert answer.headers["www-authenticate"].startswith("Bearer")
    answer = await api.post(f"/hooks/{vendor}", content=BODY, headers=signed(other, BODY, "new"))
    assert "Send an ingest token" in refused(answer)
    answer = await api.post("/hooks/alertmanager", content=BODY, headers=signed(vendor, BODY, "new"))
    assert "Send an ingest token" in refused(answer)
    assert await kept(story) == 0


@pytest.mark.parametrize("vendor", VENDORS)
async def test_no_secret_is_set(vendor: str, story: Story) -> None:
    """Where the operator set no secret a signature proves nothing, not even one made with nothing."""
    async with client_of(door_of(story)) as api:
        said = refused(await api.post(f"/hooks/{vendor}", content=BODY, headers=signed(vendor, BODY, "")))
        assert said.startswith(f"The message is signed, and {SIGNED[vendor][2]} is not set")


async def test_a_token_is_enough(story: Story, api: httpx.AsyncClient, token_for: TokenFor) -> None:
    """Who sends a token is asked for nothing else; and a wrong token is not made up for by a signature."""
    good = await token_for("U0ADA", Scope.INGEST)
    assert (await api.post("/hooks/pagerduty", content=BODY, headers=good)).status_code == 202
    wrong = {"Authorization": "Bearer tocsin_wrong", **signed("pagerduty", BODY, "new")}
    assert "`tocsin token" in refused(await api.post("/hooks/pagerduty", content=BODY, headers=wrong))


async def test_a_long_body(api: httpx.AsyncClient) -> None:
    """Megabytes are checked beside everything else, with the same outcome."""
    body = json.dumps({"x": "y" * 3_000_000}).encode()
    answer = await api.post("/hooks/github", content=body, headers=signed("github", body, "new"))
    assert answer.status_code == 202
    refused(await api.post("/hooks/github", content=body, headers=signed("github", body, "stolen")))


async def test_a_signed_body_that_is_no_json(api: httpx.AsyncClient) -> None:
    """The right signature does not make it an object."""
    answer = await api.post("/hooks/sentry", content=b"[1]", headers=signed("sentry", b"[1]", "new"))
    assert "Send an object" in refused(answer, 400)


# --- Amazon SNS -------------------------------------------------------------------------------------------------------


@pytest.fixture
async def listening(sqlite_database: Database, clock: HandClock, amazon: Amazon) -> AsyncIterator[Story]:
    """An installation for which one topic counts, and which asks for certificates on loopback."""
    amazon.asked.clear()
    amazon.answer = None
    async with (
        amazon.serving() as url,
        told(sqlite_database, clock, parts={"sns": AmazonSns([TOPIC], at=url)}) as story,
    ):
        yield story


def alarm(**more: Any) -> dict[str, Any]:
    return {**one("cloudwatch", "sns_notification").body, "TopicArn": TOPIC, "SigningCertURL": CERTIFICATE, **more}


def wish(**more: Any) -> dict[str, Any]:
    found = one("cloudwatch", "sns_subscription").body
    return {**found, "TopicArn": TOPIC, "SigningCertURL": CERTIFICATE, "SubscribeURL": CONFIRM, **more}


async def posts(story: Story, payload: dict[str, Any]) -> httpx.Response:
    async with client_of(door_of(story)) as api:
        headers = {"x-amz-sns-message-type": str(payload.get("Type")), "content-type": "text/plain; charset=UTF-8"}
        return await api.post("/hooks/cloudwatch", content=json.dumps(payload).encode(), headers=headers)


async def test_a_topic_that_counts(listening: Story, amazon: Amazon) -> None:
    """What Amazon signed of a named topic is taken, and its certificate is asked for once."""
    for number in range(2):
        listening.clock.advance(seconds=1)
        answer = await posts(listening, amazon.signed(alarm(MessageId=f"m{number}")))
        assert answer.status_code == 202, answer.text
    assert amazon.asked == ["/SimpleNotificationService-0123.pem"]
    assert await kept(listening) == 2


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"TopicArn": TOPIC + "2"}, "does not name the topic"),
        ({"TopicArn": None}, "does not name the topic"),
        ({"SigningCertURL": "https://evil.example/SimpleNotificationService-0123.pem"}, "has not signed"),
        ({"SigningCertURL": "https://127.0.0.1/x.pem"}, "has not signed"),
        ({"SigningCertURL": CERTIFICATE.replace("us-west-2", "eu-west-1")}, "has not signed"),
    ],
)
async def test_strangers_make_us_ask_nobody(
    change: dict[str, Any], sentence: str, listening: Story, amazon: Amazon
) -> None:
    """Another topic, another host, another region: refused before anything is fetched."""
    assert sentence in refused(await posts(listening, {**amazon.signed(alarm()), **change}))
    assert amazon.asked == []


async def test_a_stranger_is_not_read(listening: Story) -> None:
    """What does not even name a topic of ours is refused before it is known to be JSON."""
    async with client_of(door_of(listening)) as api:
        headers = {"x-amz-sns-message-type": "Notification"}
        answer = await api.post("/hooks/cloudwatch", content=b"[" * 1_000_000, headers=headers)
    assert "does not name the topic" in refused(answer)


async def test_a_changed_message(listening: Story, amazon: Amazon) -> None:
    """A byte that Amazon did not sign, and it is refused."""
    assert "has not signed" in refused(await posts(listening, {**amazon.signed(alarm()), "Message": "All is well"}))
    assert await kept(listening) == 0


async def test_the_certificate_cannot_be_had(listening: Story, amazon: Amazon) -> None:
    """503, so that Amazon sends it again; no redirect is followed, and no endless answer is read."""
    moved = web.Response(status=302, headers={"Location": "http://127.0.0.1:1/x.pem"})
    for answer in (web.Response(status=500), moved, web.Response(body=b"x" * 200_000)):
        amazon.answer = answer
        said = await posts(listening, amazon.signed(alarm()))
        assert "cannot be fetched now" in refused(said, 503)
        assert said.headers["retry-after"]
    assert (await posts(listening, amazon.signed(alarm()))).status_code == 202


async def test_many_made_up_certificates(listening: Story, amazon: Amazon) -> None:
    """Addresses that strangers make up are asked for a few times a minute, whatever they send."""
    for number in range(FETCHES_A_MINUTE + 5):
        url = CERTIFICATE.replace("0123", str(number))
        await posts(listening, amazon.signed(alarm(SigningCertURL=url)))
    assert len(amazon.asked) == FETCHES_A_MINUTE


async def test_no_topic_is_named(story: Story, amazon: Amazon) -> None:
    """Without TOCSIN_SNS_TOPICS, a message of Amazon's needs a token."""
    assert "TOCSIN_SNS_TOPICS is not set" in refused(await posts(story, amazon.signed(alarm())))


async def test_a_subscription_is_confirmed_by_the_worker(listening: Story, amazon: Amazon) -> None:
    """The request is answered first; then the worker says yes, once, and the alerts channel reads of it."""
    message = amazon.signed(wish())
    for _ in range(2):
        assert (await posts(listening, message)).status_code == 202
        listening.clock.advance(seconds=1)
    assert amazon.asked == ["/SimpleNotificationService-0123.pem"]
    await listening.settle()
    assert amazon.asked[1:] == [CONFIRM.removeprefix("https://sns.us-west-2.amazonaws.com")]
    said = f"Alarms come in from {TOPIC}: its subscription is confirmed."
    assert [one for one in await listening.by_the_bot("ops-alerts") if "Alarms come in" in one] == [said]


async def test_a_subscription_while_amazon_is_away(listening: Story, amazon: Amazon) -> None:
    """A yes that did not get through is said again."""
    assert (await posts(listening, amazon.signed(wish()))).status_code == 202
    amazon.answer = web.Response(status=503)
    await listening.settle()
    assert len(amazon.asked) == 3


@pytest.mark.parametrize(
    "url",
    [
        "",
        CONFIRM.replace("sns.us-west-2.amazonaws.com", "evil.example"),
        CONFIRM.replace("sns.us-west-2.amazonaws.com", "127.0.0.1"),
        CONFIRM.replace("ConfirmSubscription", "DeleteTopic"),
        CONFIRM.replace("MyTopic", "Another"),
        CONFIRM.replace("https", "http"),
        f"{CONFIRM}&Action=Unsubscribe",
    ],
)
def test_what_is_followed(url: str) -> None:
    """Only an address of Amazon's that says yes to this very topic."""
    assert sns.confirms(SubscriptionRequest(SubscriptionChange.CONFIRM_SUBSCRIPTION, TOPIC, CONFIRM))
    assert not sns.confirms(SubscriptionRequest(SubscriptionChange.CONFIRM_SUBSCRIPTION, TOPIC, url))


async def test_a_token_does_not_confirm_another_topic(listening: Story, token_for: TokenFor, amazon: Amazon) -> None:
    """A topic that no operator named is never confirmed, no matter who sends it."""
    stranger = json.dumps(wish(TopicArn=f"{TOPIC}2", SubscribeURL=CONFIRM.replace("MyTopic", "MyTopic2")))
    for signed in (False, True):
        arrival = Arrival("cloudwatch", stranger, {}, listening.clock.wall(), signed=signed)
        await webhooks.store(listening.deps, arrival)
        listening.clock.advance(seconds=1)
    await listening.settle()
    assert amazon.asked == []


async def test_a_token_confirms_and_ends_nothing(listening: Story, token_for: TokenFor, amazon: Amazon) -> None:
    """Who has an ingest token speaks of alarms, not for Amazon; what Amazon signed counts beside a token, too."""
    token = await token_for("U0ADA", Scope.INGEST)
    async with client_of(door_of(listening)) as api:
        for kind, payload in (
            ("SubscriptionConfirmation", wish()),
            ("UnsubscribeConfirmation", wish(Type="UnsubscribeConfirmation")),
            ("Notification", wish()),
        ):
            listening.clock.advance(seconds=1)
            headers = {**token, "x-amz-sns-message-type": kind}
            assert (await api.post("/hooks/cloudwatch", json=payload, headers=headers)).status_code == 202
        await listening.settle()
        assert not [one for one in amazon.asked if "Action=" in one]
        assert not [one for one in await listening.by_the_bot("ops-alerts") if "Amazon SNS says" in one]
        headers = {**token, "x-amz-sns-message-type": "SubscriptionConfirmation"}
        answer = await api.post("/hooks/cloudwatch", content=json.dumps(amazon.signed(wish())), headers=headers)
        assert answer.status_code == 202
    await listening.settle()
    assert [one for one in amazon.asked if "Action=" in one]


async def test_the_end_of_a_subscription_is_said(listening: Story, amazon: Amazon) -> None:
    """When a topic sends nothing more, the alerts channel reads of it."""
    ended = {**one("cloudwatch", "the subscription has ended").body, "TopicArn": TOPIC, "SigningCertURL": CERTIFICATE}
    assert (await posts(listening, amazon.signed(ended))).status_code == 202
    await listening.settle()
    (said,) = [one for one in await listening.by_the_bot("ops-alerts") if "Amazon SNS says" in one]
    assert said.endswith(f"from {TOPIC}: its subscription has ended.")
