"""Who sent it: tokens and vendors' signatures, given the headers, the body as it came, and the secrets.

Header names are in lower case. Every secret may be several: the old one counts until it is taken away.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from bot.domain.text.secret import Secret

if TYPE_CHECKING:  # where it is used it is imported: it costs memory that only SNS needs
    from cryptography.hazmat.primitives.asymmetric import rsa

LONGEST_TOKEN = 1_000
LONGEST_HEADER = 8_000

_SNS_HOST = re.compile(r"sns\.[a-z]{2}(?:-[a-z]{2,12}){1,3}-[0-9]{1,2}\.amazonaws\.com(?:\.cn)?", re.ASCII)
_PEM = re.compile(r"/[A-Za-z0-9_-]{1,200}\.pem", re.ASCII)
_SIGNED_OF_A_NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_SIGNED_OF_A_SUBSCRIPTION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
_SIGNED = {
    "Notification": _SIGNED_OF_A_NOTIFICATION,
    "SubscriptionConfirmation": _SIGNED_OF_A_SUBSCRIPTION,
    "UnsubscribeConfirmation": _SIGNED_OF_A_SUBSCRIPTION,
}
_MAY_BE_ABSENT = frozenset({"Subject"})
_HASHES = {
    "1": "SHA1",  # Amazon's default; the topic's owner can set version 2
    "2": "SHA256",
}


def token(headers: Mapping[str, str]) -> str | None:
    """`Authorization: Bearer`, or the password of basic authentication."""
    scheme, _, value = headers.get("authorization", "")[:LONGEST_HEADER].strip().partition(" ")
    match scheme.lower():
        case "bearer":
            return _plausible(value.strip())
        case "basic":
            return _plausible(_password(value.strip()))
    return None


def pagerduty(headers: Mapping[str, str], body: bytes, secrets: Iterable[Secret]) -> bool:
    """`X-PagerDuty-Signature`: while PagerDuty rotates its secret, several `v1=` with commas between them."""
    said = headers.get("x-pagerduty-signature", "")[:LONGEST_HEADER].split(",")
    signatures = [one.strip().removeprefix("v1=") for one in said if one.strip().startswith("v1=")]
    return _signed(signatures, body, secrets)


def github(headers: Mapping[str, str], body: bytes, secrets: Iterable[Secret]) -> bool:
    """`X-Hub-Signature-256`. The older one, of SHA-1, does not count."""
    said = headers.get("x-hub-signature-256", "").strip()
    return said.startswith("sha256=") and _signed([said.removeprefix("sha256=")], body, secrets)


def sentry(headers: Mapping[str, str], body: bytes, secrets: Iterable[Secret]) -> bool:
    """`Sentry-Hook-Signature`, with the integration's client secret."""
    said = headers.get("sentry-hook-signature", "").strip()
    return _signed([said] if said else [], body, secrets)


def is_sns(url: object) -> bool:
    """https, its host in some region, no port, name or password."""
    if not isinstance(url, str) or len(url) > LONGEST_HEADER or not url.isascii() or not url.isprintable():
        return False
    if "\\" in url or " " in url:
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "https" and _SNS_HOST.fullmatch(parts.netloc) is not None and not parts.fragment


def sns_certificate_url(payload: Mapping[str, Any]) -> str | None:
    """None: not at Amazon's, so the message proves nothing."""
    url = payload.get("SigningCertURL") or payload.get("SigningCertUrl")
    if not isinstance(url, str) or not is_sns(url):
        return None
    parts = urlsplit(url)
    return url if _PEM.fullmatch(parts.path) and not parts.query else None


def sns(payload: Mapping[str, Any], certificate: bytes, *, topics: Collection[str], received_at: datetime) -> bool:
    """Whether Amazon signed this message of one of our topics.

    The certificate must have come from `sns_certificate_url`, over https. Its signature says that Amazon sent the
    message, for anybody who has an account there: the topic says for whom.
    """
    if sns_certificate_url(payload) is None or payload.get("TopicArn") not in topics:
        return False
    version, signature = payload.get("SignatureVersion"), _decoded(payload.get("Signature"))
    digest = _HASHES.get(version) if isinstance(version, str) else None
    key, text = _key(certificate, received_at), sns_signed_text(payload)
    if digest is None or signature is None or key is None or text is None:
        return False
    return _verifies(key, signature, text, digest)


def _verifies(key: rsa.RSAPublicKey, signature: bytes, text: bytes, digest: str) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    try:
        key.verify(signature, text, padding.PKCS1v15(), getattr(hashes, digest)())
    except InvalidSignature:
        return False
    return True


def sns_signed_text(payload: Mapping[str, Any]) -> bytes | None:
    """Names and values, each on its own line, in the order of the names."""
    kind = payload.get("Type")
    lines = []
    for name in _SIGNED.get(kind, ()) if isinstance(kind, str) else ():
        value = payload.get(name)
        if value is None and name in _MAY_BE_ABSENT:
            continue
        if not isinstance(value, str):
            return None
        lines += [name, value]
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "replace") or None


def _signed(signatures: Iterable[str], body: bytes, secrets: Iterable[Secret]) -> bool:
    """All are compared, in constant time."""
    given = [signature.encode("utf-8", "replace") for signature in signatures]
    right = [_hmac(secret.reveal(), body) for secret in secrets if secret.reveal()]
    return any([hmac.compare_digest(one, other) for one in given for other in right])  # noqa: C419 - none is skipped


def _hmac(secret: str, body: bytes) -> bytes:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest().encode()


def _plausible(found: str | None) -> str | None:
    return found if found and len(found) <= LONGEST_TOKEN and found.isascii() and found.isprintable() else None


def _password(encoded: str) -> str | None:
    _, colon, password = (_decoded(encoded) or b"").partition(b":")
    return password.decode("utf-8", "replace") if colon else None


def _decoded(text: object) -> bytes | None:
    if not isinstance(text, str):
        return None
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _key(pem: bytes, at: datetime) -> rsa.RSAPublicKey | None:
    """None where it is not in force."""
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.x509 import load_pem_x509_certificate

    try:
        certificate = load_pem_x509_certificate(pem)
        key = certificate.public_key()
    except Exception:  # noqa: BLE001 - of bytes from outside, the library raises more kinds than it documents
        return None
    is_in_force = certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc
    return key if isinstance(key, rsa.RSAPublicKey) and is_in_force else None
