"""The Home tab: drawn afresh whenever its owner opens it or presses something in it."""

from __future__ import annotations

from typing import Any

from bot import telemetry
from bot.deps import Deps
from bot.domain.errors import Problem, Undeliverable
from bot.domain.people.person import Actor
from bot.interactions import Listeners
from bot.services.workspace import people, permissions
from bot.telemetry import Event


async def publish(deps: Deps, listeners: Listeners, user: str, key: str) -> None:
    """Draw the Home tab of this person. Publishing twice is publishing once. Raises Undeliverable."""
    person = await people.find(deps, user)
    try:
        permissions.welcome(person)
        view = await listeners.home(Actor(person, key=key or None), deps)
    except Problem as problem:
        view = _nothing_but(problem.sentence)
    await deps.chat.call("views.publish", {"user_id": user, "view": view})


async def refresh(deps: Deps, listeners: Listeners, user: str, key: str) -> None:
    """As `publish`, after a click: where Slack does not take it, the tab is drawn when it is opened next."""
    try:
        await publish(deps, listeners, user, key)
    except Undeliverable as problem:
        telemetry.get_logger().warning(Event.SLACK_ANSWER_LOST, name="home", error=problem.error)


def _nothing_but(sentence: str) -> dict[str, Any]:
    return {"type": "home", "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": sentence}}]}
