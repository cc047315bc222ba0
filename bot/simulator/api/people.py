"""users.*, usergroups.*, bots.info, team.info: the people and the app's own face."""

from functools import partial

from bot.simulator.api.call import Call
from bot.simulator.api.conversations import visible_channels
from bot.simulator.workspace.errors import existing, refuse
from bot.simulator.workspace.shapes import bot_profile, channel_json, person_json, usergroup_json
from bot.simulator.workspace.state import APP_ID, BOT_ID, TEAM_DOMAIN, TEAM_ID, TEAM_NAME, Json, Person


def info(call: Call) -> Json:
    return {"user": _shown(call, call.person(call.args.text("user")))}


def list_(call: Call) -> Json:
    page = call.listing("members", list(call.workspace.people.values()), partial(_shown, call), default=200)
    return {**page, "cache_ts": call.workspace.epoch()}


def lookup_by_email(call: Call) -> Json:
    email = call.args.text("email").lower()
    everybody = call.workspace.people.values()
    found = (one for one in everybody if one.email == email and one.kind not in ("deactivated", "bot"))
    return {"user": _shown(call, existing(next(found, None), "users_not_found"))}


def conversations(call: Call) -> Json:
    member = call.person(call.args.text("user")).id if "user" in call.args else call.user
    return call.listing("channels", visible_channels(call, member), channel_json)


def usergroups(call: Call) -> Json:
    with_users = call.args.flag("include_users")
    return {"usergroups": [usergroup_json(group, with_users) for group in call.workspace.usergroups.values()]}


def usergroup_members(call: Call) -> Json:
    return {"users": existing(call.workspace.usergroups.get(call.args.text("usergroup")), "no_such_subteam").users}


def bot(call: Call) -> Json:
    refuse(bot_not_found=call.args.text("bot", BOT_ID) != BOT_ID)
    own = {"name": call.workspace.manifest.bot_name, "app_id": APP_ID, "updated": 0, "icons": {}}
    return {"bot": bot_profile() | own}


def team(call: Call) -> Json:
    icon = {"image_default": True}
    own = {"id": TEAM_ID, "name": TEAM_NAME, "domain": TEAM_DOMAIN, "url": call.workspace.url}
    return {"team": {**own, "email_domain": "company.invalid", "icon": icon}}


def _shown(call: Call, person: Person) -> Json:
    return person_json(person, with_email="users:read.email" in call.workspace.manifest.scopes)
