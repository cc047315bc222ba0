"""What is set is there in the opened app, and what is not set is absent."""

from __future__ import annotations

from bot.app.build import build
from bot.integrations.email import SmtpMailer
from bot.integrations.pagerduty import PagerDuty
from bot.settings import Settings
from tests.app.test_settings import WHOLE


async def test_wired_where_set(sqlite_url: str) -> None:
    """An installation speaks to PagerDuty and to a mail server exactly where the operator named them."""
    bare = {"TOCSIN_DATABASE_URL": sqlite_url, "SLACK_BOT_TOKEN": "xoxb-1"}
    async with build(Settings.read({**bare, **WHOLE})) as app:
        assert isinstance(app.deps.pager, PagerDuty)
        assert isinstance(app.deps.mailer, SmtpMailer)
    async with build(Settings.read(bare)) as app:
        assert (app.deps.pager, app.deps.mailer) == (None, None)
