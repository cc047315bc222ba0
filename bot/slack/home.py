"""The Home tab: drawn again when its owner opens it or clicks something in it."""

from __future__ import annotations

from bot import telemetry
from bot.deps import Deps
from bot.domain.errors import Problem, Undeliverable
from bot.domain.people.person import Actor
from bot.interactions import Listeners
from bot.services.workspace import people, permissions
from bot.slack import help_text
from bot.telemetry import Event


async def publish(deps: Deps, listeners: Listeners, user: str, key: str) -> None:
    """Publishing twice is publishing once. Raises Undeliverable."""
    person = await people.find(deps, user)
    try:
        permissions.welcome(person)
        view = await listeners.home(Actor(person, key=key or None), deps)
    except Problem as problem:
        view = {"type": "home", "blocks": [help_text.section(problem.sentence)]}
    await deps.chat.call("views.publish", {"user_id": user, "view": view})


async def refresh(deps: Deps, listeners: Listeners, user: str, key: str) -> None:
    """Where Slack does not take it, the tab is drawn when it is opened next."""
    try:
        await publish(deps, listeners, user, key)
    except Undeliverable as problem:
        telemetry.get_logger().warning(Event.SLACK_ANSWER_LOST, name="home", error=problem.error)
