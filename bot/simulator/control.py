"""The control API under /_sim: what people do, what they see, faults, the clock, the journal."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from aiohttp import web

from bot.simulator import picture
from bot.simulator.content import channels, inputs, messages
from bot.simulator.content.messages import Draft
from bot.simulator.content.mrkdwn import typed
from bot.simulator.delivery.deliver import Deliverer
from bot.simulator.delivery.faults import Faults
from bot.simulator.delivery.http import HttpDoor
from bot.simulator.delivery.sockets import Sockets
from bot.simulator.interactivity.interactions import Asked, Choice, Interactions
from bot.simulator.workspace.errors import NotPossible, forbid, possible
from bot.simulator.workspace.limits import Limits
from bot.simulator.workspace.shapes import person_json, view_json
from bot.simulator.workspace.state import Channel, Json, Message, Person, View, Workspace

Action = Callable[[Json], Awaitable[Json]]
LONGEST_JUMP_SECONDS = 366 * 86_400
GREATEST_SPEED = 100_000
KINDS = ("member", "guest", "deactivated", "stranger")


@dataclass
class Control:
    _workspace: Workspace
    _interactions: Interactions
    _deliverer: Deliverer
    _sockets: Sockets
    _door: HttpDoor
    _faults: Faults
    _limits: Limits
    _reset: Callable[[], None]
    latency_seconds: float = 0.0

    def routes(self) -> list[web.RouteDef]:
        actions: dict[str, Action] = {
            "command": self.command,
            "message": self.message,
            "reaction": self.reaction,
            "pin": self.pin,
            "lock": self.lock,
            "shortcut": self.shortcut,
            "home": self.home,
            "click": self.click,
            "submit": self.submit,
            "close_view": self.close_view,
            "join": self.join,
            "users": self.users,
            "dm": self.dm,
            "faults": self.order_fault,
            "clock": self.move_clock,
            "settings": self.settings,
            "reset": self.reset,
        }
        return [
            *(web.post(f"/_sim/{name}", partial(self._act, name, action)) for name, action in actions.items()),
            web.get("/_sim/state", self.show_state),
            web.get("/_sim/stream", self.stream),
            web.get("/_sim/channels/{name}/messages", self.show_messages),
            web.get("/_sim/files/{id}", self.show_file),
            web.get("/_sim/clock", self.show_clock),
            web.get("/_sim/faults", self.show_faults),
            web.delete("/_sim/faults", self.clear_faults),
            web.get("/_sim/journal", self.show_journal),
        ]

    # --- what people do ---

    async def command(self, wish: Json) -> Json:
        person, channel = self._joined(wish)
        asked, response = await self._interactions.command(person, channel, _text(wish, "text"))
        body = {"response": response, "ack_ms": asked.milliseconds, "trigger_id": asked.trigger_id}
        return body | {"views": picture.stack_json(self._workspace, person.id)}

    async def message(self, wish: Json) -> Json:
        person, channel = self._joined(wish)
        draft = Draft(typed(self._workspace, _text(wish, "text")), thread_ts=self._thread(channel, wish))
        return {"ts": messages.post(self._workspace, channel, person.id, draft).ts}

    async def dm(self, wish: Json) -> Json:
        person = self._person(wish)
        channel, _ = channels.open_dm(self._workspace, (person.id,))
        draft = Draft(typed(self._workspace, _text(wish, "text")))
        return {"ts": messages.post(self._workspace, channel, person.id, draft).ts, "channel": channel.id}

    async def reaction(self, wish: Json) -> Json:
        person, _, message = self._joined_message(wish)
        name = _text(wish, "name").strip(":")
        changed = messages.react(self._workspace, message, person.id, name, remove=bool(wish.get("remove")))
        forbid(not changed, "no_change", "That reaction is already as you want it.")
        return {}

    async def pin(self, wish: Json) -> Json:
        person, channel, message = self._joined_message(wish)
        remove = bool(wish.get("remove"))
        forbid((message.ts in channel.pins) is not remove, "no_change", "That message is already as you want it.")
        (messages.unpin if remove else messages.pin)(self._workspace, channel, message, person.id)
        return {}

    async def lock(self, wish: Json) -> Json:
        """A locked thread takes no answers and no reactions until `remove` unlocks it."""
        _, channel, message = self._joined_message(wish)
        (channel.locked.discard if wish.get("remove") else channel.locked.add)(message.root_ts)
        self._workspace.changes.mark()
        return {}

    async def shortcut(self, wish: Json) -> Json:
        person = self._person(wish)
        place = self._visible_message(person, wish) if wish.get("ts") else None
        asked = await self._interactions.shortcut(person, _text(wish, "callback_id"), place)
        return self._answered(person, [asked])

    async def home(self, wish: Json) -> Json:
        """The Home tab as it is; what the app publishes on hearing of it comes later."""
        person = self._person(wish)
        channel, _ = channels.open_dm(self._workspace, (person.id,))
        home = self._workspace.homes.get(person.id)
        event: Json = {"type": "app_home_opened", "user": person.id, "channel": channel.id, "tab": "home"}
        self._workspace.emit(event | ({"view": view_json(home)} if home else {}), None)
        return {"home": picture.home_json(self._workspace, person.id)}

    async def click(self, wish: Json) -> Json:
        person = self._person(wish)
        value = None if wish.get("value") is None else str(wish["value"])
        choice = Choice(_text(wish, "action_id"), value, wish.get("selected"), wish.get("block_id"))
        times = _count(wish)
        if wish.get("view_id"):
            view = self._view_of(person, wish)
            inputs.fill_in(self._workspace, view.content["blocks"], view.values, _values(wish))
            return self._answered(person, await self._interactions.click_view(person, view, choice, times))
        place = self._visible_message(person, wish)
        return self._answered(person, await self._interactions.click_message(person, *place, choice, times))

    async def submit(self, wish: Json) -> Json:
        """Fill in and send a modal; what Slack's own client would refuse never reaches the app."""
        person = self._person(wish)
        view = self._view_of(person, wish)
        is_on_top = view is self._workspace.stacks.get(person.id, [None])[-1]
        forbid(not is_on_top, "not_on_top", "Another dialog lies on top of this one.")
        blocks = view.content["blocks"]
        inputs.fill_in(self._workspace, blocks, view.values, _values(wish))
        if problems := inputs.complaints(blocks, view.values):
            raise NotPossible("invalid_input", "Some fields need another look.", errors=problems)
        answers = await self._interactions.submit(person, view, _count(wish))
        return answers[0] | {"views": picture.stack_json(self._workspace, person.id)}

    async def close_view(self, wish: Json) -> Json:
        person = self._person(wish)
        await self._interactions.close(person, self._view_of(person, wish))
        return {"views": picture.stack_json(self._workspace, person.id)}

    async def join(self, wish: Json) -> Json:
        person = self._person(wish)
        channel = self._visible_channel(person, wish)
        forbid(channel.archived, "is_archived", f"#{channel.name} is archived.")
        is_visitor = person.kind in ("guest", "stranger")
        forbid(is_visitor, "user_is_restricted", f"{person.real_name} may only be where a member invited them.")
        if person.id not in channel.members:
            channels.add_member(self._workspace, channel, person.id)
        return {}

    async def users(self, wish: Json) -> Json:
        known = wish.get("id") or wish.get("name")
        person = next((one for one in self._workspace.people.values() if known in (one.id, one.name)), None)
        event = "user_change" if person else "team_join"
        person = person or self._new_person(wish)
        self._change(person, wish)
        body = person_json(person)
        self._workspace.show({"type": event, "user": body, "cache_ts": self._workspace.epoch()}, None)
        return {"user": body}

    # --- the machine ---

    async def order_fault(self, wish: Json) -> Json:
        """Sockets are dropped at once, unless `when` is "delivery": then right after the next payload was sent."""
        if wish.get("kind") == "disconnect":
            await self._sockets.disconnect(str(wish.get("error") or "refresh_requested"))
            return {}
        if wish.get("kind") == "drop_socket" and wish.get("when") != "delivery":
            return {"dropped": self._sockets.drop(_count(wish))}
        return {"fault": vars(self._faults.order(wish))}

    async def move_clock(self, wish: Json) -> Json:
        clock = self._workspace.clock
        if (speed := wish.get("speed")) is not None:
            is_speed = isinstance(speed, int | float) and 0 < speed <= GREATEST_SPEED
            forbid(not is_speed, "invalid_arguments", "The speed is a number above 0, up to 100,000.")
            await clock.set_speed(float(speed))
        if (jump := wish.get("jump")) is not None:
            is_jump = jump == "next" or (isinstance(jump, int | float) and 0 <= jump <= LONGEST_JUMP_SECONDS)
            forbid(not is_jump, "invalid_arguments", 'Jump by up to a year of seconds, or to "next".')
            await clock.jump(None if jump == "next" else float(jump))
        self._workspace.changes.mark()
        return await picture.clock_json(self._workspace)

    async def settings(self, wish: Json) -> Json:
        """A new request address is greeted with Slack's url_verification; `verified` says how that went."""
        if "delivery" in wish:
            forbid(wish["delivery"] not in ("socket", "http"), "invalid_arguments", "Delivery is socket or http.")
            self._deliverer.mode = wish["delivery"]
        verified = None
        if "request_url_base" in wish:
            self._door.request_url_base = _text(wish, "request_url_base")
            verified = await self._door.verify_url()
        if "latency_seconds" in wish:
            self.latency_seconds = _seconds(wish, "latency_seconds")
        if "rate_limits" in wish:
            self._limits.realistic = wish["rate_limits"] == "realistic"
        return {
            "delivery": self._deliverer.mode,
            "request_url_base": self._door.request_url_base,
            "latency_seconds": self.latency_seconds,
            "rate_limits": "realistic" if self._limits.realistic else "off",
            "sockets": self._sockets.count,
            "verified": verified,
        }

    async def reset(self, wish: Json) -> Json:
        self._reset()
        return {}

    # --- what people see ---

    async def show_state(self, request: web.Request) -> web.Response:
        return web.json_response(await picture.state_json(self._workspace, self._viewer(request)))

    async def show_messages(self, request: web.Request) -> web.Response:
        me = self._viewer(request)
        channel = self._workspace.find_channel(request.match_info["name"])
        is_hidden = me is not None and not channel.is_open_to(me)
        forbid(is_hidden, "channel_not_found", f"There is no channel called {channel.name}.")
        shown = picture.messages_json(self._workspace, channel, me, request.query.get("thread_ts"))
        return web.json_response({"channel": picture.channel_json(channel, me), "messages": shown})

    async def show_file(self, request: web.Request) -> web.Response:
        file = self._workspace.files.get(request.match_info["id"])
        if file is None or file.content is None:
            raise web.HTTPNotFound(text="There is no such file.")
        headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox"}
        return web.Response(body=file.content, content_type="text/plain", charset="utf-8", headers=headers)

    async def show_clock(self, request: web.Request) -> web.Response:
        return web.json_response(await picture.clock_json(self._workspace))

    async def show_faults(self, request: web.Request) -> web.Response:
        return web.json_response({"ok": True, "faults": [vars(one) for one in self._faults]})

    async def clear_faults(self, request: web.Request) -> web.Response:
        self._faults.clear()
        return web.json_response({"ok": True})

    async def show_journal(self, request: web.Request) -> web.Response:
        since = request.query.get("since", "0")
        forbid(not since.isdecimal(), "invalid_arguments", "since is the seq of a journal entry.")
        lines = self._workspace.journal.lines(int(since))
        return web.Response(text=lines, content_type="application/x-ndjson", charset="utf-8")

    async def stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await response.prepare(request)
        try:
            async for seq in self._workspace.changes.follow():
                line = ": still here\n\n" if seq is None else f'event: change\ndata: {{"seq": {seq}}}\n\n'
                await response.write(line.encode())
        except ConnectionError:
            return response  # the page was closed
        return response

    # --- finding what a wish names ---

    async def _act(self, name: str, action: Action, request: web.Request) -> web.Response:
        wish = await _read_wish(request)
        try:
            body = await action(wish)
        except NotPossible as problem:
            self._workspace.record("action", action=name, wish=wish, error=problem.code)
            return web.json_response(problem.body())
        self._workspace.record("action", action=name, wish=wish)
        return web.json_response({"ok": True, **body})

    def _person(self, wish: Json) -> Person:
        person = self._workspace.find_person(_text(wish, "user"))
        is_inactive = person.kind in ("deactivated", "bot")
        forbid(is_inactive, "account_inactive", f"{person.real_name} cannot sign in.")
        return person

    def _viewer(self, request: web.Request) -> str | None:
        name = request.query.get("as")
        return self._workspace.find_person(name).id if name else None

    def _visible_channel(self, person: Person, wish: Json) -> Channel:
        name = _text(wish, "channel")
        channel = self._workspace.find_channel(name)
        forbid(not channel.is_open_to(person.id), "channel_not_found", f"There is no channel called {name}.")
        return channel

    def _joined(self, wish: Json) -> tuple[Person, Channel]:
        person = self._person(wish)
        channel = self._visible_channel(person, wish)
        forbid(channel.archived, "is_archived", f"#{channel.name} is archived.")
        is_outside = person.id not in channel.members
        forbid(is_outside, "not_in_channel", f"{person.real_name} is not in #{channel.name}; join it first.")
        return person, channel

    def _joined_message(self, wish: Json) -> tuple[Person, Channel, Message]:
        person, channel = self._joined(wish)
        return person, channel, self._message_of(channel, person, wish)

    def _visible_message(self, person: Person, wish: Json) -> tuple[Channel, Message]:
        channel = self._visible_channel(person, wish)
        return channel, self._message_of(channel, person, wish)

    def _message_of(self, channel: Channel, person: Person, wish: Json) -> Message:
        ts = _text(wish, "ts")
        own = channel.ephemerals.get(ts)
        message = own if own and own.ephemeral_to == person.id else channel.messages.get(ts)
        return possible(message, "message_not_found", f"{person.real_name} sees no message {ts} in #{channel.name}.")

    def _thread(self, channel: Channel, wish: Json) -> str | None:
        ts = wish.get("thread_ts")
        if not ts:
            return None
        words = f"There is no message {ts} in #{channel.name}."
        parent = possible(channel.messages.get(str(ts)), "message_not_found", words)
        forbid(channel.is_locked(parent), "thread_locked", f"The thread of {ts} in #{channel.name} is locked.")
        return parent.root_ts

    def _view_of(self, person: Person, wish: Json) -> View:
        view = self._workspace.views.get(_text(wish, "view_id"))
        own = view if view and view.user == person.id else None
        return possible(own, "view_not_found", f"{person.real_name} has no such dialog open.")

    def _answered(self, person: Person, answers: list[Asked]) -> Json:
        slowest = max(one.milliseconds for one in answers)
        return {"ack_ms": slowest, "views": picture.stack_json(self._workspace, person.id)}

    def _new_person(self, wish: Json) -> Person:
        name = _text(wish, "name")
        person = Person(str(wish.get("id") or self._workspace.new_id("U")), name.lower(), name)
        self._workspace.people[person.id] = person
        self._workspace.channels["C0GENERAL"].members[person.id] = None
        return person

    def _change(self, person: Person, wish: Json) -> None:
        kind = wish.get("kind") or person.kind
        if "deactivated" in wish:
            kind = "deactivated" if wish["deactivated"] else "member"
        forbid(kind not in KINDS, "invalid_arguments", f"A person is one of {', '.join(KINDS)}.")
        person.kind = kind
        person.tz = str(wish.get("tz") or person.tz)
        person.real_name = str(wish.get("real_name") or person.real_name)
        person.updated = self._workspace.epoch()


async def _read_wish(request: web.Request) -> Json:
    try:
        wish = json.loads(await request.text() or "{}")
    except ValueError as problem:
        raise web.HTTPBadRequest(text="The body is not valid JSON.") from problem
    if not isinstance(wish, dict):
        raise web.HTTPBadRequest(text="The body is a JSON object.")
    return wish


def _text(wish: dict[str, Any], name: str) -> str:
    value = wish.get(name)
    if not isinstance(value, str) or not value:
        body = json.dumps({"ok": False, "error": "invalid_arguments", "sentence": f"{name} is missing."})
        raise web.HTTPBadRequest(text=body, content_type="application/json")
    return value


def _count(wish: Json) -> int:
    times = wish.get("times", 1)
    forbid(not (isinstance(times, int) and times >= 1), "invalid_arguments", "times is a whole number from 1 on.")
    return int(times)


def _seconds(wish: Json, name: str) -> float:
    seconds = wish[name]
    forbid(
        not (isinstance(seconds, int | float) and seconds >= 0), "invalid_arguments", f"{name} is a number from 0 on."
    )
    return float(seconds)


def _values(wish: Json) -> Json:
    values = wish.get("values") or {}
    forbid(not isinstance(values, dict), "invalid_arguments", "values is an object of block_id and value.")
    return dict(values)
