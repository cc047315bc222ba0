"""Commands, clicks, forms and shortcuts of people. The app has three seconds to acknowledge each."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from bot.simulator.content import inputs, views
from bot.simulator.content.blocks import interactive_elements
from bot.simulator.content.mrkdwn import typed
from bot.simulator.delivery.deliver import Ack, Deliverer, Sort, Undelivered
from bot.simulator.interactivity import payloads
from bot.simulator.interactivity.respond import answer, read_response
from bot.simulator.workspace.errors import NotPossible, Refused, forbid
from bot.simulator.workspace.state import Channel, Json, Message, Person, View, Workspace

TROUBLE = "We had some trouble connecting. Try again?"
MOST_TIMES = 20


@dataclass(frozen=True)
class Asked:
    ack: Ack
    trigger_id: str = ""

    @property
    def milliseconds(self) -> float:
        return round(self.ack.milliseconds, 2)


@dataclass(frozen=True)
class Interactions:
    _workspace: Workspace
    _deliverer: Deliverer

    async def command(self, person: Person, channel: Channel, line: str) -> tuple[Asked, Json | None]:
        name, _, rest = line.strip().partition(" ")
        known = self._workspace.manifest.commands
        words = f"{name} is not a valid command. In Slack, all messages that start with the “/” are commands."
        forbid(name not in known, "unknown_command", words)
        text = typed(self._workspace, rest.strip(), is_message=False) if known[name].should_escape else rest.strip()
        payload = payloads.slash_command(self._workspace, person, channel, name, text)
        asked = await self._ask("slash_commands", payload, person, name)
        return asked, self._show_reply(person, channel, name, asked.ack.payload)

    async def click_message(
        self, person: Person, channel: Channel, message: Message, choice: "Choice", times: int = 1
    ) -> list[Asked]:
        """All `times` clicks go out at once."""
        blocks = [*message.blocks, *(one for card in message.attachments for one in card.get("blocks") or ())]
        block, element = choice.find(blocks)
        action, state = choice.action(self._workspace, block, element)
        values = inputs.initial_values(blocks)
        if state:
            values[block["block_id"]][element["action_id"]] = state

        payload = partial(payloads.message_click, self._workspace, person, channel, message, action, values)
        return await self._repeat(payload, person, element["action_id"], times)

    async def click_view(self, person: Person, view: View, choice: "Choice", times: int = 1) -> list[Asked]:
        block, element = choice.find(view.content["blocks"])
        action, state = choice.action(self._workspace, block, element)
        if state:
            view.values[block["block_id"]][element["action_id"]] = state
            self._workspace.changes.mark()

        payload = partial(payloads.view_click, self._workspace, person, view, action)
        return await self._repeat(payload, person, element["action_id"], times)

    async def submit(self, person: Person, view: View, times: int = 1) -> list[Json]:
        view.errors = {}

        payload = partial(payloads.view_submission, self._workspace, person, view)
        answers = await self._repeat(payload, person, "submit", times)
        return [self._apply(view, person, asked) for asked in answers]

    async def close(self, person: Person, view: View) -> None:
        payload = payloads.view_closed(self._workspace, person, view)
        views.close(self._workspace, view)
        if view.content.get("notify_on_close"):
            await self._ask("interactive", payload, person, "close")

    async def shortcut(self, person: Person, callback_id: str, place: tuple[Channel, Message] | None) -> Asked:
        kind = "message" if place else "global"
        known = [one.callback_id for one in self._workspace.manifest.shortcuts if one.type == kind]
        forbid(callback_id not in known, "unknown_shortcut", f"The app has no {kind} shortcut called {callback_id}.")
        payload = payloads.shortcut(self._workspace, person, callback_id, place)
        return await self._ask("interactive", payload, person, callback_id)

    async def _repeat(self, payload: Callable[[], Json], person: Person, what: str, times: int) -> list[Asked]:
        rounds = range(min(max(times, 1), MOST_TIMES))
        asks = [self._ask("interactive", payload(), person, what) for _ in rounds]
        answers = await asyncio.gather(*asks, return_exceptions=True)
        for one in answers:
            if isinstance(one, BaseException):
                raise one
        return [one for one in answers if isinstance(one, Asked)]

    async def _ask(self, sort: Sort, payload: Json, person: Person, what: str) -> Asked:
        trigger_id = payload.get("trigger_id", "")
        key = trigger_id or f"{payload['type']}:{payload['view']['id']}"
        try:
            ack = await self._deliverer.ask(sort, payload, key)
        except Undelivered as problem:
            raise self._failure(sort, person, what, problem.reason) from problem
        return Asked(ack, trigger_id)

    def _failure(self, sort: Sort, person: Person, what: str, reason: str) -> NotPossible:
        code = "operation_timeout" if reason == "http_timeout" else "dispatch_failed"
        sentence = f'{what} failed with the error "{code}"' if sort == "slash_commands" else TROUBLE
        self._workspace.notify(person.id, "timeout" if code == "operation_timeout" else code, sentence)
        return NotPossible(code, sentence)

    def _show_reply(self, person: Person, channel: Channel, name: str, body: Any) -> Json | None:
        if not isinstance(body, dict) or not (body.get("text") or body.get("blocks") or body.get("attachments")):
            return None
        try:
            draft = read_response(body)
        except Refused as problem:
            self._reject(person, f"{name}: the acknowledgement was refused with {problem.code}", problem)
            return None
        answer(self._workspace, channel, person.id, draft, body)
        shown = {"response_type": body.get("response_type", "ephemeral"), "text": draft.text}
        return shown | ({"blocks": draft.blocks} if draft.blocks else {})

    def _apply(self, view: View, person: Person, asked: Asked) -> Json:
        body = asked.ack.payload if isinstance(asked.ack.payload, dict) else {}
        action = body.get("response_action")
        if view.id not in self._workspace.views:
            return {"response_action": action} if action else {}
        try:
            self._follow(view, body, action)
        except Refused as problem:
            self._reject(person, f"the answer to {view.content.get('callback_id')} was refused", problem)
        return {key: body[key] for key in ("response_action", "errors") if key in body}

    def _follow(self, view: View, body: Json, action: str | None) -> None:
        if action is None:
            views.close(self._workspace, view)
        elif action == "clear":
            views.clear(self._workspace, view.user)
        elif action == "errors":
            self._show_errors(view, body.get("errors"))
        elif action == "update":
            views.update(self._workspace, view, views.checked_content(body.get("view"), "modal"))
        elif action == "push":
            views.push_modal(self._workspace, view.user, views.checked_content(body.get("view"), "modal"))
        else:
            raise Refused("invalid_arguments", f"unknown response_action {action}")

    def _show_errors(self, view: View, errors: Any) -> None:
        fields = {block["block_id"] for block in view.content["blocks"] if block["type"] == "input"}
        if not isinstance(errors, dict) or not errors or not errors.keys() <= fields:
            raise Refused("invalid_arguments", "errors must name input blocks of the view")
        view.errors = {block_id: str(sentence) for block_id, sentence in errors.items()}
        self._workspace.changes.mark()

    def _reject(self, person: Person, sentence: str, problem: Refused) -> None:
        self._workspace.violation(sentence, error=problem.code, messages=problem.messages)
        self._workspace.notify(person.id, "error", TROUBLE)


@dataclass(frozen=True)
class Choice:
    """`value` tells equal action_ids apart."""

    action_id: str
    value: str | None = None
    selected: Any = None
    block_id: str | None = None

    def find(self, blocks: list[Json]) -> tuple[Json, Json]:
        """Raises NotPossible."""
        found = [(block, one) for block in blocks for one in interactive_elements(block) if self._matches(block, one)]
        forbid(not found, "no_such_element", f"There is nothing called {self.action_id} to click here.")
        exact = [pair for pair in found if self.value is not None and pair[1].get("value") == self.value]
        is_missed = self.value is not None and not exact and found[0][1]["type"] == "button"
        forbid(is_missed, "no_such_element", f"There is no {self.action_id} with the value {self.value} here.")
        return (exact or found)[0]

    def action(self, workspace: Workspace, block: Json, element: Json) -> tuple[Json, Json | None]:
        action = {"type": element["type"], "action_id": element["action_id"], "block_id": block["block_id"]}
        if element["type"] == "button":
            return action | {key: element[key] for key in ("text", "value", "style", "url") if key in element}, None
        chosen = self.value if self.selected is None else self.selected
        if element["type"] == "overflow":
            state = inputs.state_of(workspace, {**element, "type": "static_select"}, chosen)
            return action | {"selected_option": state["selected_option"]}, None
        state = inputs.state_of(workspace, element, chosen)
        shown = {key: value for key, value in state.items() if key != "type"}
        return action | shown | {key: element[key] for key in ("placeholder",) if key in element}, state

    def _matches(self, block: Json, element: Json) -> bool:
        is_here = self.block_id is None or block["block_id"] == self.block_id
        return is_here and bool(element.get("action_id") == self.action_id)
