"""Socket Mode: two connections, kept."""

from __future__ import annotations

import asyncio

from bot.slack.app import SlackDoor
from tests.slack.conftest import Workspace


async def until_open(workspace: Workspace, count: int) -> None:
    async with asyncio.timeout(20):
        while workspace.simulator.sockets.count != count:  # noqa: ASYNC110 - in the simulator's hands
            await asyncio.sleep(0.01)


async def test_two_connections(door: SlackDoor, workspace: Workspace) -> None:
    """A started door has two connections and is connected."""
    await until_open(workspace, 2)
    assert door.connected()
    assert door.trouble() is None


async def test_a_dropped_connection_comes_back(door: SlackDoor, workspace: Workspace) -> None:
    """A connection that Slack drops is opened again, while the other one takes what people do."""
    await workspace.fault("drop_socket")
    for thing in ("a", "b", "c"):
        answer = await workspace.does("command", user="Ada", channel="general", text=f"/incident buy {thing}")
        assert answer["ok"], answer
    await until_open(workspace, 2)
    assert door.connected()


async def test_no_connection_is_said(door: SlackDoor, workspace: Workspace) -> None:
    """With no connection left and none to be had, /readyz learns why."""
    await workspace.fault("error", method="apps.connections.open", error="internal_error", times=999)
    assert workspace.simulator.sockets.drop(2) == 2
    async with asyncio.timeout(10):
        while door.connected():  # noqa: ASYNC110 - looked at twice a second
            await asyncio.sleep(0.05)
    assert "No Socket Mode connection" in (door.trouble() or "")
