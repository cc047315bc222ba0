"""Slack's published rate limits, for when they are switched on."""

import math
from collections import deque

CALLS_PER_MINUTE = {"t1": 1, "t2": 20, "t3": 50, "t4": 100, "t5": 600}
WINDOW_SECONDS = 60.0
POST_BURST = 3
POSTS_PER_MINUTE = 300


class Limits:
    """Sliding windows of a minute for each method, and one message a second for each channel after a burst of three."""

    def __init__(self) -> None:
        self.realistic = False
        self._calls: dict[str, deque[float]] = {}
        self._posts: dict[str, tuple[float, float]] = {}

    def wait_seconds(self, method: str, tier: str, channel: str, now: float) -> int | None:
        """None: the call may pass, and is counted. Else the Retry-After in whole seconds."""
        if not self.realistic:
            return None
        is_post = method == "chat.postMessage"
        tokens = self._tokens(channel, now)
        if is_post and tokens < 1.0:
            return math.ceil(1.0 - tokens)
        allowed = POSTS_PER_MINUTE if is_post else CALLS_PER_MINUTE.get(tier, 600)
        if wait := self._window_wait(method, allowed, now):
            return math.ceil(wait)
        self._calls[method].append(now)
        if is_post:
            self._posts[channel] = (tokens - 1.0, now)
        return None

    def _window_wait(self, method: str, allowed: int, now: float) -> float:
        calls = self._calls.setdefault(method, deque())
        while calls and calls[0] <= now - WINDOW_SECONDS:
            calls.popleft()
        return calls[0] + WINDOW_SECONDS - now if len(calls) >= allowed else 0.0

    def _tokens(self, channel: str, now: float) -> float:
        tokens, since = self._posts.get(channel, (float(POST_BURST), now))
        return min(float(POST_BURST), tokens + now - since)
