"""What Slack tells without waiting for an answer. Stored before it is acknowledged; carried out by the worker."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bot import telemetry
from bot.deps import Deps
from bot.domain.errors import Problem, Repeated, Undeliverable
from bot.domain.people.person import Actor, Kind, Person
from bot.interactions import Answer, Command, FieldErrors, Listeners, Reply, Where
from bot.queue import inbox
from bot.queue.inbox import InboxItem
from bot.services.messaging import replies
from bot.services.workspace import channels, people, permissions
from bot.slack import help_text, home
from bot.slack.dispatcher import outcome, with_opener
from bot.slack.payloads import unescape
from bot.store.db.errors import DatabaseTrouble
from bot.telemetry import Event

Json = dict[str, Any]

PREFIX = "event:"
DEFAULT_COMMAND = "/incident"
SLACK = Person(id="", name="Slack", kind=Kind.BOT)  # events that nobody in particular caused

HOUSEKEEPING = {
    "channel_archive": "is_archived",
    "channel_deleted": "channel_not_found",
    "channel_left": "not_in_channel",
    "group_archive": "is_archived",
    "group_deleted": "channel_not_found",
    "group_left": "not_in_channel",
}
FOUND_AGAIN = frozenset({"channel_unarchive", "group_unarchive"})
RENAMED = frozenset({"channel_rename", "group_rename"})
OURS = frozenset(
    {"app_mention", "app_home_opened", "user_change", "team_join", "member_joined_channel", "member_left_channel"}
    | HOUSEKEEPING.keys()
    | FOUND_AGAIN
    | RENAMED
)


async def keep(deps: Deps, listeners: Listeners, body: Mapping[str, Any]) -> bool:
    """Once, before Slack is told that it arrived. False: not one for us, or known already.

    Raises DatabaseTrouble or OSError where it could not be stored: then Slack must send it again.
    """
    event = body.get("event") or {}
    kind, key = str(event.get("type") or ""), str(body.get("event_id") or "")
    if not key or (kind not in OURS and kind not in listeners.events):
        return False
    authorized: Json = next(iter(body.get("authorizations") or []), {})
    payload = {"event": event, "team": body.get("team_id"), "bot_user": authorized.get("user_id")}
    return await inbox.receive(deps, key=key, kind=PREFIX + kind, payload=payload)


class EventDispatcher:
    """Carries out stored events. `handle` is what the worker calls; raising has the event tried again later."""

    def __init__(self, listeners: Listeners) -> None:
        self._listeners = listeners

    async def handle(self, deps: Deps, item: InboxItem) -> None:
        """`item.key` is Slack's event_id, `item.kind` is `event:<type>`."""
        event: Json = item.payload["event"]
        _learn_itself(deps, item.payload)
        await self._keep_house(deps, item.key, event)
        meaning = self._listeners.events.get(item.kind.removeprefix(PREFIX))
        if meaning is None:
            return
        try:
            await meaning(event, Actor(await _who(deps, event), key=item.key), deps)
        except Repeated:
            return  # carried out before a crash; only the note of it was lost
        except Problem as problem:
            # Nobody asked, so nobody is answered: a reaction by a guest, a pin in a channel of no incident.
            telemetry.get_logger().info(Event.SLACK_EVENT_REFUSED, kind=item.kind, sentence=problem.sentence)

    async def _keep_house(self, deps: Deps, key: str, event: Json) -> None:
        kind = str(event.get("type"))
        if kind == "app_mention":
            await self._mention(deps, key, event)
        elif kind == "app_home_opened" and event.get("tab", "home") == "home":
            await self._home(deps, key, event)
        elif kind in {"user_change", "team_join"}:
            await people.remember(deps, event["user"])
        elif kind in {"member_joined_channel", "member_left_channel"}:
            await _membership(deps, event)
        elif kind in RENAMED:
            await channels.renamed(deps, event["channel"]["id"], event["channel"]["name"])
        elif kind in HOUSEKEEPING:
            await channels.lost(deps, str(event["channel"]), HOUSEKEEPING[kind])
        elif kind in FOUND_AGAIN:
            await channels.look_again(deps)

    async def _home(self, deps: Deps, key: str, event: Json) -> None:
        try:
            await home.publish(deps, self._listeners, str(event["user"]), key)
        except Undeliverable as problem:
            if not problem.permanent:
                raise
            telemetry.get_logger().warning(Event.SLACK_ANSWER_LOST, name="home", error=problem.error)

    # --- mentions: the same verbs as the commands, threads included ------------------------------------------------

    async def _mention(self, deps: Deps, key: str, event: Json) -> None:
        user = str(event.get("user") or "")
        if not user or event.get("bot_id"):
            return  # two bots that mention each other would never stop
        where = Where(channel=event.get("channel"), thread=event.get("thread_ts"), ts=event.get("ts"))
        command, text = spoken_to(deps.workspace.bot_user, str(event.get("text") or ""), self._listeners)
        by = Actor(await people.find(deps, user), key=key, channel=where.channel)
        found = await outcome(self._handle_event(deps, by, command, text, where), kind="MENTION", name=command)
        reply = _as_reply(found)
        if reply is not None:
            await replies.send(deps, reply, to=user, where=_place_of(reply, where), key=key)

    async def _handle_event(self, deps: Deps, by: Actor, command: str, text: str, where: Where) -> Answer:
        await permissions.admitted(deps, by.id, attempted=command)
        picked = help_text.pick(self._listeners, command, text)
        if isinstance(picked, Reply):
            return picked
        verb, rest = picked
        ask = Command(by, rest, where, can_open_modal=False)
        return with_opener(await verb.handler(ask, deps), f"{command} {text}".strip())


def spoken_to(bot_user: str, text: str, listeners: Listeners) -> tuple[str, str]:
    mention = re.compile(rf"<@{re.escape(bot_user)}(?:\|[^<>]*)?>" if bot_user else r"<@[UW][A-Z0-9]+(?:\|[^<>]*)?>")
    said = unescape(mention.split(text, maxsplit=1)[-1]).strip().removeprefix("/").lstrip()
    first, _, rest = said.partition(" ")
    command = "/" + first.casefold()
    return (command, rest.strip()) if command in listeners.commands else (DEFAULT_COMMAND, said)


def _as_reply(found: Answer | Problem) -> Reply | None:
    if isinstance(found, Problem):
        return Reply(help_text.sentence(found.sentence))
    if isinstance(found, FieldErrors):
        return Reply(" ".join(found.errors.values()))
    return found if isinstance(found, Reply) else None


def _place_of(reply: Reply, where: Where) -> Where:
    """A public answer goes into a thread under the question; an ephemeral one there is unseen while it is closed."""
    return Where(channel=where.channel, thread=where.thread or (where.ts if reply.public else None))


async def _who(deps: Deps, event: Json) -> Person:
    user = event.get("user")
    identity = user.get("id") if isinstance(user, dict) else user
    return await people.find(deps, str(identity)) if identity else SLACK


async def _membership(deps: Deps, event: Json) -> None:
    if event.get("user") != deps.workspace.bot_user:
        return
    if event["type"] == "member_joined_channel":
        await channels.look_again(deps)
    else:
        await channels.lost(deps, str(event["channel"]), "not_in_channel")


def _learn_itself(deps: Deps, payload: Json) -> None:
    if not deps.workspace.bot_user:
        deps.workspace.learn(str(payload.get("bot_user") or ""), str(payload.get("team") or ""))


NOT_STORED = (DatabaseTrouble, OSError)
