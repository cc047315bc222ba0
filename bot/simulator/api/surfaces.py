"""views.*: modals and Home tabs."""

from collections.abc import Callable

from bot.simulator.api.call import Call
from bot.simulator.content import views
from bot.simulator.workspace.errors import Refused, existing, invalid, refuse
from bot.simulator.workspace.shapes import view_json
from bot.simulator.workspace.state import Json, View, Workspace

MOST_VIEW_CHARACTERS = 250_000


def show(call: Call, place: Callable[[Workspace, str, Json], View]) -> Json:
    content = _content(call, "modal")
    trigger_id = call.args.text("trigger_id") or call.args.text("interactivity_pointer")
    invalid(not trigger_id, "missing required field: trigger_id", "/trigger_id")
    user = views.use_trigger(call.workspace, trigger_id).user
    return {"view": view_json(place(call.workspace, user, content))}


def update(call: Call) -> Json:
    view_id = call.args.text("view_id")
    if "external_id" in call.args:
        view_id = call.workspace.external_ids.get(call.args.text("external_id"), "")
    view = existing(call.workspace.views.get(view_id), "not_found")
    updated = views.update(call.workspace, view, _content(call, view.type), call.args.text("hash"))
    return {"view": view_json(updated)}


def publish(call: Call) -> Json:
    person = call.workspace.people.get(call.args.text("user_id"))
    if person is None or person.kind in ("bot", "deactivated"):
        raise Refused("invalid_arguments", "[ERROR] invalid user [json-pointer:/user_id]")
    view = views.publish_home(call.workspace, person.id, _content(call, "home"), call.args.text("hash"))
    return {"view": view_json(view)}


def _content(call: Call, kind: str) -> Json:
    raw = call.args.nested("view")
    refuse(view_too_large=len(str(raw)) > MOST_VIEW_CHARACTERS)
    return views.checked_content(raw, kind)
