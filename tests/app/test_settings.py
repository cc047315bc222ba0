"""The variables of PagerDuty and e-mail: read, checked, and secrets also from files."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.domain.errors import Misconfigured
from bot.domain.text.secret import Secret
from bot.settings import Settings

WHOLE = {
    "PAGERDUTY_API_KEY": "k3y",
    "PAGERDUTY_FROM": "tocsin@example.com",
    "PAGERDUTY_ROUTING_KEY": "r0uting",
    "PAGERDUTY_WEBHOOK_SECRET": "s3cret",
    "PAGERDUTY_API_URL": "https://api.eu.pagerduty.com/",
    "PAGERDUTY_EVENTS_URL": "https://events.eu.pagerduty.com",
    "GITHUB_WEBHOOK_SECRET": "h00k",
    "SENTRY_WEBHOOK_SECRET": "s3ntry",
    "TOCSIN_SNS_TOPICS": "arn:aws:sns:us-west-2:123456789012:alarms",
    "SMTP_SERVER": "mail.example.com:587",
    "SMTP_USERNAME": "tocsin",
    "SMTP_PASSWORD": "p4ss",
    "SMTP_FROM": "Tocsin <tocsin@example.com>",
    "SMTP_STARTTLS": "Required",
}
SECRETS = ["PAGERDUTY_API_KEY", "PAGERDUTY_ROUTING_KEY", "PAGERDUTY_WEBHOOK_SECRET", "SMTP_PASSWORD"]
SECRETS += ["GITHUB_WEBHOOK_SECRET", "SENTRY_WEBHOOK_SECRET"]


def test_read_and_normalised() -> None:
    """Every variable that is set ends up in its field, in one spelling."""
    settings = Settings.read(WHOLE)
    assert settings.pagerduty_api_url == "https://api.eu.pagerduty.com"
    assert settings.smtp_server == ("mail.example.com", 587)
    assert (settings.smtp_username, settings.smtp_password) == ("tocsin", Secret("p4ss"))
    assert (settings.smtp_from, settings.smtp_starttls) == ("Tocsin <tocsin@example.com>", "required")
    assert Settings.read({**WHOLE, "SMTP_SERVER": "[::1]:25"}).smtp_server == ("::1", 25)


def test_several_secrets_count_while_they_are_changed(tmp_path: Path) -> None:
    """With commas, blanks or lines between them; each once, and none of them prints."""
    file = tmp_path / "secrets"
    file.write_text("new\nold\n")
    settings = Settings.read({"GITHUB_WEBHOOK_SECRET": "new, old new", "SENTRY_WEBHOOK_SECRET_FILE": str(file)})
    assert settings.github_webhook_secret == settings.sentry_webhook_secret == (Secret("new"), Secret("old"))
    assert "old" not in repr(settings.github_webhook_secret)
    topics = {"TOCSIN_SNS_TOPICS": "arn:aws:sns:eu-west-1:123456789012:a, arn:aws:sns:eu-west-1:123456789012:b.fifo"}
    assert len(Settings.read(topics).sns_topics) == 2


@pytest.mark.parametrize("name", SECRETS)
def test_every_secret_reads_from_a_file(name: str, tmp_path: Path) -> None:
    """NAME_FILE gives the secret that is in a file, and it never prints."""
    file = tmp_path / "secret"
    file.write_text("fr0m-file\n")
    given = {key: value for key, value in WHOLE.items() if key != name} | {f"{name}_FILE": str(file)}
    settings = Settings.read(given)
    found = getattr(settings, name.lower())
    assert found == ((Secret("fr0m-file"),) if "WEBHOOK" in name else Secret("fr0m-file"))
    assert "fr0m-file" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PAGERDUTY_API_KEY", "two words"),
        ("PAGERDUTY_FROM", "Tocsin"),
        ("PAGERDUTY_API_URL", "http://api.pagerduty.com"),
        ("PAGERDUTY_EVENTS_URL", "events.pagerduty.com"),
        ("SMTP_SERVER", "mail.example.com"),
        ("SMTP_SERVER", "mail.example.com:smtp"),
        ("SMTP_SERVER", "smtp://mail.example.com:25"),
        ("SMTP_FROM", "Tocsin"),
        ("SMTP_FROM", "tocsin@company.invalid"),
        ("SMTP_STARTTLS", "perhaps"),
        ("TOCSIN_SNS_TOPICS", "alarms"),
    ],
)
def test_malformed_value_is_one_sentence(name: str, value: str) -> None:
    """A value of the wrong shape is refused in one sentence that names its variable."""
    with pytest.raises(Misconfigured) as problem:
        Settings.read({**WHOLE, name: value})
    assert name in problem.value.sentence
    assert "\n" not in problem.value.sentence


@pytest.mark.parametrize("name", ["PAGERDUTY_FROM", "SMTP_FROM", "SMTP_PASSWORD", "SMTP_USERNAME"])
def test_what_goes_together(name: str) -> None:
    """Where one variable needs another, its absence is a sentence at the start."""
    with pytest.raises(Misconfigured, match=name):
        Settings.read({key: value for key, value in WHOLE.items() if key != name})
