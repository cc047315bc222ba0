"""The Web API: every method this workspace knows, with what Slack documents about it. Start reading at TABLE."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from bot.simulator.api import basics, chat, conversations, files, marks, people, surfaces
from bot.simulator.api.call import Call
from bot.simulator.content import views
from bot.simulator.workspace.state import Json

TABLE: dict[str, Callable[[Call], Json]] = {
    "api.test": basics.api_test,
    "apps.connections.open": basics.open_connection,
    "auth.test": basics.auth_test,
    "bookmarks.add": marks.add_bookmark,
    "bookmarks.edit": marks.edit_bookmark,
    "bookmarks.list": marks.list_bookmarks,
    "bookmarks.remove": marks.remove_bookmark,
    "bots.info": people.bot,
    "chat.delete": chat.delete,
    "chat.getPermalink": chat.get_permalink,
    "chat.postEphemeral": chat.post_ephemeral,
    "chat.postMessage": chat.post_message,
    "chat.update": chat.update,
    "conversations.archive": conversations.archive,
    "conversations.create": conversations.create,
    "conversations.history": conversations.history,
    "conversations.info": conversations.info,
    "conversations.invite": conversations.invite,
    "conversations.join": conversations.join,
    "conversations.kick": conversations.kick,
    "conversations.leave": conversations.leave,
    "conversations.list": conversations.list_,
    "conversations.members": conversations.members,
    "conversations.open": conversations.open_,
    "conversations.rename": conversations.rename,
    "conversations.replies": conversations.replies,
    "conversations.setPurpose": partial(conversations.describe, what="purpose"),
    "conversations.setTopic": partial(conversations.describe, what="topic"),
    "conversations.unarchive": conversations.unarchive,
    "files.completeUploadExternal": files.complete_upload,
    "files.delete": files.delete,
    "files.getUploadURLExternal": files.get_upload_url,
    "files.info": files.info,
    "files.list": files.list_,
    "pins.add": marks.add_pin,
    "pins.list": marks.list_pins,
    "pins.remove": marks.remove_pin,
    "reactions.add": marks.add_reaction,
    "reactions.get": marks.get_reactions,
    "reactions.remove": marks.remove_reaction,
    "team.info": people.team,
    "usergroups.list": people.usergroups,
    "usergroups.users.list": people.usergroup_members,
    "users.conversations": people.conversations,
    "users.info": people.info,
    "users.list": people.list_,
    "users.lookupByEmail": people.lookup_by_email,
    "views.open": partial(surfaces.show, place=views.open_modal),
    "views.publish": surfaces.publish,
    "views.push": partial(surfaces.show, place=views.push_modal),
    "views.update": surfaces.update,
}

DATA = Path(__file__).parent.parent / "data" / "methods.json"


@dataclass(frozen=True)
class Method:
    """What Slack documents of a method: required arguments, the scopes any of which opens it, its rate tier."""

    name: str
    perform: Callable[[Call], Json]
    required: tuple[str, ...]
    scopes: tuple[str, ...]
    tier: str


@cache
def methods() -> dict[str, Method]:
    facts: dict[str, Any] = json.loads(DATA.read_text(encoding="utf-8"))["methods"]
    return {
        name: Method(name, perform, tuple(facts[name]["required"]), tuple(facts[name]["scopes"]), facts[name]["rate"])
        for name, perform in TABLE.items()
    }
