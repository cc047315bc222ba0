"""How the simulated Slack refuses: an error code, and the details that travel with it."""

from typing import Any


class Refused(Exception):
    """The Web API says no: `{"ok": false, "error": code, …}` with the extra fields beside it."""

    def __init__(self, code: str, *messages: str, **extra: Any) -> None:
        super().__init__(code)
        self.code = code
        self.messages = messages
        self.extra = extra

    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {"ok": False, "error": self.code, **self.extra}
        if self.messages:
            body["response_metadata"] = {"messages": list(self.messages)}
        return body


class NotPossible(Exception):
    """A person's action that Slack's own client would not let happen; `code` for programs, the sentence for people."""

    def __init__(self, code: str, sentence: str, **extra: Any) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence
        self.extra = extra

    def body(self) -> dict[str, Any]:
        return {"ok": False, "error": self.code, "sentence": self.sentence, **self.extra}


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
