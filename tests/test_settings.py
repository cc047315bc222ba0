"""The environment: defaults, files, and one sentence for each mistake."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from bot.domain.errors import Misconfigured
from bot.domain.text.secret import Secret
from bot.settings import Settings


def test_empty_environment_has_every_default() -> None:
    """With nothing set, the bot runs on SQLite in this folder and listens on loopback."""
    settings = Settings.read({})
    assert settings == Settings()
    assert settings.on_sqlite
    assert (settings.http_host, settings.http_port) == ("127.0.0.1", 8080)


def test_values_are_read_and_normalised(tmp_path: Path) -> None:
    """Every variable that is set ends up in its field, in one spelling."""
    settings = Settings.read(
        {
            "TOCSIN_DATABASE_URL": "postgresql://u:p@db/tocsin",
            "SLACK_BOT_TOKEN": "xoxb-1",
            "SLACK_API_URL": "http://127.0.0.1:3000/api",
            "TOCSIN_PUBLIC_URL": "https://tocsin.example/",
            "TOCSIN_CATALOG": f"{tmp_path}:{tmp_path}",
            "TOCSIN_INCIDENTS_CHANNEL": "#war-room",
            "TOCSIN_CLOCK_SPEED": "2.5",
            "TOCSIN_API_PUBLIC_READ": "1",
            "TOCSIN_LOG_FORMAT": "Console",
        }
    )
    assert not settings.on_sqlite
    assert settings.slack_api_url == "http://127.0.0.1:3000/api/"
    assert settings.public_url == "https://tocsin.example"
    assert settings.catalog == (tmp_path, tmp_path)
    assert settings.incidents_channel == "war-room"
    assert (settings.clock_speed, settings.api_public_read, settings.log_format) == (2.5, True, "console")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TOCSIN_DATABASE_URL", "mysql://x"),
        ("TOCSIN_DATABASE_URL", "sqlite://"),
        ("TOCSIN_REDIS_URL", "localhost:6379"),
        ("SLACK_BOT_TOKEN", "xoxp-1"),
        ("SLACK_APP_TOKEN", "xoxb-1"),
        ("SLACK_API_URL", "slack.com/api"),
        ("SLACK_WEBHOOK_URL", "hooks.slack.com"),
        ("TOCSIN_HTTP_PORT", "eighty"),
        ("TOCSIN_HTTP_PORT", "65536"),
        ("TOCSIN_PUBLIC_URL", "tocsin.example"),
        ("TOCSIN_CATALOG", "/nowhere/at/all"),
        ("TOCSIN_TEMPLATES", "/nowhere/at/all"),
        ("TOCSIN_ALLOW_SHELL", "/nowhere/at/all"),
        ("TOCSIN_INCIDENTS_CHANNEL", "two words"),
        ("TOCSIN_CLOCK_SPEED", "0"),
        ("TOCSIN_CLOCK_SPEED", "nan"),
        ("TOCSIN_CLOCK_SPEED", "fast"),
        ("TOCSIN_API_PUBLIC_READ", "perhaps"),
        ("TOCSIN_LOG_FORMAT", "xml"),
        ("TOCSIN_LOG_LEVEL", "loud"),
    ],
)
def test_malformed_value_is_one_sentence_naming_the_variable(name: str, value: str) -> None:
    """A value of the wrong shape is refused in one sentence that names its variable."""
    with pytest.raises(Misconfigured) as problem:
        Settings.read({name: value})
    assert name in problem.value.sentence
    assert "\n" not in problem.value.sentence


@pytest.mark.parametrize("name", ["TOCSIN_DATABASE_URL", "TOCSIN_REDIS_URL", "SLACK_WEBHOOK_URL", "SLACK_BOT_TOKEN"])
def test_refusal_of_a_secret_does_not_repeat_it(name: str) -> None:
    """A malformed secret is not printed back."""
    with pytest.raises(Misconfigured) as problem:
        Settings.read({name: "hunter2"})
    assert "hunter2" not in problem.value.sentence


def test_missing_slack_token_names_the_variable() -> None:
    """Serving without a bot token says which variable is missing and where its value is found."""
    with pytest.raises(Misconfigured, match="SLACK_BOT_TOKEN"):
        Settings.read({}).require_slack()


def test_one_of_the_two_modes_is_needed() -> None:
    """A bot token alone cannot hear anybody: the sentence names both ways."""
    with pytest.raises(Misconfigured, match=r"SLACK_APP_TOKEN.*SLACK_SIGNING_SECRET"):
        Settings.read({"SLACK_BOT_TOKEN": "xoxb-1"}).require_slack()
    Settings.read({"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_SIGNING_SECRET": "s"}).require_slack()


@pytest.mark.parametrize(
    "name",
    [
        "TOCSIN_DATABASE_URL",
        "TOCSIN_REDIS_URL",
        "SLACK_BOT_TOKEN",
        "SLACK_APP_TOKEN",
        "SLACK_SIGNING_SECRET",
        "SLACK_WEBHOOK_URL",
    ],
)
def test_every_secret_reads_from_a_file(name: str, tmp_path: Path) -> None:
    """NAME_FILE gives the secret that is in a file, without its line end."""
    value = {
        "TOCSIN_DATABASE_URL": "sqlite:///x.db",
        "TOCSIN_REDIS_URL": "redis://r",
        "SLACK_BOT_TOKEN": "xoxb-1",
        "SLACK_APP_TOKEN": "xapp-1",
        "SLACK_SIGNING_SECRET": "s",
        "SLACK_WEBHOOK_URL": "https://hooks.example/x",
    }[name]
    file = tmp_path / "secret"
    file.write_text(f"{value}\n")
    settings = Settings.read({f"{name}_FILE": str(file)})
    found = getattr(settings, name.removeprefix("TOCSIN_").lower())
    assert found == Secret(value)


def test_secret_given_twice_is_refused() -> None:
    """A variable and its file together are ambiguous."""
    with pytest.raises(Misconfigured, match="SLACK_BOT_TOKEN_FILE"):
        Settings.read({"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_BOT_TOKEN_FILE": "/etc/hostname"})


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe"])
def test_unreadable_secret_file_is_one_sentence(content: bytes | None, tmp_path: Path) -> None:
    """A secret file that is missing, empty or no text is named."""
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(Misconfigured, match=r"SLACK_BOT_TOKEN_FILE names .*secret"):
        Settings.read({"SLACK_BOT_TOKEN_FILE": str(file)})


def test_secrets_never_print() -> None:
    """Printing, formatting or pickling a secret or the settings does not show it."""
    settings = Settings.read({"SLACK_BOT_TOKEN": "xoxb-hidden", "TOCSIN_DATABASE_URL": "postgresql://u:hidden@h/d"})
    assert "hidden" not in f"{settings} {settings!r} {settings.slack_bot_token} {settings.database_url!r}"
    with pytest.raises(TypeError):
        pickle.dumps(settings.slack_bot_token)
