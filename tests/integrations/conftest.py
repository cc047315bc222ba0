"""A certificate authority of the test's own, and real counterparts that show its certificates."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme

from tests.support.mail_server import MailServer
from tests.support.pagerduty import PagerDutyStandIn


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """For a server on 127.0.0.1 that everybody trusts who honours SSL_CERT_FILE."""
    trusted = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(trusted)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    return serving(authority)


def serving(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


@pytest.fixture
async def pagerduty(tls: ssl.SSLContext) -> AsyncIterator[PagerDutyStandIn]:
    async with PagerDutyStandIn().serving(tls) as stand_in:
        yield stand_in


@pytest.fixture
async def mail_server(tls: ssl.SSLContext) -> AsyncIterator[MailServer]:
    """With STARTTLS, and without asking for a login."""
    async with MailServer(tls=tls).serving() as server:
        yield server
