"""Slack's error codes for what is gone, by what they mean to a post or an edit."""

from __future__ import annotations

# The channel takes nothing from us at this moment; it may again, once somebody has asked us in.
CHANNEL_GONE = frozenset({"channel_not_found", "is_archived", "not_in_channel", "restricted_action"})

# The channel takes messages, but not in this thread.
THREAD_GONE = frozenset({
    "cannot_reply_to_message", "message_not_found", "thread_not_found",
    "restricted_action_thread_locked", "restricted_action_non_threadable_channel",
})  # fmt: skip

# The message cannot be edited, now or later.
MESSAGE_GONE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed"})
