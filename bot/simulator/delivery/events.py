"""Decides which events the app hears of, and wraps them as Slack does."""

from dataclasses import dataclass

from bot.simulator.delivery.deliver import Deliverer
from bot.simulator.workspace.state import APP_ID, BOT_USER, TEAM_ID, VERIFICATION_TOKEN, Channel, Json, Workspace

IN_MEMBERS_ONLY = frozenset(
    {"message", "app_mention", "member_joined_channel", "member_left_channel", "reaction_added", "reaction_removed",
     "pin_added", "pin_removed"}
)  # fmt: skip
NAMES_IN_PRIVATE = {
    "channel_rename": "group_rename",
    "channel_archive": "group_archive",
    "channel_unarchive": "group_unarchive",
}


@dataclass(frozen=True)
class Events:
    _workspace: Workspace
    _deliverer: Deliverer

    def emit(self, event: Json, channel: Channel | None = None) -> None:
        name = _name(event["type"], channel)
        if self._is_subscribed(name, channel) and _is_visible(name, channel):
            self._deliverer.send_event(self._wrap({"event_ts": self._workspace.new_ts(), **event, "type": name}))

    def _is_subscribed(self, name: str, channel: Channel | None) -> bool:
        if name == "message" and channel:
            name = f"message.{channel.family}"
        return name in self._workspace.manifest.events

    def _wrap(self, event: Json) -> Json:
        return {
            "token": VERIFICATION_TOKEN,
            "team_id": TEAM_ID,
            "context_team_id": TEAM_ID,
            "context_enterprise_id": None,
            "api_app_id": APP_ID,
            "event": event,
            "type": "event_callback",
            "event_id": self._workspace.new_id("Ev"),
            "event_time": self._workspace.epoch(),
            "authorizations": [
                {
                    "enterprise_id": None,
                    "team_id": TEAM_ID,
                    "user_id": BOT_USER,
                    "is_bot": True,
                    "is_enterprise_install": False,
                }
            ],
            "is_ext_shared_channel": False,
            "event_context": f"4-{self._workspace.new_id('EC')}",
        }


def _name(name: str, channel: Channel | None) -> str:
    return NAMES_IN_PRIVATE.get(name, name) if channel and channel.family == "groups" else name


def _is_visible(name: str, channel: Channel | None) -> bool:
    if channel is None:
        return True
    return BOT_USER in channel.members if name in IN_MEMBERS_ONLY else channel.is_open_to(BOT_USER)
