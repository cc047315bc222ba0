"""The tables of what happens by itself: which timer calls what, and which errand tells the world what."""

from __future__ import annotations

from collections.abc import Mapping

from bot.services import (
    alarms,
    alert_messages,
    alert_turns,
    approvals,
    asides,
    mailing,
    messages,
    notices,
    opening,
    postmortems,
    replies,
    resolution,
    run_messages,
    runs,
    turn,
    updates,
)
from bot.services.errands import Errand
from bot.services.timers import TimerFunction

TIMERS: Mapping[str, TimerFunction] = {
    "update.remind": updates.remind,
    "update.due": updates.due,
    "watch.over": resolution.watch_over,
    "watch.unanswered": resolution.unanswered,
    "postmortem.remind": postmortems.remind,
    approvals.EXPIRE: approvals.expire,
    approvals.REVIEW: approvals.remind_of_review,
    turn.DEADLINE: runs.deadline,
    turn.WAKE: runs.wake,
    alert_turns.SILENCE_OVER: alert_turns.silence_over,
}

ERRANDS: Mapping[str, Errand] = {
    "alarm": alarms.AlarmErrand(),
    "reply": replies.Saying(),
    "notice": notices.notice,
    asides.KIND: asides.aside,
    mailing.KIND: mailing.EmailErrand(),
    "channel.open": opening.OpenChannel(),
    "channel.invite": opening.Invite(),
    "channel.join": opening.Join(),
    "channel.topic": opening.SetTopic(),
    "channel.bookmark": opening.Bookmark(),
    "channel.pin": opening.Pin(),
    "card.post": opening.post_card,
    "card.edit": opening.EditCard(),
    "update": messages.update,
    "reminder": messages.reminder,
    "told": messages.told,
    "told.who": messages.tell_who,
    "resolved": messages.resolved,
    "watch": messages.watch,
    "stranded": messages.stranded,
    "closed": messages.closed,
    "reopened": messages.reopened,
    "postmortem": messages.postmortem,
    "postmortem.edit": messages.EditPostmortem(),
    "postmortem.file": messages.UploadPostmortem(),
    "postmortem.reminder": messages.postmortem_reminder,
    "alert.post": alert_messages.card,
    "alert.edit": alert_messages.EditCard(),
    "storm.post": alert_messages.storm,
    "storm.edit": alert_messages.EditStorm(),
    "run.post": run_messages.live,
    "run.edit": run_messages.EditLive(),
    "run.approval": run_messages.approval,
    "run.approval.edit": run_messages.EditApproval(),
    "run.question": run_messages.unknown,
    "run.manual": run_messages.manual,
    "run.asked.edit": run_messages.EditAsked(),
    "run.said": run_messages.said,
    "run.message": run_messages.message,
    "run.message.who": run_messages.MessageWho(),
    "run.file": run_messages.WholeOutput(),
}
