"""A small table of its own: a shop that takes orders, so that the door is tested without the real commands."""

from __future__ import annotations

import asyncio
from typing import Any

from bot.deps import Deps
from bot.domain.errors import Conflict
from bot.domain.people.person import Actor
from bot.interactions import (
    Answer,
    BlockAction,
    Command,
    FieldErrors,
    Listeners,
    Modal,
    Nothing,
    Reply,
    Shortcut,
    Subcommand,
    Submission,
)
from bot.queue import unit_of_work
from bot.services.workspace import permissions


def form(title: str = "Order") -> dict[str, Any]:
    return {
        "type": "modal",
        "callback_id": "order",
        "title": {"type": "plain_text", "text": title},
        "submit": {"type": "plain_text", "text": "Send"},
        "private_metadata": "carried along",
        "blocks": [
            _input("what", {"type": "plain_text_input"}),
            _input("size:2", {"type": "static_select", "options": [_option("small"), _option("large")]}, dispatch=True),
            _input("gift", {"type": "checkboxes", "options": [_option("gift")]}, optional=True),
            _input("for", {"type": "multi_users_select"}, optional=True),
        ],
    }


def _input(block_id: str, element: dict[str, Any], *, optional: bool = False, dispatch: bool = False) -> dict[str, Any]:
    label = {"type": "plain_text", "text": block_id}
    block = {"type": "input", "block_id": block_id, "label": label, "optional": optional}
    return {**block, "dispatch_action": dispatch, "element": {**element, "action_id": "value"}}


def _option(key: str) -> dict[str, Any]:
    return {"text": {"type": "plain_text", "text": key}, "value": key}


def _button(action: str, value: str) -> dict[str, Any]:
    label = {"type": "plain_text", "text": action}
    return {"type": "button", "action_id": action, "value": value, "text": label}


class Shop:
    """Keeps what it was asked, so that a test can look."""

    def __init__(self) -> None:
        self.asked: list[Command] = []
        self.block_actions: list[BlockAction] = []
        self.orders: list[Submission] = []
        self.marks: list[Shortcut] = []
        self.events: list[tuple[str, Actor]] = []
        self.broken_events = 0
        self.wait = asyncio.Event()

    def table(self) -> Listeners:
        return Listeners(
            commands={
                "/incident": {
                    "": Subcommand(self.overview, "", "shows what is open"),
                    "buy": Subcommand(self.buy, "<thing>", "buys a thing"),
                    "slow": Subcommand(self.slow, "", "takes its time"),
                    "form": Subcommand(self.form, "", "opens the form"),
                    "broken": Subcommand(self.broken, "", "breaks"),
                    "counted": Subcommand(self.counted, "", "is carried out once"),
                    "buttons": Subcommand(self.buttons, "", "shows buttons"),
                },
                "/runbook": {"list": Subcommand(self.runbooks, "", "lists runbooks")},
            },
            aliases={"/incident": {"purchase": "buy"}},
            shapes={},
            block_actions={
                "thing.take": self.take,
                "thing.swap": self.swap,
                "thing.slow": self.slow_press,
                "form.open": self.press_form,
                "order/size": self.resize,
            },
            submissions={"order": self.order},
            shortcuts={"note.add": self.mark, "form.open": self.mark_form},
            home=self.home,
            events={"reaction_added": self.reaction},
        )

    async def overview(self, ask: Command, deps: Deps) -> Answer:
        return Reply("Nothing is open.")

    async def buy(self, ask: Command, deps: Deps) -> Answer:
        self.asked.append(ask)
        if ask.text == "everything":
            raise Conflict("Ben bought everything already.")
        return Reply(f"Bought {ask.text}.", public=ask.text == "loud")

    async def slow(self, ask: Command, deps: Deps) -> Answer:
        await self.wait.wait()
        return Reply("Done at last.")

    async def form(self, ask: Command, deps: Deps) -> Answer:
        return Modal(form(), opener=("Open the form", "form.open", "x"))

    async def broken(self, ask: Command, deps: Deps) -> Answer:
        raise RuntimeError("xoxb-very-secret broke")

    async def counted(self, ask: Command, deps: Deps) -> Answer:
        await permissions.must(deps, ask.by.person, "declare")
        async with deps.database.transaction() as tx:
            await unit_of_work.once(deps, tx, ask.by.key)
            self.asked.append(ask)
            await unit_of_work.answered(tx, ask.by.key, subject="INC-1", answer={"text": f"Number {len(self.asked)}."})
        return Reply(f"Number {len(self.asked)}.")

    async def buttons(self, ask: Command, deps: Deps) -> Answer:
        actions = ["thing.take", "thing.swap", "thing.slow", "form.open", "thing.gone"]
        elements = [_button(f"{action}:1", "INC-7") for action in actions]
        return Reply("Buttons", blocks=[{"type": "actions", "elements": elements}], public=True)

    async def runbooks(self, ask: Command, deps: Deps) -> Answer:
        return Reply("No runbooks.", public=True)

    async def take(self, press: BlockAction, deps: Deps) -> Answer:
        self.block_actions.append(press)
        return Reply(f"Took {press.value}.")

    async def swap(self, press: BlockAction, deps: Deps) -> Answer:
        return Reply("Swapped.", replace=True)

    async def slow_press(self, press: BlockAction, deps: Deps) -> Answer:
        await self.wait.wait()
        return Reply("Pressed at last.")

    async def press_form(self, press: BlockAction, deps: Deps) -> Answer:
        self.block_actions.append(press)
        return Modal(form())

    async def resize(self, press: BlockAction, deps: Deps) -> Answer:
        self.block_actions.append(press)
        return Modal(form(f"Order {press.value}"))

    async def order(self, submission: Submission, deps: Deps) -> Answer:
        self.orders.append(submission)
        match submission.values["what"]:
            case "nothing":
                return FieldErrors({"size": "There is no size of nothing."})
            case "everything":
                raise Conflict("Ben bought everything already.")
            case "slow":
                await self.wait.wait()
            case "silent":
                return Nothing()
        return Reply(f"Ordered {submission.values['what']}.")

    async def mark(self, mark: Shortcut, deps: Deps) -> Answer:
        self.marks.append(mark)
        return Reply("Noted.")

    async def mark_form(self, mark: Shortcut, deps: Deps) -> Answer:
        return Modal(form())

    async def home(self, by: Actor, deps: Deps) -> dict[str, Any]:
        text = {"type": "mrkdwn", "text": f"Hello {by.person.name}"}
        return {
            "type": "home",
            "blocks": [
                {"type": "section", "text": text},
                {"type": "actions", "elements": [_button("thing.take", "INC-9")]},
            ],
        }

    async def reaction(self, event: dict[str, Any], by: Actor, deps: Deps) -> None:
        if self.broken_events:
            self.broken_events -= 1
            raise RuntimeError("The first time fails.")
        self.events.append((event["reaction"], by))
