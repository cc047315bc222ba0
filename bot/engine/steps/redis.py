"""redis {connection, command: [..]} -> value. Each item of the list is one argument, whatever it holds"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from typing import Any

from bot.domain.errors import Unclear
from bot.domain.runs.outcome import Done, Failed, Outcome, Unknown
from bot.engine.steps import arguments as read
from bot.engine.steps.bounds import MAX_OUTPUT, within
from bot.engine.steps.context import StepContext

MAX_DEPTH = 10
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,60}", re.ASCII)
# They turn the connection into something that does not answer a command with one reply.
_ENDLESS = ("MONITOR", "PSUBSCRIBE", "SUBSCRIBE", "SSUBSCRIBE", "SYNC", "PSYNC", "CLIENT|REPLY", "HELLO", "RESET")


class _Progress:
    left = False


async def perform(arguments: Mapping[str, Any], context: StepContext) -> Outcome:
    """On a connection of its own, never repeated by the client."""
    from redis.exceptions import RedisError  # here, and below: the client costs memory that few need

    progress = _Progress()
    try:
        words = command(arguments)
        url = context.connections.address(read.text(arguments, "connection"), "redis").reveal()
        value = await within(context.timeout_seconds, _ask(url, words, progress))
    except (RedisError, OSError, TimeoutError, ValueError) as problem:
        return _broken(problem, progress, context)
    plain = _plain(value, 0, context)
    output = plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)
    context.write(context.shown(output) + "\n")
    return Done({"value": plain}, context.shown(output))


def command(arguments: Mapping[str, Any]) -> list[str]:
    """Raises Unclear."""
    words = read.texts(arguments, "command")
    # The client would split a first word with a blank in it into two.
    if not words or not _NAME.fullmatch(words[0]):
        raise Unclear("command begins with the name of a Redis command, for example [GET, key].")
    name = words[0].upper()
    if name in _ENDLESS or "|".join([name, *words[1:2]]).upper() in _ENDLESS:
        raise Unclear(f"{name} does not answer once. Use another command.")
    return words


async def _ask(url: str, command: list[str], progress: _Progress) -> Any:
    from redis.asyncio import ConnectionPool
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    pool = ConnectionPool.from_url(
        url, retry=Retry(NoBackoff(), 0), retry_on_error=[], socket_timeout=None, protocol=2, health_check_interval=0
    )
    connection = pool.make_connection()  # type: ignore[no-untyped-call]
    try:
        await connection.connect()
        progress.left = True
        await connection.send_command(*command)
        return await connection.read_response()
    finally:
        # Not a polite goodbye: it would wait for a server that does not answer.
        await asyncio.shield(connection.disconnect(nowait=True))


def _broken(problem: Exception, progress: _Progress, context: StepContext) -> Outcome:
    from redis.exceptions import ResponseError

    is_late = isinstance(problem, TimeoutError)
    reason = f"no answer within {context.timeout_seconds:g} s" if is_late else context.short(str(problem).rstrip("."))
    if not progress.left:
        return Failed(f"Redis was not reached: {reason}.", certain=True)
    if isinstance(problem, ResponseError):
        return Failed(f"Redis refused the command: {reason}.")
    return Unknown(f"The command may have been carried out: {reason}.")


def _plain(value: Any, depth: int, context: StepContext) -> Any:
    match value:
        case bytes():
            text = value[:MAX_OUTPUT].decode("utf-8", "replace")
            return text if len(value) <= MAX_OUTPUT else context.ended(text)
        case list() | tuple() | set() if depth < MAX_DEPTH:
            return [_plain(one, depth + 1, context) for one in list(value)[:10_000]]
        case dict() if depth < MAX_DEPTH:
            return {
                str(_plain(name, depth + 1, context)): _plain(one, depth + 1, context) for name, one in value.items()
            }
        case None | bool() | int() | float() | str():
            return value
        case Exception():  # an error among the replies of a transaction
            raise value
    return str(value)[:MAX_OUTPUT]
