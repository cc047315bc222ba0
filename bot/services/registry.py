"""The tables of what happens by itself: which timer calls what, and which delivery handler tells the world what."""

from __future__ import annotations

from collections.abc import Mapping

from bot.domain.alerts.alert import HOOK
from bot.queue import operator_alarm
from bot.queue.chores import Chore
from bot.queue.commitments import LateHandler
from bot.queue.handler import DeliveryHandler
from bot.queue.inbox import InboxHandler
from bot.queue.timers import TimerHandler
from bot.services.admin import chores
from bot.services.alerts import (
    announcements,
    grouping,
    heartbeats,
    maintenance,
    noisy_rules,
    silences,
)
from bot.services.alerts import lifecycle as alert_lifecycle
from bot.services.alerts import messages as alert_messages
from bot.services.escalation import deliveries as escalation_deliveries
from bot.services.escalation import late_steps, page_fallback, pages
from bot.services.escalation import messages as escalation_messages
from bot.services.escalation import pagerduty as page_pagerduty
from bot.services.escalation import progress as escalations
from bot.services.escalation import status as escalation_status
from bot.services.incidents import channel as incident_channel
from bot.services.incidents import email as incident_email
from bot.services.incidents import lifecycle as incidents
from bot.services.incidents import messages as incident_messages
from bot.services.incidents import postmortem as postmortems
from bot.services.incidents import resolution, updates
from bot.services.ingest import alerts as ingest
from bot.services.ingest import pagerduty_events, sns
from bot.services.messaging import email, operator_notices, replies, thread_notes
from bot.services.oncall import messages as oncall_messages
from bot.services.oncall import overrides as oncall
from bot.services.response import acknowledge
from bot.services.runs import approvals, triggers, writer
from bot.services.runs import messages as run_messages
from bot.services.runs import queries as runs
from bot.services.runs import scheduler as run_scheduler
from bot.services.workspace import channels

TIMERS: Mapping[str, TimerHandler] = {
    "update.remind": updates.remind,
    "update.due": updates.due,
    "watch.over": resolution.watch_over,
    "watch.unanswered": resolution.unanswered,
    "postmortem.remind": postmortems.remind,
    approvals.EXPIRE: approvals.expire,
    approvals.REVIEW: approvals.remind_of_review,
    approvals.VOTED: approvals.show_vote,
    writer.DEADLINE: runs.deadline,
    writer.WAKE: runs.wake,
    alert_lifecycle.FOLLOW: alert_lifecycle.follow,
    alert_lifecycle.SILENCE_OVER: alert_lifecycle.silence_over,
    oncall.OVER: oncall.over,
    incidents.ACKNOWLEDGED: acknowledge.follow,
    escalation_status.BEGIN: escalations.begin_planted,
    escalations.STEP: escalations.step,
    silences.SWEEP: silences.sweep,
    heartbeats.SILENT: grouping.missing,
    maintenance.OVER: maintenance.over,
    maintenance.SWEEP: maintenance.sweep,
    noisy_rules.LIST: noisy_rules.due,
}

DELIVERIES: Mapping[str, DeliveryHandler] = {
    operator_alarm.KIND: operator_alarm.AlarmHandler(),
    "reply": replies.Saying(),
    operator_notices.KIND: operator_notices.notice,
    announcements.KIND: announcements.line,
    thread_notes.KIND: thread_notes.note,
    email.KIND: escalation_messages.ForEscalation(incident_email.IncidentEmail()),
    sns.KIND: sns.ConfirmHandler(),
    pages.KIND: escalation_messages.ForEscalation(page_pagerduty.PageHandler()),
    pages.CHANGE: page_pagerduty.ChangeHandler(),
    pages.NOTE: page_pagerduty.NoteHandler(),
    page_fallback.MAIL: page_fallback.PageEmail(),
    page_fallback.WHO: page_fallback.PageRecipients(),
    page_fallback.DIRECT_MESSAGE: page_fallback.direct_message,
    "channel.open": incident_channel.OpenChannel(),
    "channel.invite": incident_channel.Invite(),
    "channel.join": incident_channel.Join(),
    "channel.topic": incident_channel.SetTopic(),
    "channel.bookmark": incident_channel.Bookmark(),
    "channel.pin": incident_channel.Pin(),
    "card.post": incident_channel.post_card,
    "card.edit": incident_channel.EditCard(),
    "update": incident_messages.update,
    "reminder": incident_messages.reminder,
    "announcement": incident_messages.announcement,
    "announcement.recipients": incident_messages.announcement_recipients,
    "resolved": incident_messages.resolved,
    "watch": incident_messages.watch,
    "stranded": incident_messages.stranded,
    "closed": incident_messages.closed,
    "reopened": incident_messages.reopened,
    "postmortem": incident_messages.postmortem,
    "postmortem.edit": incident_messages.EditPostmortem(),
    "postmortem.file": incident_messages.UploadPostmortem(),
    "postmortem.reminder": incident_messages.postmortem_reminder,
    triggers.KIND: triggers.TriggerHandler(),
    "alert.post": alert_messages.card,
    "alert.edit": alert_messages.EditCard(),
    "storm.post": alert_messages.storm,
    "storm.edit": alert_messages.EditStorm(),
    escalation_deliveries.POSTED: escalation_messages.post,
    escalation_deliveries.WHO: escalation_messages.who,
    noisy_rules.LIST: noisy_rules.weekly,
    "run.post": run_messages.live,
    "run.edit": run_messages.EditLive(),
    "run.approval": run_messages.approval,
    "run.approval.edit": run_messages.EditApproval(),
    "run.question": run_messages.unknown,
    "run.manual": run_messages.manual,
    "run.question.edit": run_messages.EditAsked(),
    "run.thread_note": run_messages.said,
    "run.message": run_messages.message,
    "run.message.recipients": run_messages.MessageRecipients(),
    "run.file": run_messages.WholeOutput(),
    oncall_messages.DIRECT_MESSAGE: oncall_messages.direct_message,
    oncall_messages.LINE: oncall_messages.line,
    oncall_messages.BACK: oncall_messages.GiveBack(),
}

# Who says that a commitment was missed, by the first part of its kind; the others are said by the second channel alone.
LATE: Mapping[str, LateHandler] = {
    late_steps.FAMILY: late_steps.report,
}

CHORES: Mapping[str, Chore] = {
    "purge": Chore(3600, chores.purge),
    "seal": Chore(1, chores.seal),
    "channels": Chore(60, channels.look_again),
    "queues": Chore(5, run_scheduler.wake_queues),
    "noisy_rules": Chore(60, noisy_rules.plant),
}

# By an item's kind, or by the first part of it. Slack's events are the door's own.
INBOX: Mapping[str, InboxHandler] = {
    HOOK: ingest.handle,
    pagerduty_events.HOOK: pagerduty_events.handle,
    sns.HOOK: sns.handle,
}
