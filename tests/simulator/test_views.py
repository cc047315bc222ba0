"""Modals and Home tabs through the API: triggers, the stack, hashes, what stays typed."""

from __future__ import annotations

from typing import Any

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from bot.simulator import Simulator
from tests.simulator.conftest import Hands, StillClock
from tests.simulator.refusals import error, refusal


def form(*block_ids: str, **more: Any) -> dict[str, Any]:
    """A modal with a text field for each block_id."""
    element = {"type": "plain_text_input", "action_id": "value"}
    label = {"type": "plain_text", "text": "Label"}
    blocks = [{"type": "input", "block_id": one, "label": label, "element": dict(element)} for one in block_ids]
    title = {"type": "plain_text", "text": "Title"}
    return {"type": "modal", "title": title, "submit": {"type": "plain_text", "text": "Go"}, "blocks": blocks, **more}


@pytest.fixture
def trigger(sim: Simulator) -> str:
    """A trigger Ada has just set off."""
    return sim.workspace.new_trigger("U0ADA")


async def stack(hands: Hands) -> list[dict[str, Any]]:
    shown = await hands.see("state", **{"as": "ada"})
    views: list[dict[str, Any]] = shown["views"]
    return views


async def test_a_trigger_opens_one_view(client: AsyncWebClient, hands: Hands, trigger: str) -> None:
    """A modal opens for the person of the trigger; the trigger is spent then."""
    opened = await client.views_open(trigger_id=trigger, view=form("title"))
    assert opened["view"]["root_view_id"] == opened["view"]["id"]
    assert [one["id"] for one in await stack(hands)] == [opened["view"]["id"]]
    assert await error(client.views_open(trigger_id=trigger, view=form("title"))) == "exchanged_trigger_id"
    assert await error(client.views_open(trigger_id="1.2.3", view=form("title"))) == "invalid_trigger_id"


async def test_a_trigger_lives_three_seconds(client: AsyncWebClient, still: StillClock, trigger: str) -> None:
    """After three seconds a trigger opens nothing."""
    still.advance(3.1)
    assert await error(client.views_open(trigger_id=trigger, view=form("title"))) == "expired_trigger_id"


async def test_an_invalid_view_keeps_the_trigger(client: AsyncWebClient, trigger: str) -> None:
    """A refused view is told where it is wrong, and may be sent again."""
    body = await refusal(client.views_open(trigger_id=trigger, view=form("title", submit=None)))
    assert body["error"] == "invalid_arguments"
    assert "submit" in body["response_metadata"]["messages"][0]
    assert await error(client.views_open(trigger_id=trigger, view={"type": "home", "blocks": []})) == (
        "invalid_arguments"
    )
    assert (await client.views_open(trigger_id=trigger, view=form("title")))["ok"]


async def test_the_stack_holds_three(client: AsyncWebClient, sim: Simulator, hands: Hands) -> None:
    """Two modals can lie on top of the first, no more; there is nothing to push onto without one."""

    def trigger() -> str:
        return sim.workspace.new_trigger("U0ADA")

    assert await error(client.views_push(trigger_id=trigger(), view=form("a"))) == "not_found"
    first = await client.views_open(trigger_id=trigger(), view=form("a"))
    for _ in range(2):
        pushed = await client.views_push(trigger_id=trigger(), view=form("b"))
    assert pushed["view"]["root_view_id"] == first["view"]["id"]
    assert await error(client.views_push(trigger_id=trigger(), view=form("c"))) == "push_limit_reached"
    assert len(await stack(hands)) == 3


async def test_hash_conflict(client: AsyncWebClient, trigger: str) -> None:
    """An update with the hash of an older state is refused."""
    opened = await client.views_open(trigger_id=trigger, view=form("a"))
    view_id, old = opened["view"]["id"], opened["view"]["hash"]
    assert (await client.views_update(view_id=view_id, view=form("b"), hash=old))["ok"]
    assert await error(client.views_update(view_id=view_id, view=form("c"), hash=old)) == "hash_conflict"
    assert await error(client.views_update(view_id="V0NONE", view=form("c"))) == "not_found"


async def test_external_ids(client: AsyncWebClient, sim: Simulator) -> None:
    """An external_id names one view of the workspace, and finds it."""
    view = form("a", external_id="mine")
    await client.views_open(trigger_id=sim.workspace.new_trigger("U0ADA"), view=view)
    other = client.views_open(trigger_id=sim.workspace.new_trigger("U0BEN"), view=view)
    assert await error(other) == "duplicate_external_id"
    assert (await client.views_update(external_id="mine", view=view))["ok"]


async def test_what_was_typed_stays(client: AsyncWebClient, sim: Simulator, trigger: str) -> None:
    """An update keeps what a person typed where block_id and action_id stay, and forgets the rest."""
    opened = await client.views_open(trigger_id=trigger, view=form("kept", "lost"))
    view = sim.workspace.views[opened["view"]["id"]]
    view.values["kept"]["value"]["value"] = view.values["lost"]["value"]["value"] = "typed"
    updated = await client.views_update(view_id=view.id, view=form("kept", "new"))
    values = updated["view"]["state"]["values"]
    assert values["kept"]["value"]["value"] == "typed"
    assert values["new"]["value"]["value"] is None
    assert "lost" not in values


async def test_home(client: AsyncWebClient, hands: Hands) -> None:
    """A Home tab is one person's; publishing again replaces it, an old hash is refused."""
    section = {"type": "section", "text": {"type": "mrkdwn", "text": "Nothing open"}}
    first = await client.views_publish(user_id="U0ADA", view={"type": "home", "blocks": [section]})
    second = await client.views_publish(
        user_id="U0ADA", view={"type": "home", "blocks": []}, hash=first["view"]["hash"]
    )
    assert first["view"]["id"] == second["view"]["id"]
    old = client.views_publish(user_id="U0ADA", view={"type": "home", "blocks": []}, hash=first["view"]["hash"])
    assert await error(old) == "hash_conflict"
    assert (await hands.see("state", **{"as": "ada"}))["home"]["blocks"] == []
    assert (await hands.see("state", **{"as": "ben"}))["home"] is None
    assert await error(client.views_publish(user_id="U0EVE", view={"type": "home", "blocks": []})) == (
        "invalid_arguments"
    )
