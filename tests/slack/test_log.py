"""What Slack's framework does to our log: nothing."""

from __future__ import annotations

import logging

from bot.slack.app import SlackDoor
from tests.slack.conftest import Workspace


async def test_our_own_lines_stay(door: SlackDoor, workspace: Workspace) -> None:
    """After a request, our own logger still says what its level lets it say: the sealed heads of the audit log, too."""
    ours = logging.getLogger("tocsin")
    ours.setLevel(logging.NOTSET)
    await workspace.says("Ada", "/incident buy bread")
    assert ours.level == logging.NOTSET
