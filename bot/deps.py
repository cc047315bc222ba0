"""Everything a service needs, in one frozen value. Made by `bot.app.build`, handed to every door."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bot.domain.catalogue.catalogue import Catalogue, Finding
from bot.domain.errors import Misconfigured
from bot.domain.text.masking import Masker
from bot.domain.text.secret import Secret
from bot.ports import Alarm, Chat, Clock, Database, Mailer, Pager, SecretResolver, Sns, Templates, Wakeups


@dataclass(frozen=True)
class Config:
    incidents_channel: str = "incidents"
    alerts_channel: str = "ops-alerts"
    public_url: str | None = None
    public_read: bool = False
    post_interval_seconds: float = 1.0  # one message a second in a channel
    lease_seconds: float = 30.0
    call_timeout_seconds: float = 10.0
    lookup_interval_seconds: float = 2.0
    edit_interval_seconds: float = 3.0  # of one run's live message
    edits_a_minute: float = 45.0  # of all of them
    shell_folders: tuple[Path, ...] = ()  # catalogue folders whose runbooks may use shell steps


class WorkspaceIdentity:
    """Who the bot is in its workspace, from auth.test: empty until Slack has answered, then the same for everybody.

    `url` is https://acme.slack.com/, for links.
    """

    def __init__(self) -> None:
        self.bot_user = self.team = self.url = ""

    def learn(self, bot_user: str, team: str, url: str = "") -> None:
        self.bot_user, self.team, self.url = bot_user, team, url or self.url


class Caches:
    """What this process asked lately: a restart loses it, and asks again. Times are the wall's."""

    def __init__(self) -> None:
        self.people: dict[str, tuple[float, object]] = {}  # read at, and the row: saves a look per command
        self.unanswered: dict[str, float] = {}  # schedules that PagerDuty did not tell of when asked last
        self.asking: dict[str, asyncio.Task[Any]] = {}  # schedules that it is being asked for at this moment


class CurrentCatalogue:
    """The catalogue in force, and what is wrong with the newest edit. Reloading swaps the value."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.current = catalogue
        self.findings: tuple[Finding, ...] = ()


class NoSecrets:
    """Where nothing refers to a secret."""

    def __init__(self) -> None:
        self.masker = Masker()
        self.environment: Mapping[str, str] = {}

    def resolve(self, reference: str) -> Secret:
        raise Misconfigured(f"{reference} is not set. Set it where Tocsin runs.")


@dataclass(frozen=True)
class Deps:
    config: Config
    clock: Clock
    database: Database
    chat: Chat
    alarm: Alarm
    wakeups: Wakeups
    current_catalogue: CurrentCatalogue
    templates: Templates
    workspace: WorkspaceIdentity = field(default_factory=WorkspaceIdentity)
    caches: Caches = field(default_factory=Caches)
    worker_name: str = "worker"
    secrets: SecretResolver = field(default_factory=NoSecrets)
    pager: Pager | None = None  # where nothing of PagerDuty's is set
    mailer: Mailer | None = None  # where no server for e-mail is set
    sns: Sns | None = None  # where no topic of Amazon's is named

    @property
    def catalogue(self) -> Catalogue:
        return self.current_catalogue.current

    def with_config(self, **changes: object) -> Deps:
        return replace(self, config=replace(self.config, **changes))  # type: ignore[arg-type]
