"""Socket Mode: two connections, kept."""

from __future__ import annotations

import asyncio

from bot.domain.text.secret import Secret
from bot.slack.app import SlackDoor
from bot.slack.sockets import Socket
from tests.slack.conftest import Workspace
from tests.slack.table import Shop


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


async def test_a_click_with_one_connection_gone(door: SlackDoor, workspace: Workspace, shop: Shop) -> None:
    """With one connection cut a moment ago, a click goes over the other."""
    await workspace.says("Ada", "/incident buttons")
    ts = (await workspace.messages())[-1]["ts"]
    workspace.simulator.sockets.drop(1)
    answer = await workspace.does("click", user="Ben", channel="general", ts=ts, action_id="thing.take:1")
    assert answer["ok"], answer
    assert len(shop.block_actions) == 1


async def test_a_connection_that_cannot_be_mended_is_replaced(door: SlackDoor, workspace: Workspace) -> None:
    """A socket without a connection for too long is closed and begun again, until Slack takes it."""
    await door.stop()
    await until_open(workspace, 0)
    await workspace.fault("error", method="apps.connections.open", error="internal_error", times=999)
    token = Secret(workspace.simulator.app_token)
    socket = Socket(door.app, token, name="test", ping_seconds=0.1, patience_seconds=0.2)
    keeping = asyncio.create_task(socket.keep())
    await asyncio.sleep(0.5)
    assert not socket.is_connected
    await workspace.simulator_is_well()
    await until_open(workspace, 1)
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    await until_open(workspace, 0)
    assert not socket.is_connected


async def test_slack_asks_to_reconnect(door: SlackDoor, workspace: Workspace) -> None:
    """When Slack renews a connection, what people do meanwhile arrives over the other."""
    await workspace.simulator.sockets.disconnect("refresh_requested")
    for thing in ("a", "b", "c"):
        answer = await workspace.does("command", user="Ada", channel="general", text=f"/incident buy {thing}")
        assert answer["ok"], answer
    await until_open(workspace, 2)


async def test_no_connection_is_said(door: SlackDoor, workspace: Workspace) -> None:
    """With no connection left and none to be had, /readyz learns why."""
    await workspace.fault("error", method="apps.connections.open", error="internal_error", times=999)
    assert workspace.simulator.sockets.drop(2) == 2
    async with asyncio.timeout(30):
        while door.connected():  # noqa: ASYNC110 - looked at twice a second
            await asyncio.sleep(0.05)
    assert "No Socket Mode connection" in (door.trouble() or "")
