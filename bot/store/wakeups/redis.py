"""Wake-ups through Redis: a file of its own, since most installations start without it."""

from __future__ import annotations

from redis.asyncio import Redis
from redis.asyncio.connection import parse_url
from redis.exceptions import RedisError

from bot.domain.errors import Misconfigured
from bot.store.wakeups.local import CHANNEL, RETRY_SECONDS, SharedWakeups


class RedisWakeups(SharedWakeups):
    """Publish and subscribe. Raises Misconfigured when TOCSIN_REDIS_URL is malformed."""

    lost = (RedisError, OSError)

    def __init__(self, url: str, retry_seconds: float = RETRY_SECONDS) -> None:
        super().__init__(retry_seconds)
        try:
            parse_url(url)
        except ValueError as problem:
            raise Misconfigured("TOCSIN_REDIS_URL must look like redis://host:6379/0.") from problem
        self._url = url

    async def _hear(self) -> None:
        async with self._connect() as redis, redis.pubsub(ignore_subscribe_messages=True) as channel:
            await channel.subscribe(CHANNEL)
            self._rouse()
            async for message in channel.listen():
                self._heard(message["data"])

    async def _tell(self) -> None:
        async with self._connect() as redis:
            while await self._to_tell.wait():
                self._to_tell.clear()
                await redis.publish(CHANNEL, self._name)

    def _connect(self) -> Redis:
        return Redis.from_url(self._url, decode_responses=True, socket_keepalive=True, socket_connect_timeout=5)
