"""How the simulated Slack refuses: an error code, and the details that travel with it."""

from typing import Any, TypeVar

Found = TypeVar("Found")


class Refused(Exception):
    """The Web API says no: `{"ok": false, "error": code, …}` with the extra fields next to it."""

    def __init__(self, code: str, *messages: str, **extra: Any) -> None:
        super().__init__(code, *messages)
        self.code, self.messages, self.extra = code, messages, extra

    def body(self) -> dict[str, Any]:
        details = {"response_metadata": {"messages": list(self.messages)}} if self.messages else {}
        return {"ok": False, "error": self.code, **self.extra, **details}


class NotPossible(Exception):
    """A person's action that Slack's own client would not let happen; `code` for programs, the sentence for people."""

    def __init__(self, code: str, sentence: str, **extra: Any) -> None:
        super().__init__(sentence)
        self.code, self.sentence, self.extra = code, sentence, extra

    def body(self) -> dict[str, Any]:
        return {"ok": False, "error": self.code, "sentence": self.sentence, **self.extra}


def refuse(**when: bool) -> None:
    """Refused with the first code whose condition holds: `refuse(is_archived=channel.archived)`."""
    for code, holds in when.items():
        if holds:
            raise Refused(code)


def invalid(holds: bool, sentence: str, pointer: str) -> None:
    if holds:
        raise Refused("invalid_arguments", f"[ERROR] {sentence} [json-pointer:{pointer}]")


def existing(found: Found | None, code: str) -> Found:
    """Raises Refused with the code where it found nothing."""
    if found is None:
        raise Refused(code)
    return found


def possible(found: Found | None, code: str, sentence: str) -> Found:
    if found is None:
        raise NotPossible(code, sentence)
    return found


def forbid(holds: bool, code: str, sentence: str, **extra: Any) -> None:
    if holds:
        raise NotPossible(code, sentence, **extra)


BROKEN_CONTRACT = frozenset(
    {
        "unknown_method", "not_authed", "invalid_auth", "missing_scope", "not_allowed_token_type", "invalid_arguments",
        "invalid_blocks", "invalid_blocks_format", "msg_too_long", "msg_blocks_too_long", "too_many_attachments",
        "invalid_attachments", "no_text", "expired_trigger_id", "exchanged_trigger_id", "invalid_trigger_id",
        "push_limit_reached", "view_too_large", "too_long", "invalid_name", "invalid_name_required",
        "invalid_ts_oldest",
        "invalid_name_maxlength", "invalid_name_specials", "invalid_name_punctuation", "invalid_metadata_format",
        "metadata_too_large", "invalid_cursor", "invalid_limit", "bad_timestamp", "no_item_specified", "invalid_link",
        "invalid_ts_latest", "invalid_bookmark_type", "duplicate_external_id", "invalid_form_data", "invalid_json",
    }
)  # fmt: skip
"""Answers that show a mistake of the calling app; `name_taken` or `is_archived` are the state of the world instead."""
