"""What is set is there in the opened house, and what is not set is absent."""

from __future__ import annotations

from bot.app.build import build
from bot.integrations.email import SmtpMailer
from bot.integrations.pagerduty import PagerDuty
from bot.settings import Settings
from tests.app.test_settings import WHOLE


async def test_wired_where_set(sqlite_url: str) -> None:
    """An installation speaks to PagerDuty and to a mail server exactly where the operator named them."""
    bare = {"TOCSIN_DATABASE_URL": sqlite_url, "SLACK_BOT_TOKEN": "xoxb-1"}
    async with build(Settings.read({**bare, **WHOLE})) as house:
        assert isinstance(house.deps.pager, PagerDuty)
        assert isinstance(house.deps.mailer, SmtpMailer)
    async with build(Settings.read(bare)) as house:
        assert (house.deps.pager, house.deps.mailer) == (None, None)
