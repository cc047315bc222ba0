"""Channels that operators named, against a simulated workspace."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import aiohttp
import pytest

from bot.deps import CurrentCatalogue, Deps
from bot.ports import Database
from bot.services.workspace import channels
from tests.slack.conftest import CATALOGUE, SERVICE, Workspace, make_deps
from tests.support.clock import HandClock


@pytest.fixture
def deps(database: Database, clock: HandClock, workspace: Workspace, session: aiohttp.ClientSession) -> Deps:
    """Both dialects: places are kept in the database."""
    return make_deps(database, clock, workspace, session, team="T0SIM")


def naming(deps: Deps, channel: str) -> Deps:
    return deps.with_config(incidents_channel=channel)


async def test_named_channels_are_found_and_joined(deps: Deps, workspace: Workspace) -> None:
    """Both channels are found by name, joined, and known by id from the table alone."""
    await channels.find_all(deps)
    assert await channels.resolve(deps, "#Incidents") == "C0INCIDENTS"
    async with deps.database.reading() as tx:
        assert await channels.resolve(tx, "ops-alerts") == "C0OPSALERTS"
    assert await channels.problems(deps) == []
    members = workspace.simulator.workspace.channels["C0INCIDENTS"].members
    assert "U0TOCSIN" in members


async def test_a_missing_channel_is_created(deps: Deps, workspace: Workspace) -> None:
    """A channel that is not there is made."""
    ours = naming(deps, "war-room")
    await channels.find_all(ours)
    channel = await channels.resolve(ours, "war-room")
    assert channel
    assert workspace.simulator.workspace.channels[channel].name == "war-room"


async def test_several_looks_at_once(deps: Deps, workspace: Workspace) -> None:
    """Several looks at the same moment make a missing channel once, and all of them find it."""
    workspace.simulator.control.latency_seconds = 0.02  # each has read the list before any has made the channel
    ours = naming(deps, "war-room")
    await asyncio.gather(*(channels.find_all(ours) for _ in range(4)))
    assert await channels.problems(ours) == []
    assert await channels.resolve(ours, "war-room")


async def test_services_have_channels_too(deps: Deps) -> None:
    """The channels of a service are looked for like the two settings."""
    service = replace(SERVICE, alerts_channel="shop-alerts", incidents_channel="#shop")
    ours = replace(deps, current_catalogue=CurrentCatalogue(replace(CATALOGUE, services={"default": service})))
    assert channels.settings(ours) == ["incidents", "ops-alerts", "shop", "shop-alerts"]
    await channels.find_all(ours)
    assert await channels.resolve(ours, "shop")
    assert await channels.resolve(ours, "shop-alerts")


async def test_a_rename_is_harmless(deps: Deps, workspace: Workspace) -> None:
    """A channel is kept by its id: renamed, it is still the one."""
    await channels.find_all(deps)
    workspace.simulator.workspace.channels["C0INCIDENTS"].name = "trouble"
    await channels.find_all(deps)
    assert await channels.resolve(deps, "incidents") == "C0INCIDENTS"


async def test_by_id(deps: Deps) -> None:
    """A setting may be a channel's id."""
    ours = naming(deps, "C0GENERAL")
    await channels.find_all(ours)
    assert await channels.resolve(ours, "C0GENERAL") == "C0GENERAL"


@pytest.mark.parametrize(
    ("channel_name", "method", "error", "words"),
    [
        ("C0NOWHERE", None, "", "does not exist, or is private"),
        ("war-room", "conversations.create", "restricted_action", "does not let me create #war-room"),
        ("war-room", "conversations.create", "name_taken", "#war-room exists but I cannot see it"),
        ("war-room", "conversations.create", "no_permission", "Slack says no_permission"),
        ("incidents", "conversations.join", "is_archived", "#incidents is archived"),
        ("Mit Leerzeichen!", None, "", "no name Slack takes"),
    ],
)
async def test_what_cannot_be_used_is_a_sentence(
    deps: Deps, workspace: Workspace, channel_name: str, method: str | None, error: str, words: str
) -> None:
    """A forbidden, hidden or impossible channel is one sentence, and nothing is delivered to it."""
    if method:
        channel = "C0INCIDENTS" if method == "conversations.join" else None
        await workspace.fault("error", method=method, error=error, channel=channel, times=9)
    ours = naming(deps, channel_name)
    await channels.find_all(ours)
    assert await channels.resolve(ours, channel_name) is None
    problems = await channels.problems(ours)
    assert len(problems) == 1
    assert words in problems[0]


async def test_an_archived_channel_is_looked_at_again(deps: Deps) -> None:
    """What an operator has mended is used from the next look on."""
    await channels.find_all(deps)
    await deps.chat.call("conversations.archive", {"channel": "C0INCIDENTS"})
    await channels.find_all(deps)
    assert "#incidents is archived" in (await channels.problems(deps))[0]
    await deps.chat.call("conversations.unarchive", {"channel": "C0INCIDENTS"})
    await channels.look_again(deps)
    assert await channels.resolve(deps, "incidents") == "C0INCIDENTS"


async def test_before_slack_answered(deps: Deps, workspace: Workspace) -> None:
    """With Slack away nothing is known, which is said; what was known stays."""
    await workspace.fault("http_500", method="conversations.*", times=99)
    await channels.find_all(deps)
    assert len(await channels.problems(deps)) == 2
    await workspace.simulator_is_well()
    await channels.look_again(deps)
    await workspace.fault("http_500", method="conversations.*", times=99)
    await channels.find_all(deps)
    assert await channels.resolve(deps, "incidents") == "C0INCIDENTS"


async def test_a_private_channel(deps: Deps, workspace: Workspace) -> None:
    """A private channel is usable once somebody has invited the bot."""
    channel = workspace.simulator.workspace.channels["C0INCIDENTS"]
    channel.is_private = True
    await channels.find_all(deps)
    assert "private" in (await channels.problems(deps))[0]
    channel.members["U0TOCSIN"] = None
    await channels.look_again(deps)
    assert await channels.resolve(deps, "incidents") == "C0INCIDENTS"
