"""Buttons, forms and shortcuts through Socket Mode."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bot.slack.app import SlackDoor
from tests.slack.conftest import Worker, Workspace
from tests.slack.table import Shop


async def shown(workspace: Workspace) -> str:
    """The ts of a message with buttons."""
    await workspace.says("Ada", "/incident buttons")
    return str((await workspace.messages())[-1]["ts"])


async def click(workspace: Workspace, action: str, **wish: Any) -> dict[str, Any]:
    ts = await shown(workspace)
    answer = await workspace.does("click", user="Ben", channel="general", ts=ts, action_id=f"{action}:1", **wish)
    assert answer["ok"], answer
    return answer


async def opened(workspace: Workspace, user: str = "Ada") -> str:
    """The id of an open form."""
    answer = await workspace.does("command", user=user, channel="general", text="/incident form")
    return str(answer["views"][-1]["id"])


async def submit(workspace: Workspace, view: str, what: str, **more: Any) -> dict[str, Any]:
    values = {"what": what, "size:2": "large", **more}
    return await workspace.does("submit", user="Ada", view_id=view, values=values)


async def test_a_click_is_a_press(door: SlackDoor, workspace: Workspace, shop: Shop) -> None:
    """A click arrives with its subject and its place; the answer is for who clicked."""
    await click(workspace, "thing.take")
    await workspace.until_said("Took INC-7.", as_user="U0BEN")
    press = shop.block_actions[0]
    assert (press.action, press.value, press.by.id, press.where.channel) == (
        "thing.take",
        "INC-7",
        "U0BEN",
        "C0GENERAL",
    )
    assert press.where.ts
    assert "Took INC-7." not in await workspace.texts(as_user="U0ADA")


async def test_two_clicks_are_two_presses(door: SlackDoor, workspace: Workspace, shop: Shop) -> None:
    """Two clicks have two triggers: both are asked, and the services decide."""
    await click(workspace, "thing.take", times=2)
    assert len(shop.block_actions) == 2
    assert len({press.by.key for press in shop.block_actions}) == 2


async def test_a_click_delivered_twice(door: SlackDoor, workspace: Workspace, shop: Shop) -> None:
    """One click that Slack delivers twice is one press."""
    ts = await shown(workspace)
    await workspace.fault("duplicate_delivery")
    await workspace.does("click", user="Ben", channel="general", ts=ts, action_id="thing.take:1")
    await workspace.until_said("Took INC-7.", as_user="U0BEN")
    assert len(shop.block_actions) == 1
    assert (await workspace.texts(as_user="U0BEN")).count("Took INC-7.") == 1


async def test_a_reply_in_place(door: SlackDoor, workspace: Workspace) -> None:
    """A reply may replace the message that was pressed."""
    await click(workspace, "thing.swap")
    await workspace.until_said("Swapped.")
    assert "Buttons" not in await workspace.texts()


@pytest.mark.parametrize("budget_seconds", [0.3])
async def test_a_slow_click(door: SlackDoor, workspace: Workspace, shop: Shop) -> None:
    """A slow click is acknowledged in time and answered when it is done."""
    await click(workspace, "thing.slow")
    shop.wait.set()
    await workspace.until_said("Pressed at last.", as_user="U0BEN")


async def test_a_button_nobody_answers(door: SlackDoor, workspace: Workspace) -> None:
    """A button from an older version says so."""
    await click(workspace, "thing.gone")
    await workspace.until_said("older message", as_user="U0BEN")


async def test_a_button_opens_the_form(door: SlackDoor, workspace: Workspace, shop: Shop) -> None:
    """A press that answers with a form opens it."""
    answer = await click(workspace, "form.open")
    assert [view["callback_id"] for view in answer["views"]] == ["order"]


async def test_a_form_is_sent(door: SlackDoor, workspace: Workspace, shop: Shop, worker: Worker) -> None:
    """What was filled in arrives by field; the answer is said where the form was opened."""
    answer = await submit(workspace, await opened(workspace), "tea & milk", gift=["gift"], **{"for": ["U0BEN"]})
    assert answer["ok"], answer
    assert answer["views"] == []
    order = shop.orders[0]
    assert order.values == {"what": "tea & milk", "size": "large", "gift": True, "for": ["U0BEN"]}
    assert order.metadata == "carried along"
    assert order.where.channel == "C0GENERAL"
    await worker.works_until_said(workspace, "Ordered tea & milk.", "general")
    assert "Ordered tea & milk." not in await workspace.texts(as_user="U0BEN")
    assert not workspace.violations()


async def test_nothing_chosen(door: SlackDoor, workspace: Workspace, shop: Shop) -> None:
    """Optional fields left alone are empty, an unticked box is False."""
    await submit(workspace, await opened(workspace), "silent")
    assert shop.orders[0].values == {"what": "silent", "size": "large", "gift": False, "for": []}


async def test_errors_keep_the_form_open(door: SlackDoor, workspace: Workspace, shop: Shop, worker: Worker) -> None:
    """Errors show under their field, and the corrected form is a new question."""
    view = await opened(workspace)
    answer = await submit(workspace, view, "nothing")
    assert answer["response_action"] == "errors"
    assert answer["errors"] == {"size:2": "There is no size of nothing."}
    await submit(workspace, view, "tea")
    await worker.works_until_said(workspace, "Ordered tea.", "general")
    assert [order.values["what"] for order in shop.orders] == ["nothing", "tea"]


async def test_a_problem_shows_in_the_form(door: SlackDoor, workspace: Workspace) -> None:
    """A problem that names no field shows under the first one."""
    answer = await submit(workspace, await opened(workspace), "everything")
    assert answer["errors"] == {"what": "Ben bought everything already."}


async def test_a_form_sent_twice(door: SlackDoor, workspace: Workspace, shop: Shop, worker: Worker) -> None:
    """A double click on the form's button is one order."""
    values = {"what": "tea", "size:2": "large"}
    answer = await workspace.does("submit", user="Ada", view_id=await opened(workspace), values=values, times=2)
    assert answer["ok"], answer
    await worker.works_until_said(workspace, "Ordered tea.", "general")
    assert len(shop.orders) == 1


@pytest.mark.parametrize("budget_seconds", [0.3])
async def test_a_slow_form(door: SlackDoor, workspace: Workspace, shop: Shop, worker: Worker) -> None:
    """A form that takes too long closes in time; its answer is said later."""
    answer = await submit(workspace, await opened(workspace), "slow")
    assert answer["views"] == []
    shop.wait.set()
    await worker.works_until_said(workspace, "Ordered slow.", "general")


async def test_an_answer_where_the_bot_is_not(
    door: SlackDoor, workspace: Workspace, shop: Shop, worker: Worker
) -> None:
    """Where the bot may not write an ephemeral message, it answers in a direct message."""
    await workspace.fault("error", method="chat.postEphemeral", error="not_in_channel", times=9)
    await submit(workspace, await opened(workspace), "tea")
    async with asyncio.timeout(30):
        while "Ordered tea." not in await workspace.dms("U0ADA"):
            await worker.works()


async def test_a_choice_changes_the_form(door: SlackDoor, workspace: Workspace, shop: Shop) -> None:
    """A choice in a form is a press named after form and field, and may change the form under the person's hands."""
    view = await opened(workspace)
    answer = await workspace.does(
        "click", user="Ada", view_id=view, action_id="value", block_id="size:2", selected="small"
    )
    assert answer["ok"], answer
    assert answer["views"][-1]["title"]["text"] == "Order small"
    assert (shop.block_actions[0].action, shop.block_actions[0].value, shop.block_actions[0].metadata) == (
        "order/size",
        "small",
        "carried along",
    )
    await submit(workspace, view, "silent")
    assert shop.orders[0].where.channel == "C0GENERAL"


async def test_shortcuts(door: SlackDoor, workspace: Workspace, shop: Shop) -> None:
    """A message shortcut brings the message along; a global one may open a form."""
    posted = await workspace.does("message", user="Ben", channel="general", text="It <b>broke</b>")
    await workspace.does("shortcut", user="Ada", callback_id="note.add", channel="general", ts=posted["ts"])
    await workspace.until_said("Noted.")
    mark = shop.marks[0]
    assert (mark.text, mark.author, mark.where.ts) == ("It <b>broke</b>", "U0BEN", posted["ts"])
    answer = await workspace.does("shortcut", user="Ada", callback_id="form.open")
    assert [view["callback_id"] for view in answer["views"]] == ["order"]


async def test_the_trigger_ran_out(door: SlackDoor, workspace: Workspace) -> None:
    """Where Slack does not open the form, the answer holds a button that does."""
    await workspace.fault("error", method="views.open", error="expired_trigger_id")
    said = await workspace.says("Ada", "/incident form")
    assert "too slow" in said["text"]
    assert said["blocks"][-1]["elements"][0]["action_id"] == "form.open"
