"""What the app's manifest grants and asks for: scopes, events, commands, shortcuts, request addresses."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from bot.simulator.workspace.errors import Refused

DEFAULT_BOT_SCOPES = (
    "app_mentions:read", "bookmarks:read", "bookmarks:write", "channels:history", "channels:join", "channels:manage",
    "channels:read", "chat:write", "chat:write.public", "commands", "files:read", "files:write", "groups:history",
    "groups:read", "groups:write", "im:history", "im:read", "im:write", "pins:read", "pins:write", "reactions:read",
    "reactions:write", "team:read", "usergroups:read", "users:read", "users:read.email",
)  # fmt: skip

DEFAULT_BOT_EVENTS = (
    "app_home_opened", "app_mention", "channel_archive", "channel_rename", "channel_unarchive",
    "member_joined_channel", "message.channels", "message.groups", "message.im", "pin_added", "pin_removed",
    "reaction_added", "reaction_removed", "team_join", "user_change",
)  # fmt: skip


@dataclass(frozen=True)
class Command:
    command: str
    description: str = ""
    usage_hint: str = ""
    should_escape: bool = False
    url: str | None = None


@dataclass(frozen=True)
class Shortcut:
    name: str
    type: str
    callback_id: str


Part = TypeVar("Part", Command, Shortcut)


@dataclass(frozen=True)
class Manifest:
    name: str = "tocsin"
    bot_name: str = "tocsin"
    scopes: frozenset[str] = frozenset(DEFAULT_BOT_SCOPES)
    events: frozenset[str] = frozenset(DEFAULT_BOT_EVENTS)
    commands: dict[str, Command] = field(default_factory=dict)
    shortcuts: tuple[Shortcut, ...] = ()
    events_url: str | None = None
    interactivity_url: str | None = None

    def need_any(self, scopes: Sequence[str]) -> None:
        """Raises Refused."""
        if not self.scopes.intersection(scopes):
            raise Refused("missing_scope", needed=",".join(scopes), provided=",".join(sorted(self.scopes)))

    @classmethod
    def read(cls, raw: dict[str, Any]) -> "Manifest":
        features = _part(raw, "features")
        settings = _part(raw, "settings")
        subscriptions = _part(settings, "event_subscriptions")
        name = _part(raw, "display_information").get("name", "tocsin")
        return cls(
            name=name,
            bot_name=_part(features, "bot_user").get("display_name", name),
            scopes=frozenset(_part(_part(raw, "oauth_config"), "scopes").get("bot") or DEFAULT_BOT_SCOPES),
            events=frozenset(subscriptions.get("bot_events") or DEFAULT_BOT_EVENTS),
            commands={one["command"]: _read(Command, one) for one in features.get("slash_commands") or ()},
            shortcuts=tuple(_read(Shortcut, one) for one in features.get("shortcuts") or ()),
            events_url=subscriptions.get("request_url"),
            interactivity_url=_part(settings, "interactivity").get("request_url"),
        )


def _part(raw: dict[str, Any], key: str) -> dict[str, Any]:
    return raw.get(key) or {}


def _read(kind: type[Part], raw: dict[str, Any]) -> Part:
    return kind(**{one.name: raw[one.name] for one in fields(kind) if one.name in raw})
