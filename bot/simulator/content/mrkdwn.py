"""What Slack makes of the text a person types: names become references, the rest is escaped."""

import re

from bot.simulator.workspace.state import BOT_USER, Workspace

PIECE = re.compile(
    r"(?P<reference><[@#][A-Z0-9]+(?:\|[^>]*)?>)"
    r"|(?P<link>https?://[^\s<>|]+)"
    r"|(?P<at>(?<![\w.@])@[\w.-]+)"
    r"|(?P<hash>(?<![\w&#])#[\w-]+)"
    r"|(?P<special>[&<>])"
)
ESCAPED = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
EVERYBODY = ("here", "channel", "everyone")


def typed(workspace: Workspace, text: str, is_message: bool = True) -> str:
    """`@Ada` -> `<@U0ADA>`, `#incidents` -> `<#C0INCIDENTS|incidents>`, links in brackets, `& < >` escaped.

    A message also turns `@here` and `@sre` into what alerts people; a slash command leaves them as typed.
    """

    def replaced(piece: re.Match[str]) -> str:
        found = piece.group()
        if piece["reference"]:
            return found if _exists(workspace, found) else _escape(found)
        if piece["link"]:
            return f"<{_escape(found)}>"
        if piece["at"]:
            return _mention(workspace, found, is_message)
        if piece["hash"]:
            channel_id = workspace.channel_names.get(found[1:])
            return f"<#{channel_id}|{found[1:]}>" if channel_id else found
        return ESCAPED[found]

    return PIECE.sub(replaced, text)


def _escape(text: str) -> str:
    return re.sub("[&<>]", lambda one: ESCAPED[one.group()], text)


def _exists(workspace: Workspace, reference: str) -> bool:
    key = reference.strip("<@#>").split("|")[0]
    return key in workspace.people or key in workspace.channels


def _mention(workspace: Workspace, found: str, is_message: bool) -> str:
    name = found[1:].rstrip(".-")
    wanted, rest = name.lower(), found[1 + len(name) :]
    if wanted == "tocsin":
        return f"<@{BOT_USER}>{rest}"
    if person := workspace.named(wanted):
        return f"<@{person.id}>{rest}"
    if group := next((one for one in workspace.usergroups.values() if one.handle == wanted), None):
        return f"<!subteam^{group.id}|@{group.handle}>{rest}"
    return f"<!{wanted}>{rest}" if is_message and wanted in EVERYBODY else found
