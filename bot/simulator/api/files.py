"""files.*: the two-step upload, and what became of it."""

from typing import Any

from bot.simulator.api.call import Call
from bot.simulator.api.chat import checked_blocks
from bot.simulator.content import messages
from bot.simulator.content.messages import Draft
from bot.simulator.workspace.errors import Refused, existing, invalid, refuse
from bot.simulator.workspace.shapes import file_json
from bot.simulator.workspace.state import Channel, File, Json

MOST_CHANNELS = 100
MOST_BYTES = 50_000_000


def get_upload_url(call: Call) -> Json:
    length = call.args.number("length", 0)
    invalid(length <= 0, "must be more than 0", "/length")
    refuse(file_upload_size_restricted=length > MOST_BYTES)
    name = call.args.text("filename")
    file = File(
        call.workspace.new_id("F"),
        name,
        name,
        length,
        call.user,
        call.workspace.epoch(),
        snippet_type=call.args.text("snippet_type") or None,
    )
    call.workspace.files[file.id] = file
    return {"file_id": file.id, "upload_url": f"{call.workspace.url}/upload/v1/{file.id}"}


def complete_upload(call: Call) -> Json:
    files = [_finished(call, wish) for wish in _wishes(call)]
    targets = _targets(call)
    for channel in targets:
        _share(call, files, channel)
    for file in files:
        file.shared = True
        file.channels += [channel.id for channel in targets if channel.id not in file.channels]
    return {"files": [file_json(call.workspace, file) for file in files]}


def info(call: Call) -> Json:
    body = file_json(call.workspace, _shared(call))
    return {"file": body, "comments": [], "response_metadata": {"next_cursor": ""}}


def list_(call: Call) -> Json:
    wanted = call.args.text("channel")
    found = [one for one in call.workspace.files.values() if one.shared and (not wanted or wanted in one.channels)]
    count, page = call.args.number("count", 100), call.args.number("page", 1)
    shown = found[(page - 1) * count : page * count]
    paging = {"count": count, "total": len(found), "page": page, "pages": -(-len(found) // count)}
    return {"files": [file_json(call.workspace, one) for one in shown], "paging": paging}


def delete(call: Call) -> Json:
    file = _shared(call)
    refuse(cant_delete_file=file.user != call.user)
    del call.workspace.files[file.id]
    call.workspace.changes.mark()
    return {}


def _wishes(call: Call) -> list[Any]:
    wishes = call.args.nested("files")
    invalid(not isinstance(wishes, list) or not wishes, "must be an array", "/files")
    return list(wishes)


def _finished(call: Call, wish: Any) -> File:
    file = call.workspace.files.get(str(wish.get("id"))) if isinstance(wish, dict) else None
    if file is None or file.content is None:
        raise Refused("file_not_found")
    file.title = str(wish.get("title") or file.name)
    return file


def _targets(call: Call) -> list[Channel]:
    wanted = call.args.names("channels") or call.args.names("channel_id")
    refuse(channels_limit_exceeded=len(wanted) > MOST_CHANNELS)
    targets = []
    for channel_id in wanted:
        channel = call.visible_channel(channel_id)
        refuse(not_in_channel=call.user not in channel.members)
        targets.append(channel)
    return targets


def _share(call: Call, files: list[File], channel: Channel) -> None:
    draft = Draft(
        call.args.text("initial_comment"),
        checked_blocks(call.args.nested("blocks")),
        files=[file.id for file in files],
        thread_ts=call.thread(channel),
    )
    messages.post(call.workspace, channel, call.user, draft)


def _shared(call: Call) -> File:
    file = existing(call.workspace.files.get(call.args.text("file")), "file_not_found")
    refuse(file_not_found=not file.shared)
    return file
