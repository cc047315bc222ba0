"""The environment as one frozen value. Nobody else reads `os.environ`."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parseaddr
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from bot.domain.errors import Misconfigured
from bot.domain.outgoing.mail import is_address, is_nowhere
from bot.domain.text.secret import Secret

T = TypeVar("T")

DEFAULT_DATABASE = Secret("sqlite:///tocsin.db")
OWN_PREFIXES = (
    *("TOCSIN_", "SLACK_", "PAGERDUTY_", "SMTP_", "STATUSPAGE_"),
    *("GITHUB_WEBHOOK_", "SENTRY_WEBHOOK_"),  # and not what else begins so: a runbook may need it
)
_TOPIC = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]{1,30}:[0-9]{12}:[A-Za-z0-9_-]{1,256}(?:\.fifo)?", re.ASCII)


@dataclass(frozen=True)
class Settings:
    """Everything an operator can say, checked. Fields are named after their variables."""

    database_url: Secret = DEFAULT_DATABASE
    redis_url: Secret | None = None
    slack_bot_token: Secret | None = None
    slack_app_token: Secret | None = None
    slack_signing_secret: Secret | None = None
    slack_api_url: str = "https://slack.com/api/"
    slack_webhook_url: Secret | None = None
    pagerduty_api_key: Secret | None = None
    pagerduty_from: str | None = None
    pagerduty_routing_key: Secret | None = None
    pagerduty_webhook_secret: tuple[Secret, ...] = ()
    pagerduty_api_url: str = "https://api.pagerduty.com"
    pagerduty_events_url: str = "https://events.pagerduty.com"
    github_webhook_secret: tuple[Secret, ...] = ()
    sentry_webhook_secret: tuple[Secret, ...] = ()
    sns_topics: tuple[str, ...] = ()
    smtp_server: tuple[str, int] | None = None
    smtp_username: str | None = None
    smtp_password: Secret | None = None
    smtp_from: str = ""
    smtp_starttls: str = "auto"
    http_host: str = "127.0.0.1"
    http_port: int = 8080
    public_url: str | None = None
    catalog: tuple[Path, ...] = ()  # empty: the packaged one
    templates: tuple[Path, ...] = ()  # looked up before the packaged ones
    allow_shell: tuple[Path, ...] = ()  # catalogue folders whose runbooks may have shell steps
    incidents_channel: str = "incidents"
    alerts_channel: str = "ops-alerts"
    clock_speed: float = 1.0
    api_public_read: bool = False
    log_format: str = "json"
    log_level: str = "info"
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)  # what runbooks' env:NAME refers to

    @classmethod
    def read(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Raises Misconfigured with one sentence that names the variable."""
        return _agreeing(_read(_Environment(os.environ if environ is None else environ)))

    @property
    def handed_on(self) -> dict[str, str]:
        return {name: value for name, value in self.environment.items() if not name.startswith(OWN_PREFIXES)}

    @property
    def on_sqlite(self) -> bool:
        return self.database_url.reveal().startswith("sqlite")

    def bot_token(self) -> Secret:
        """Raises Misconfigured where the token is missing: not every command needs one."""
        if self.slack_bot_token is None:
            raise Misconfigured(
                "SLACK_BOT_TOKEN is not set: it is the xoxb-… token from your Slack app's “OAuth & Permissions” page."
            )
        return self.slack_bot_token

    def require_slack(self) -> None:
        self.bot_token()
        if self.slack_app_token is None and self.slack_signing_secret is None:
            raise Misconfigured("Set SLACK_APP_TOKEN for Socket Mode, or SLACK_SIGNING_SECRET for HTTP mode.")


class _Environment:
    """Variables by name; a secret may be in the file that NAME_FILE names."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def everything(self) -> dict[str, str]:
        return dict(self._environ)

    def text(self, name: str) -> str | None:
        return self._environ.get(name, "").strip() or None

    def secret(self, name: str) -> str | None:
        value, path = self.text(name), self.text(f"{name}_FILE")
        if path is None:
            return value
        if value is not None:
            raise Misconfigured(f"Both {name} and {name}_FILE are set: keep one of them.")
        return _first_line(f"{name}_FILE", Path(path))

    def parsed(self, name: str, parse: Callable[[str, str], T], default: T) -> T:
        value = self.text(name)
        return default if value is None else parse(name, value)

    def hidden(self, name: str, parse: Callable[[str, str], str]) -> Secret | None:
        value = self.secret(name)
        return None if value is None else Secret(parse(name, value))

    def several(self, name: str) -> tuple[Secret, ...]:
        """Secrets with commas or blanks between them: the old and the new one both count while they are changed."""
        return tuple(Secret(one) for one in _words(self.secret(name) or ""))


def _read(env: _Environment) -> Settings:
    return Settings(
        database_url=env.hidden("TOCSIN_DATABASE_URL", _database_url) or DEFAULT_DATABASE,
        redis_url=env.hidden("TOCSIN_REDIS_URL", _url_of("redis", "rediss", "unix")),
        slack_bot_token=env.hidden("SLACK_BOT_TOKEN", _starting("xoxb-")),
        slack_app_token=env.hidden("SLACK_APP_TOKEN", _starting("xapp-")),
        slack_signing_secret=env.hidden("SLACK_SIGNING_SECRET", _as_it_is),
        slack_api_url=env.parsed("SLACK_API_URL", _base_url, Settings.slack_api_url),
        slack_webhook_url=env.hidden("SLACK_WEBHOOK_URL", _url_of("https", "http")),
        pagerduty_api_key=env.hidden("PAGERDUTY_API_KEY", _header),
        pagerduty_from=env.parsed("PAGERDUTY_FROM", _address, None),
        pagerduty_routing_key=env.hidden("PAGERDUTY_ROUTING_KEY", _header),
        pagerduty_webhook_secret=env.several("PAGERDUTY_WEBHOOK_SECRET"),
        pagerduty_api_url=env.parsed("PAGERDUTY_API_URL", _https_url, Settings.pagerduty_api_url),
        pagerduty_events_url=env.parsed("PAGERDUTY_EVENTS_URL", _https_url, Settings.pagerduty_events_url),
        github_webhook_secret=env.several("GITHUB_WEBHOOK_SECRET"),
        sentry_webhook_secret=env.several("SENTRY_WEBHOOK_SECRET"),
        sns_topics=env.parsed("TOCSIN_SNS_TOPICS", _topics, ()),
        smtp_server=env.parsed("SMTP_SERVER", _host_and_port, None),
        smtp_username=env.parsed("SMTP_USERNAME", _as_it_is, None),
        smtp_password=env.hidden("SMTP_PASSWORD", _as_it_is),
        smtp_from=env.parsed("SMTP_FROM", _sender, ""),
        smtp_starttls=env.parsed("SMTP_STARTTLS", _one_of("auto", "required", "off"), Settings.smtp_starttls),
        http_host=env.parsed("TOCSIN_HTTP_HOST", _as_it_is, Settings.http_host),
        http_port=env.parsed("TOCSIN_HTTP_PORT", _port, Settings.http_port),
        public_url=env.parsed("TOCSIN_PUBLIC_URL", _web_url, None),
        catalog=env.parsed("TOCSIN_CATALOG", _folders, ()),
        templates=env.parsed("TOCSIN_TEMPLATES", _folders, ()),
        allow_shell=env.parsed("TOCSIN_ALLOW_SHELL", _folders, ()),
        incidents_channel=env.parsed("TOCSIN_INCIDENTS_CHANNEL", _channel, Settings.incidents_channel),
        alerts_channel=env.parsed("TOCSIN_ALERTS_CHANNEL", _channel, Settings.alerts_channel),
        clock_speed=env.parsed("TOCSIN_CLOCK_SPEED", _speed, Settings.clock_speed),
        api_public_read=env.parsed("TOCSIN_API_PUBLIC_READ", _switch, False),
        log_format=env.parsed("TOCSIN_LOG_FORMAT", _one_of("json", "console"), Settings.log_format),
        environment=env.everything(),
        log_level=env.parsed("TOCSIN_LOG_LEVEL", _one_of("debug", "info", "warning", "error"), Settings.log_level),
    )


def _agreeing(settings: Settings) -> Settings:
    """Raises Misconfigured where one variable needs another."""
    if settings.pagerduty_api_key and not settings.pagerduty_from:
        raise Misconfigured("PAGERDUTY_API_KEY needs PAGERDUTY_FROM: the e-mail address of a user of PagerDuty's.")
    if settings.smtp_server and not settings.smtp_from:
        raise Misconfigured("SMTP_SERVER needs SMTP_FROM: the address that mail comes from.")
    if bool(settings.smtp_username) != bool(settings.smtp_password):
        raise Misconfigured("SMTP_USERNAME and SMTP_PASSWORD go together: set both of them, or neither.")
    return settings


def _words(text: str) -> list[str]:
    return list(dict.fromkeys(text.replace(",", " ").split()))


def _first_line(name: str, path: Path) -> str:
    try:
        value = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else "not text"
        raise Misconfigured(f"{name} names {path}, which cannot be read: {reason}.") from None
    if not value:
        raise Misconfigured(f"{name} names {path}, which is empty.")
    return value


# --- one small function per shape: (name, text) -> value, or Misconfigured -----------------------------------------


def _as_it_is(_name: str, value: str) -> str:
    return value


def _database_url(name: str, value: str) -> str:
    scheme = value.split(":", 1)[0]
    if scheme == "sqlite" and value.startswith("sqlite:///") and len(value) > len("sqlite:///"):
        return value
    if scheme in {"postgresql", "postgres", "postgresql+psycopg"} and "://" in value:
        return value
    raise Misconfigured(f"{name} must be sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE.")


def _url_of(*schemes: str) -> Callable[[str, str], str]:
    def parse(name: str, value: str) -> str:
        if urlsplit(value).scheme not in schemes or "://" not in value:
            raise Misconfigured(f"{name} must be a URL that begins with {schemes[0]}://.")
        return value

    return parse


def _base_url(name: str, value: str) -> str:
    return f"{_web_url(name, value)}/"


def _https_url(name: str, value: str) -> str:
    return _url_of("https")(name, value).rstrip("/")


def _web_url(name: str, value: str) -> str:
    return _url_of("https", "http")(name, value).rstrip("/")


def _starting(prefix: str) -> Callable[[str, str], str]:
    def parse(name: str, value: str) -> str:
        if not value.startswith(prefix) or not value.isprintable() or " " in value:
            raise Misconfigured(f"{name} must be a token that begins with {prefix}.")
        return value

    return parse


def _header(name: str, value: str) -> str:
    if not value.isascii() or not value.isprintable() or " " in value:
        raise Misconfigured(f"{name} must be a key as PagerDuty shows it, without spaces.")
    return value


def _topics(name: str, value: str) -> tuple[str, ...]:
    for topic in _words(value):
        if not _TOPIC.fullmatch(topic):
            raise Misconfigured(f"{name} must name topics as Amazon does, arn:aws:sns:…; one of them is “{topic}”.")
    return tuple(_words(value))


def _address(name: str, value: str) -> str:
    if not is_address(value):
        raise Misconfigured(f"{name} must be an e-mail address; it is “{value}”.")
    return value


def _sender(name: str, value: str) -> str:
    display, address = parseaddr(value)
    if not is_address(address) or is_nowhere(address) or not display.isprintable():
        raise Misconfigured(f"{name} must be an e-mail address, or a name and an address: Tocsin <tocsin@example.com>.")
    return value


def _host_and_port(name: str, value: str) -> tuple[str, int]:
    host, colon, port = value.rpartition(":")
    if not colon or not host or "/" in host or any(character.isspace() for character in host):
        raise Misconfigured(f"{name} must be HOST:PORT, for example mail.example.com:587; it is “{value}”.")
    return host.removeprefix("[").removesuffix("]"), _port(name, port)


def _port(name: str, value: str) -> int:
    if not value.isascii() or not value.isdigit() or not 0 <= int(value) <= 65535:
        raise Misconfigured(f"{name} must be a port number, 0 to 65535; it is “{value}”.")
    return int(value)


def _speed(name: str, value: str) -> float:
    try:
        speed = float(value)
    except ValueError:
        speed = math.nan
    if not 0 < speed <= 100_000:
        raise Misconfigured(f"{name} must be a number above 0, at most 100000; it is “{value}”.")
    return speed


def _switch(name: str, value: str) -> bool:
    words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    if value.casefold() not in words:
        raise Misconfigured(f"{name} must be 1 or 0; it is “{value}”.")
    return words[value.casefold()]


def _one_of(*choices: str) -> Callable[[str, str], str]:
    def parse(name: str, value: str) -> str:
        if value.casefold() not in choices:
            raise Misconfigured(f"{name} must be one of {', '.join(choices)}; it is “{value}”.")
        return value.casefold()

    return parse


def _channel(name: str, value: str) -> str:
    channel = value.removeprefix("#")
    if not channel or len(channel) > 80 or any(character.isspace() for character in channel):
        raise Misconfigured(f"{name} must be a channel's name or its C… id; it is “{value}”.")
    return channel


def _folders(name: str, value: str) -> tuple[Path, ...]:
    folders = tuple(Path(part).expanduser() for part in value.split(":") if part)
    for folder in folders:
        if not folder.is_dir():
            raise Misconfigured(f"{name} names {folder}, which is not a folder.")
    return folders
