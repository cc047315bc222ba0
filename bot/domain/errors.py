"""What can go wrong, as sentences for who must act. The docstring of each class says when it is raised."""

from __future__ import annotations


class Problem(Exception):
    """Something a person asked for cannot be done. The message is what they read."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class Refused(Problem):
    """The person may not do this."""


class Unclear(Problem):
    """The words could not be understood; the sentence says what would be."""


class Missing(Problem):
    """The thing named does not exist, or may not be seen by this person."""


class Conflict(Problem):
    """Somebody was first, or the state does not allow it."""


class Repeated(Problem):
    """The same request was already carried out. `answer` is what was said then, `subject` what it was about."""

    def __init__(self, answer: dict[str, object] | None, subject: str | None) -> None:
        super().__init__("This was already done.")
        self.answer = answer
        self.subject = subject


class Misconfigured(Problem):
    """A setting is missing or malformed; the sentence names it."""


class Undeliverable(Exception):
    """The other side did not take a call. `permanent` is the one question a retry asks.

    `maybe_done` is true where the call may have taken effect (an answer lost after sending, a 5xx): look before
    repeating. `error` is the other side's code, e.g. `channel_not_found`.
    """

    def __init__(self, error: str, *, permanent: bool = False, maybe_done: bool = False) -> None:
        super().__init__(error)
        self.error = error
        self.permanent = permanent
        self.maybe_done = maybe_done


class Unwanted(Undeliverable):
    """Nobody wants it at the moment of sending, so it does not leave. `error` says why."""

    def __init__(self, why: str) -> None:
        super().__init__(why, permanent=True)


class Throttled(Undeliverable):
    """The method's rate limit is closed by the other side for `retry_after_seconds`."""

    def __init__(self, retry_after_seconds: float) -> None:
        super().__init__("ratelimited")
        self.retry_after_seconds = retry_after_seconds
