"""Channels that operators named: found, joined or created in Slack, kept by id. What cannot be used is a sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot import telemetry
from bot.deps import Deps
from bot.domain.catalogue.runbook import Kind
from bot.domain.errors import Undeliverable
from bot.ports import Tx
from bot.services.workspace.pagination import pages
from bot.store.people import channels as store
from bot.store.people.channels import Channel
from bot.telemetry import Event

CHANNEL_ID = re.compile(r"[CG][A-Z0-9]{2,}")
PAGE = 999

# Slack's codes, and what an operator does about them. `{name}` is the channel as people write it.
SENTENCES = {
    "is_archived": "{name} is archived: unarchive it or name another channel.",
    "channel_not_found": "{name} does not exist, or is private: invite me to it or name another channel.",
    "name_taken": "{name} exists but I cannot see it: it is private. Invite me to it or name another channel.",
    "method_not_supported_for_channel_type": "{name} is private: invite me to it or name another channel.",
    "is_private": "{name} is private: invite me to it or name another channel.",
    "restricted_action": "This workspace does not let me create {name}: create it and invite me, or name another.",
    "missing_scope": "Slack does not let me into {name}: install the app again with the scopes of its manifest.",
    "invalid_name_specials": "{name} is no name Slack takes: lowercase letters, digits, - and _, at most 80.",
    "not_in_channel": "I am no longer in {name}: invite me to it.",
}
UNANSWERED = "Slack did not tell me about {name} yet; I will look again in a minute."
OTHERWISE = "I cannot use {name}: Slack says {error}."


@dataclass(frozen=True)
class _Seen:
    """From conversations.list or .info."""

    id: str
    name: str
    is_private: bool
    is_archived: bool
    is_member: bool

    @classmethod
    def read(cls, channel: Mapping[str, Any]) -> _Seen:
        return cls(
            id=str(channel["id"]),
            name=str(channel.get("name") or channel["id"]),
            is_private=bool(channel.get("is_private")),
            is_archived=bool(channel.get("is_archived")),
            is_member=bool(channel.get("is_member")),
        )


def key_of(channel_name: str) -> str:
    text = channel_name.strip().removeprefix("#")
    return text if CHANNEL_ID.fullmatch(text) else text.casefold()


def settings(deps: Deps) -> list[str]:
    named: list[str | None] = [deps.config.incidents_channel, deps.config.alerts_channel]
    for service in deps.catalogue.services.values():
        named += [service.incidents_channel, service.alerts_channel]
        told = [target for level in service.severities for target in level.notify]
        policies = service.escalation_policies.values()
        told += [target for policy in policies for step in policy.steps for target in step.notify]
        named += [target.removeprefix("slack:") for target in told if target.startswith("slack:")]
    named += [route.channel for route in deps.catalogue.routes]
    named += _told_by_runbooks(deps)
    return list(dict.fromkeys(key_of(channel_name) for channel_name in named if channel_name))


def _told_by_runbooks(deps: Deps) -> list[str]:
    steps = [step for runbook in deps.catalogue.runbooks.values() for step in runbook.steps]
    targets = [str(step.body.get("to", "")) for step in steps if step.kind is Kind.MESSAGE]
    return [one.removeprefix("slack:") for one in targets if one.startswith("slack:") and "{{" not in one]


async def resolve(source: Deps | Tx, channel_name: str) -> str | None:
    """None while it cannot be used. Reads the table only: never asks Slack."""
    if isinstance(source, Deps):
        async with source.database.reading() as tx:
            return await resolve(tx, channel_name)
    place = await store.find(source, key_of(channel_name))
    return place.channel if place and place.is_usable else None


async def problems(deps: Deps) -> list[str]:
    return [
        place.problem or "" if place else UNANSWERED.format(name=_spoken(channel_name))
        for channel_name, place in (await _unusable(deps)).items()
    ]


async def _unusable(deps: Deps) -> dict[str, Channel | None]:
    async with deps.database.reading() as tx:
        known = await store.every(tx)
    found = {channel_name: known.get(channel_name) for channel_name in settings(deps)}
    return {channel_name: place for channel_name, place in found.items() if not (place and place.is_usable)}


async def find_all(deps: Deps) -> None:
    """Never raises for Slack: what failed is looked at again."""
    await _look_at(deps, settings(deps))


async def look_again(deps: Deps) -> None:
    await _look_at(deps, list(await _unusable(deps)))


async def renamed(deps: Deps, channel: str, name: str) -> None:
    async with deps.database.transaction() as tx:
        await store.rename(tx, channel, name)


async def lost(deps: Deps, channel: str, error: str) -> None:
    """Its deliveries wait until it is found again."""
    async with deps.database.transaction() as tx:
        marked = await store.mark(tx, channel, _sentence(error, f"<#{channel}>"))
    if marked:
        telemetry.get_logger().warning(Event.CHANNEL_UNAVAILABLE, channel=channel, error=error)


# --- looking -------------------------------------------------------------------------------------------------------


async def _look_at(deps: Deps, wanted: list[str]) -> None:
    if not wanted:
        return
    async with deps.database.reading() as tx:
        known = await store.every(tx)
    look = _Look(deps)
    for channel_name in wanted:
        before = known.get(channel_name)
        await _keep(deps, await look.settle(channel_name, before), before)


class _Look:
    """One look at the workspace: channels are listed at most once, and only where a name needs it."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._listed: dict[str, _Seen] | None = None

    async def settle(self, channel_name: str, before: Channel | None) -> Channel:
        channel = before.channel if before and before.channel else None
        try:
            return await self._enter(channel_name, await self._find(channel_name, channel))
        except Undeliverable as problem:
            if before and before.is_usable and not problem.permanent:
                return before
            return Channel(channel_name, channel=channel, problem=_why(problem, channel_name))

    async def _find(self, channel_name: str, channel: str | None) -> _Seen:
        if CHANNEL_ID.fullmatch(channel_name):
            return await self._by_id(channel_name)
        if channel is not None:
            try:
                return await self._by_id(channel)
            except Undeliverable as problem:
                if problem.error != "channel_not_found":
                    raise
        return await self._by_name(channel_name)

    async def _by_id(self, channel: str) -> _Seen:
        answer = await self._deps.chat.call("conversations.info", {"channel": channel})
        return _Seen.read(answer["channel"])

    async def _by_name(self, name: str) -> _Seen:
        if self._listed is None:
            self._listed = await _listed(self._deps)
        return self._listed.get(name) or await self._create_or_find(name)

    async def _create_or_find(self, name: str) -> _Seen:
        """Another look, or another process, may have made it since we listed them."""
        try:
            return await self._create(name)
        except Undeliverable as problem:
            if problem.error != "name_taken":
                raise
            self._listed = await _listed(self._deps)
            if name not in self._listed:
                raise
            return self._listed[name]

    async def _create(self, name: str) -> _Seen:
        answer = await self._deps.chat.call("conversations.create", {"name": name, "is_private": False})
        return _Seen.read({"is_member": True} | answer["channel"])

    async def _enter(self, channel_name: str, seen: _Seen) -> Channel:
        if seen.is_archived:
            raise Undeliverable("is_archived", permanent=True)
        if not seen.is_member:
            if seen.is_private:
                raise Undeliverable("is_private", permanent=True)
            await self._deps.chat.call("conversations.join", {"channel": seen.id})
        return Channel(channel_name, channel=seen.id, name=seen.name, is_private=seen.is_private)


async def _listed(deps: Deps) -> dict[str, _Seen]:
    """Archived ones too, since their names are taken."""
    kinds = {"types": "public_channel,private_channel", "exclude_archived": False, "limit": PAGE}
    found = [
        _Seen.read(channel)
        async for page in pages(deps, "conversations.list", kinds)
        for channel in page.get("channels") or []
    ]
    return {seen.name: seen for seen in found}


async def _keep(deps: Deps, place: Channel, before: Channel | None) -> None:
    async with deps.database.transaction() as tx:
        await store.save(tx, place, seen_at=deps.clock.wall())
    if place.problem and (before is None or before.problem != place.problem):
        telemetry.get_logger().warning(
            Event.CHANNEL_UNAVAILABLE, channel_name=place.channel_name, sentence=place.problem
        )


def _why(problem: Undeliverable, channel_name: str) -> str:
    if not problem.permanent:
        return UNANSWERED.format(name=_spoken(channel_name))
    return _sentence(problem.error, _spoken(channel_name))


def _sentence(error: str, name: str) -> str:
    return SENTENCES.get(error, OTHERWISE).format(name=name, error=error)


def _spoken(channel_name: str) -> str:
    return f"<#{channel_name}>" if CHANNEL_ID.fullmatch(channel_name) else f"#{channel_name}"
