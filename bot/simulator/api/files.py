"""files.*: the two-step upload, and what became of it."""

from typing import Any

from bot.simulator.api.call import Call
from bot.simulator.api.chat import checked_blocks
from bot.simulator.content import messages
from bot.simulator.content.messages import Draft
from bot.simulator.workspace.errors import Refused
from bot.simulator.workspace.shapes import file_json
from bot.simulator.workspace.state import Channel, File, Json

MOST_CHANNELS = 100
MOST_BYTES = 50_000_000


def get_upload_url(call: Call) -> Json:
    length = call.args.number("length", 0)
    if length <= 0:
        raise Refused("invalid_arguments", "[ERROR] must be more than 0 [json-pointer:/length]")
    if length > MOST_BYTES:
        raise Refused("file_upload_size_restricted")
    name = call.args.text("filename")
    snippet_type = call.args.text("snippet_type") or None
    file_id = call.workspace.new_id("F")
    created = call.workspace.epoch()
    file = File(file_id, name, name, length, call.user, created, snippet_type=snippet_type)
    call.workspace.files[file_id] = file
    return {"file_id": file_id, "upload_url": f"{call.workspace.url}/upload/v1/{file_id}"}


def complete_upload(call: Call) -> Json:
    """Make uploaded bytes a file, and share it where asked, with one message in each channel."""
    files = [_finished(call, wish) for wish in _wishes(call)]
    targets = _targets(call)
    for channel in targets:
        _share(call, files, channel)
    for file in files:
        file.shared = True
        file.channels += [channel.id for channel in targets if channel.id not in file.channels]
    return {"files": [file_json(call.workspace, file) for file in files]}


def info(call: Call) -> Json:
    file = _existing(call)
    return {"file": file_json(call.workspace, file), "comments": [], "response_metadata": {"next_cursor": ""}}


def list_(call: Call) -> Json:
    wanted = call.args.text("channel")
    found = [one for one in call.workspace.files.values() if one.shared and (not wanted or wanted in one.channels)]
    count, page = call.args.number("count", 100), call.args.number("page", 1)
    shown = found[(page - 1) * count : page * count]
    paging = {"count": count, "total": len(found), "page": page, "pages": -(-len(found) // count)}
    return {"files": [file_json(call.workspace, one) for one in shown], "paging": paging}


def delete(call: Call) -> Json:
    file = _existing(call)
    if file.user != call.user:
        raise Refused("cant_delete_file")
    del call.workspace.files[file.id]
    call.workspace.changes.mark()
    return {}


def _wishes(call: Call) -> list[Any]:
    wishes = call.args.nested("files")
    if not isinstance(wishes, list) or not wishes:
        raise Refused("invalid_arguments", "[ERROR] must be an array [json-pointer:/files]")
    return wishes


def _finished(call: Call, wish: Any) -> File:
    file = call.workspace.files.get(str(wish.get("id"))) if isinstance(wish, dict) else None
    if file is None or file.content is None:
        raise Refused("file_not_found")
    file.title = str(wish.get("title") or file.name)
    return file


def _targets(call: Call) -> list[Channel]:
    wanted = call.args.names("channels") or call.args.names("channel_id")
    if len(wanted) > MOST_CHANNELS:
        raise Refused("channels_limit_exceeded")
    targets = []
    for channel_id in wanted:
        channel = call.workspace.channels.get(channel_id)
        if channel is None or not channel.is_open_to(call.user):
            raise Refused("channel_not_found")
        if call.user not in channel.members:
            raise Refused("not_in_channel")
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


def _existing(call: Call) -> File:
    file = call.workspace.files.get(call.args.text("file"))
    if file is None or not file.shared:
        raise Refused("file_not_found")
    return file
