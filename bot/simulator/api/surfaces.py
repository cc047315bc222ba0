"""views.*: modals and Home tabs."""

from bot.simulator.api.call import Call
from bot.simulator.content import views
from bot.simulator.workspace.errors import Refused
from bot.simulator.workspace.shapes import view_json
from bot.simulator.workspace.state import Json, Trigger, View

MOST_VIEW_CHARACTERS = 250_000


def open_(call: Call) -> Json:
    content = _content(call, "modal")
    trigger = _trigger(call)
    return {"view": view_json(views.open_modal(call.workspace, trigger.user, content))}


def push(call: Call) -> Json:
    content = _content(call, "modal")
    trigger = _trigger(call)
    return {"view": view_json(views.push_modal(call.workspace, trigger.user, content))}


def update(call: Call) -> Json:
    view = _existing(call)
    content = _content(call, view.type)
    updated = views.update(call.workspace, view, content, call.args.text("hash") or None)
    return {"view": view_json(updated)}


def publish(call: Call) -> Json:
    person = call.workspace.people.get(call.args.text("user_id"))
    if person is None or person.kind in ("bot", "deactivated"):
        raise Refused("invalid_arguments", "[ERROR] invalid user [json-pointer:/user_id]")
    content = _content(call, "home")
    view = views.publish_home(call.workspace, person.id, content, call.args.text("hash") or None)
    return {"view": view_json(view)}


def _content(call: Call, kind: str) -> Json:
    raw = call.args.nested("view")
    if len(str(raw)) > MOST_VIEW_CHARACTERS:
        raise Refused("view_too_large")
    return views.checked_content(raw, kind)


def _trigger(call: Call) -> Trigger:
    trigger_id = call.args.text("trigger_id") or call.args.text("interactivity_pointer")
    if not trigger_id:
        raise Refused("invalid_arguments", "[ERROR] missing required field: trigger_id [json-pointer:/trigger_id]")
    return views.use_trigger(call.workspace, trigger_id)


def _existing(call: Call) -> View:
    view_id = call.args.text("view_id")
    if "external_id" in call.args:
        view_id = call.workspace.external_ids.get(call.args.text("external_id"), "")
    if view := call.workspace.views.get(view_id):
        return view
    raise Refused("not_found")
