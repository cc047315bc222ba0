"""Amazon SNS as its listeners meet it: a key, a certificate at some address, and signed messages."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from bot.intake import proof
from tests.support.clock import START

TOPIC = "arn:aws:sns:us-west-2:123456789012:MyTopic"
WEEK = timedelta(days=7)
CERTIFICATE = "https://sns.us-west-2.amazonaws.com/SimpleNotificationService-0123.pem"
CONFIRM = f"https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=0123"


class Amazon:
    """A key and its certificate, and messages signed with it."""

    def __init__(
        self, *, begins: datetime = START - timedelta(days=9), ends: datetime = START + timedelta(days=9)
    ) -> None:
        self.key = rsa.generate_private_key(65537, 2048)
        self.certificate = certificate_of(self.key, begins, ends)
        self.asked: list[str] = []  # of it as a server
        self.answer: web.Response | None = None  # to the next request, in place of the right one

    def signed(self, body: dict[str, Any], version: str = "2") -> dict[str, Any]:
        body = {**body, "SignatureVersion": version}
        text = proof.sns_signed_text(body)
        assert text is not None
        digest = hashes.SHA256() if version == "2" else hashes.SHA1()  # noqa: S303 - Amazon's version 1
        signature = self.key.sign(text, padding.PKCS1v15(), digest)
        return {**body, "Signature": base64.b64encode(signature).decode()}

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Its addresses on loopback, over plain HTTP."""
        application = web.Application()
        application.router.add_get("/{path:.*}", self._answer)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path_qs)
        if self.answer is not None:
            answer, self.answer = self.answer, None
            return answer
        return web.Response(body=self.certificate)


def certificate_of(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, begins: datetime, ends: datetime) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(begins).not_valid_after(ends)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
