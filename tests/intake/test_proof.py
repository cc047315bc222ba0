"""Who sent it: only the right secret, over these very bytes, proves anything."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings, strategies as st

from bot.domain.text.secret import Secret
from bot.intake import proof
from tests.intake.payloads import NOW, one
from tests.support.amazon import Amazon, certificate_of

SAMPLES = Path(__file__).parent / "samples" / "pagerduty"
VECTORS = json.loads((SAMPLES / "signature_vectors.json").read_text(encoding="utf-8"))
BODY = (SAMPLES / "incident.triggered.v3.json").read_bytes()
SECRETS = [Secret(secret) for secret in VECTORS["secrets"]]
TOPIC = "arn:aws:sns:us-west-2:123456789012:MyTopic"


def _basic(text: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(text.encode()).decode()}


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        ({"authorization": "Bearer tocsin_abc"}, "tocsin_abc"),
        ({"authorization": "bearer  tocsin_abc "}, "tocsin_abc"),
        (_basic("anybody:tocsin_abc"), "tocsin_abc"),
        (_basic(":tocsin:abc"), "tocsin:abc"),
        ({}, None),
        ({"authorization": ""}, None),
        ({"authorization": "Bearer"}, None),
        ({"authorization": "Bearer " + "x" * 5_000}, None),
        ({"authorization": "Bearer töken"}, None),
        ({"authorization": "Basic not base64"}, None),
        ({"authorization": "Basic " + base64.b64encode(b"no colon").decode()}, None),
        (_basic("user:"), None),
        ({"authorization": "Digest tocsin_abc"}, None),
    ],
)
def test_a_token_is_found_where_senders_put_it(headers: dict[str, str], token: str | None) -> None:
    """As bearer, or as the password of basic authentication, whatever the name."""
    assert proof.token(headers) == token


def test_alertmanager_sends_a_bearer_token() -> None:
    """The header as Alertmanager really wrote it."""
    path = SAMPLES.parent / "alertmanager" / "08_resolved_2alerts_bearer.headers.txt"
    lines = path.read_text(encoding="utf-8").split("\n")[1:]
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines) if value}
    assert proof.token(headers) == "s3cr3t-token"


@pytest.mark.parametrize("said", ["single", "rotating"])
def test_pagerduty_signs_with_the_old_secret_and_the_new(said: str) -> None:
    """While the secret is rotated both sign; one that we know is enough."""
    headers = {"x-pagerduty-signature": VECTORS[said]}
    assert proof.pagerduty(headers, BODY, SECRETS)
    assert proof.pagerduty(headers, BODY, SECRETS[:1])
    assert proof.pagerduty(headers, BODY, SECRETS[1:]) is (said == "rotating")


@pytest.mark.parametrize("said", [*VECTORS["must_reject"], "v1=", "v1=ü", ",", "v1=" + "0" * 100_000])
def test_pagerduty_does_not_sign_so(said: str) -> None:
    """Another digest, another version, nothing at all."""
    assert not proof.pagerduty({"x-pagerduty-signature": said}, BODY, SECRETS)


def test_a_changed_body_is_not_signed() -> None:
    """A byte more or less, and the signature is for something else."""
    headers = {"x-pagerduty-signature": VECTORS["rotating"]}
    assert not proof.pagerduty(headers, BODY + b" ", SECRETS)
    assert not proof.pagerduty(headers, BODY, [])
    assert not proof.pagerduty({}, BODY, SECRETS)


def test_no_secret_is_no_secret() -> None:
    """An empty secret, as an unset variable leaves it, accepts nobody."""
    signature = hmac.new(b"", BODY, hashlib.sha256).hexdigest()
    assert not proof.pagerduty({"x-pagerduty-signature": f"v1={signature}"}, BODY, [Secret("")])
    assert not proof.github({"x-hub-signature-256": f"sha256={signature}"}, BODY, [Secret("")])


def test_github_signs_as_it_documents() -> None:
    """The example of GitHub's documentation, “Validating webhook deliveries”."""
    said = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    secret = [Secret("an older one"), Secret("It's a Secret to Everybody")]
    assert proof.github({"x-hub-signature-256": said}, b"Hello, World!", secret)
    assert not proof.github({"x-hub-signature-256": said}, b"Hello, World", secret)
    assert not proof.github({"x-hub-signature-256": said.removeprefix("sha256=")}, b"Hello, World!", secret)
    assert not proof.github({"x-hub-signature": said}, b"Hello, World!", secret)
    assert not proof.github({}, b"Hello, World!", secret)


def test_sentry_signs_with_its_client_secret() -> None:
    """The digest alone, without a version before it."""
    said = hmac.new(b"client secret", BODY, hashlib.sha256).hexdigest()
    assert proof.sentry({"sentry-hook-signature": said}, BODY, [Secret("client secret")])
    assert not proof.sentry({"sentry-hook-signature": said}, BODY, [Secret("another")])
    assert not proof.sentry({}, BODY, [Secret("client secret")])


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("https://sns.us-west-2.amazonaws.com/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem", True),
        ("https://sns.us-gov-west-1.amazonaws.com/SimpleNotificationService-0.pem", True),
        ("https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-0.pem", True),
        ("http://sns.us-west-2.amazonaws.com/SimpleNotificationService-0.pem", False),
        ("https://sns.us-west-2.amazonaws.com/SimpleNotificationService-0.txt", False),
        ("https://sns.us-west-2.amazonaws.com/a/../b.pem", False),
        ("https://sns.us-west-2.amazonaws.com/x.pem?y=.pem", False),
        ("https://sns.us-west-2.amazonaws.com/x.pem#y", False),
        ("https://sns.us-west-2.amazonaws.com:8443/x.pem", False),
        ("https://sns.us-west-2.amazonaws.com@evil.example/x.pem", False),
        ("https://evil@sns.us-west-2.amazonaws.com/x.pem", False),
        ("https://sns.us-west-2.amazonaws.com.evil.example/x.pem", False),
        ("https://sns.evil.example/x.pem", False),
        ("https://s3.us-west-2.amazonaws.com/sns.us-west-2.amazonaws.com/x.pem", False),
        ("https://sns.us-west-2.amazonaws.com\\@evil.example/x.pem", False),
        ("https://sns.us-west-2.amazonaws.com/x.pem\n", False),
        ("https://SNS.us-west-2.amazonaws.com/x.pem", False),
        ("https://sns.amazonaws.com/x.pem", False),
        ("https://[sns.us-west-2.amazonaws.com/x.pem", False),
        (None, False),
        (["https://sns.us-west-2.amazonaws.com/x.pem"], False),
    ],
)
def test_a_certificate_comes_from_amazon_or_not_at_all(url: object, good: bool) -> None:
    """Only SNS's own host in some region, over https, and only a .pem."""
    assert proof.sns_certificate_url({"SigningCertURL": url}) == (url if good else None)


def _proves(body: dict[str, Any], certificate: bytes, topics: tuple[str, ...] = (TOPIC,)) -> bool:
    return proof.sns(body, certificate, topics=topics, received_at=NOW)


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("beginning", ["sns_notification", "sns_subscription", "the subscription has ended"])
def test_amazon_signs_all_that_it_sends(amazon: Amazon, beginning: str, version: str) -> None:
    """Notifications and confirmations, by SHA-1 and by SHA-256."""
    assert _proves(amazon.signed(one("cloudwatch", beginning).body, version), amazon.certificate)


def test_a_message_without_a_subject_is_signed_without_it(amazon: Amazon) -> None:
    """Absent or null, the subject is no part of what is signed."""
    body = one("cloudwatch", "sns_notification").copy()
    del body["Subject"]
    signed = amazon.signed(body)
    assert _proves(signed, amazon.certificate)
    assert _proves({**signed, "Subject": None}, amazon.certificate)
    assert not _proves({**signed, "Subject": "ALARM"}, amazon.certificate)


def test_what_is_signed_is_what_amazon_documents() -> None:
    """Names and values, each on its own line, in the order that the developer guide shows."""
    body = {
        "Type": "Notification",
        "MessageId": "m",
        "TopicArn": "t",
        "Subject": "s",
        "Message": "two\nlines",
        "Timestamp": "now",
    }
    expected = b"Message\ntwo\nlines\nMessageId\nm\nSubject\ns\nTimestamp\nnow\nTopicArn\nt\nType\nNotification\n"
    assert proof.sns_signed_text(body) == expected


@pytest.mark.parametrize("field", ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"])
@pytest.mark.parametrize("value", ["changed", None, 7, ["Message"], {}])
def test_a_changed_message_is_not_signed(amazon: Amazon, field: str, value: object) -> None:
    """Every signed field counts, and an odd one is not signed at all."""
    signed = amazon.signed(one("cloudwatch", "sns_notification").body)
    topics = (TOPIC, "changed")
    assert not _proves({**signed, field: value}, amazon.certificate, topics)


@pytest.mark.parametrize("field", ["Signature", "SignatureVersion", "SigningCertURL"])
@pytest.mark.parametrize("value", ["", "3", "%%%", None, 1, ["1"], "https://evil.example/x.pem"])
def test_an_odd_signature_proves_nothing(amazon: Amazon, field: str, value: object) -> None:
    """Another version, no base64, somebody else's certificate."""
    signed = amazon.signed(one("cloudwatch", "sns_notification").body)
    assert not _proves({**signed, field: value}, amazon.certificate)


def test_another_topic_is_somebody_elses(amazon: Amazon) -> None:
    """Anybody with an account at Amazon can have it sign: the topic must be ours."""
    signed = amazon.signed(one("cloudwatch", "sns_notification").body)
    assert not _proves(signed, amazon.certificate, ("arn:aws:sns:us-west-2:123456789012:Another",))
    assert not _proves(signed, amazon.certificate, ())


def test_another_certificate_proves_nothing(amazon: Amazon) -> None:
    """Another key, one not in force, one of another kind, or no certificate."""
    signed = amazon.signed(one("cloudwatch", "sns_notification").body)
    day = timedelta(days=1)
    curve = certificate_of(ec.generate_private_key(ec.SECP256R1()), NOW - day, NOW + day)
    past, future = NOW - 2 * day, NOW + 2 * day
    for certificate in (Amazon().certificate, curve, b"", b"-----BEGIN CERTIFICATE-----\nx\n", b"\xff" * 100):
        assert not _proves(signed, certificate)
    for begins, ends in ((past, NOW - day), (NOW + day, future)):
        assert not _proves(signed, certificate_of(amazon.key, begins, ends))


@settings(max_examples=200)
@given(st.dictionaries(st.sampled_from(["Type", "Message", "TopicArn", "SigningCertURL", "Signature"]), st.text()))
def test_no_message_breaks_the_proof(body: dict[str, Any]) -> None:
    """Whatever comes, the answer is no."""
    assert not _proves(body, b"no certificate", ("",))


@settings(max_examples=200)
@given(said=st.text(), body=st.binary(max_size=50))
def test_no_header_breaks_the_proof(said: str, body: bytes) -> None:
    """Whatever the headers are, the answer is no or no token."""
    for name in ("authorization", "x-pagerduty-signature", "x-hub-signature-256", "sentry-hook-signature"):
        headers = {name: said}
        assert not proof.pagerduty(headers, body, SECRETS)
        assert not proof.github(headers, body, SECRETS)
        assert not proof.sentry(headers, body, SECRETS)
        found = proof.token({"authorization": f"Bearer {said}"})
        assert found is None or found.isascii()
        proof.token({"authorization": f"Basic {said}"})
