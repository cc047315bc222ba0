"""The delivery handler of a text file in a thread. The file's name carries the delivery's id, to be found again."""

from __future__ import annotations

from typing import Any

from bot.deps import Deps
from bot.domain.outgoing.delivery import Call, Delivery, Found, P
from bot.services.messaging.slack_post import SlackCall

METHOD = "files.completeUploadExternal"


def file(channel: str, thread: str | None, name: str, content: str) -> Call:
    return Call({"channel": channel, "thread": thread, "name": name, "content": content, "comment": ""})


class FileUpload(SlackCall[P]):
    """`prepare` returns a `file`."""

    async def send(self, deps: Deps, delivery: Delivery[P], arguments: dict[str, Any]) -> dict[str, Any]:
        return await deps.chat.upload(**arguments)

    async def find_sent(self, deps: Deps, delivery: Delivery[P], arguments: dict[str, Any]) -> Found | None:
        page = await deps.chat.call("files.list", {"channel": arguments["channel"], "count": 100})
        is_there = any(one.get("name") == arguments["name"] for one in page.get("files", []))
        return Found({"ok": True}) if is_there else None
