"""Real counterparts of the bot's clients, which show a certificate of the test's own."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator

import pytest

from tests.support.mail_server import MailServer


@pytest.fixture
async def mail_server(tls: ssl.SSLContext) -> AsyncIterator[MailServer]:
    """With STARTTLS, and without asking for a login."""
    async with MailServer(tls=tls).serving() as server:
        yield server
