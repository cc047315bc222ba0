"""api.test, auth.test, apps.connections.open: whether the API answers, the token's owner, the address to listen at."""

from bot.simulator.api.call import Call
from bot.simulator.workspace.errors import Refused
from bot.simulator.workspace.state import APP_ID, BOT_ID, BOT_USER, TEAM_ID, TEAM_NAME, Json


def api_test(call: Call) -> Json:
    if "error" in call.args:
        raise Refused(call.args.text("error"), args=call.args.raw)
    return {"args": call.args.raw}


def auth_test(call: Call) -> Json:
    return {
        "url": f"{call.workspace.url}/",
        "team": TEAM_NAME,
        "team_id": TEAM_ID,
        "user": call.workspace.people[BOT_USER].name,
        "user_id": BOT_USER,
        "bot_id": BOT_ID,
        "is_enterprise_install": False,
    }


def open_connection(call: Call) -> Json:
    address = call.workspace.url.replace("http", "ws", 1)
    return {"url": f"{address}/link?ticket={call.sockets.new_ticket()}&app_id={APP_ID}"}
