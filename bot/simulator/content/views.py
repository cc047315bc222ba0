"""The life of modals and Home tabs: triggers, the stack of three, hashes, updates, closing."""

from typing import Any

from bot.simulator.content.blocks import check_view
from bot.simulator.content.inputs import initial_values, kept_values
from bot.simulator.content.messages import give_block_ids
from bot.simulator.workspace.errors import Refused, existing, invalid, refuse
from bot.simulator.workspace.state import Json, Trigger, View, Workspace

TRIGGER_SECONDS = 3.0
STACK_LIMIT = 3


def checked_content(content: Any, kind: str) -> Json:
    if problems := check_view(content):
        raise Refused("invalid_arguments", *problems)
    invalid(content["type"] != kind, f"must be a {kind} view", "/view/type")
    return dict(content)


def use_trigger(workspace: Workspace, trigger_id: str) -> Trigger:
    """A trigger opens one view, within three seconds."""
    trigger = existing(workspace.triggers.get(trigger_id), "invalid_trigger_id")
    refuse(
        exchanged_trigger_id=trigger.used,
        expired_trigger_id=workspace.clock.wall() - trigger.issued_at > TRIGGER_SECONDS,
    )
    trigger.used = True
    return trigger


def open_modal(workspace: Workspace, user: str, content: Json) -> View:
    """The person's other modals close."""
    view = _new(workspace, user, content)
    clear(workspace, user)
    return _shown(workspace, view, [])


def push_modal(workspace: Workspace, user: str, content: Json) -> View:
    stack = workspace.stacks.get(user, [])
    refuse(not_found=not stack, push_limit_reached=len(stack) >= STACK_LIMIT)
    view = _new(workspace, user, content)
    view.root_id, view.previous_id = stack[0].id, stack[-1].id
    return _shown(workspace, view, stack)


def update(workspace: Workspace, view: View, content: Json, expected_hash: str = "") -> View:
    """What the person typed stays where block_id and action_id stay, as in Slack."""
    refuse(hash_conflict=expected_hash not in ("", view.hash))
    _claim_external_id(workspace, content, view)
    give_block_ids(workspace, content["blocks"])
    view.content, view.errors = content, {}
    view.values = kept_values(content["blocks"], view.values)
    view.hash = _new_hash(workspace)
    workspace.changes.mark()
    return view


def publish_home(workspace: Workspace, user: str, content: Json, expected_hash: str = "") -> View:
    home = workspace.homes.get(user)
    if home:
        return update(workspace, home, content, expected_hash)
    refuse(hash_conflict=expected_hash != "")
    view = _new(workspace, user, content)
    workspace.homes[user] = workspace.views[view.id] = view
    workspace.changes.mark()
    return view


def close(workspace: Workspace, view: View) -> None:
    stack = workspace.stacks.get(view.user, [])
    while view in stack:
        _forget(workspace, stack.pop())
    workspace.changes.mark()


def clear(workspace: Workspace, user: str) -> None:
    for view in workspace.stacks.pop(user, []):
        _forget(workspace, view)
    workspace.changes.mark()


def _new(workspace: Workspace, user: str, content: Json) -> View:
    view_id = workspace.new_id("V")
    give_block_ids(workspace, content["blocks"])
    view = View(view_id, user, content, _new_hash(workspace), root_id=view_id)
    _claim_external_id(workspace, content, view)
    view.values = initial_values(content["blocks"])
    return view


def _shown(workspace: Workspace, view: View, stack: list[View]) -> View:
    workspace.views[view.id] = view
    workspace.stacks[view.user] = [*stack, view]
    workspace.changes.mark()
    return view


def _claim_external_id(workspace: Workspace, content: Json, view: View) -> None:
    if external_id := content.get("external_id"):
        refuse(duplicate_external_id=workspace.external_ids.get(external_id, view.id) != view.id)
        workspace.external_ids[external_id] = view.id


def _forget(workspace: Workspace, view: View) -> None:
    workspace.views.pop(view.id, None)
    workspace.external_ids.pop(view.content.get("external_id", ""), None)


def _new_hash(workspace: Workspace) -> str:
    return f"{workspace.epoch()}.{workspace.new_hex(16**8, 8)}"
