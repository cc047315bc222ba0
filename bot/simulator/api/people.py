"""users.*, usergroups.*, bots.info, team.info: who is here."""

from bot.simulator.api.call import Call
from bot.simulator.api.conversations import visible_channels
from bot.simulator.workspace.errors import Refused
from bot.simulator.workspace.shapes import bot_profile, channel_json, person_json, team_json, usergroup_json
from bot.simulator.workspace.state import APP_ID, BOT_ID, Json, Person


def info(call: Call) -> Json:
    return {"user": _shown(call, call.person(call.args.text("user")))}


def list_(call: Call) -> Json:
    page, metadata = call.page(list(call.workspace.people.values()), default=200)
    members = [_shown(call, person) for person in page]
    return {"members": members, "cache_ts": call.workspace.epoch(), "response_metadata": metadata}


def lookup_by_email(call: Call) -> Json:
    email = call.args.text("email").lower()
    for person in call.workspace.people.values():
        if person.email == email and person.kind not in ("deactivated", "bot"):
            return {"user": _shown(call, person)}
    raise Refused("users_not_found")


def conversations(call: Call) -> Json:
    member = call.person(call.args.text("user")).id if "user" in call.args else call.user
    page, metadata = call.page(visible_channels(call, member))
    return {"channels": [channel_json(one) for one in page], "response_metadata": metadata}


def usergroups(call: Call) -> Json:
    with_users = call.args.flag("include_users")
    return {"usergroups": [usergroup_json(group, with_users) for group in call.workspace.usergroups.values()]}


def usergroup_members(call: Call) -> Json:
    group = call.workspace.usergroups.get(call.args.text("usergroup"))
    if group is None:
        raise Refused("no_such_subteam")
    return {"users": group.users}


def bot(call: Call) -> Json:
    if call.args.text("bot", BOT_ID) != BOT_ID:
        raise Refused("bot_not_found")
    profile = bot_profile()
    profile["name"] = call.workspace.manifest.bot_name
    return {"bot": {**profile, "app_id": APP_ID, "updated": 0, "icons": {}}}


def team(call: Call) -> Json:
    return {"team": team_json(email_domain="company.invalid", icon={"image_default": True}, url=call.workspace.url)}


def _shown(call: Call, person: Person) -> Json:
    return person_json(person, with_email="users:read.email" in call.workspace.manifest.scopes)
