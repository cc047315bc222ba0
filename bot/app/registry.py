"""The tables of what happens by itself: which timer calls what, and which delivery handler tells the world what."""

from __future__ import annotations

from collections.abc import Mapping

from bot.domain.alerts.alert import HOOK
from bot.queue import operator_alarm
from bot.queue.chores import Chore
from bot.queue.commitments import LateHandler
from bot.queue.handler import by_kind, once
from bot.queue.inbox import InboxHandler
from bot.queue.timers import TimerHandler
from bot.services.admin import chores
from bot.services.alerts import (
    announcements,
    grouping,
    heartbeats,
    lifecycle as alert_lifecycle,
    maintenance,
    messages as alert_messages,
    noisy_rules,
    silences,
)
from bot.services.escalation import (
    late_steps,
    messages as escalation_messages,
    page_fallback,
    pagerduty,
    progress as escalations,
    status as escalation_status,
)
from bot.services.incidents import (
    channel as incident_channel,
    email as incident_email,
    lifecycle as incidents,
    messages as incident_messages,
    postmortem as postmortems,
    resolution,
    updates,
)
from bot.services.ingest import alerts as ingest, pagerduty_events, sns
from bot.services.messaging import email, operator_notices, replies, thread_notes
from bot.services.oncall import messages as oncall_messages, overrides as oncall
from bot.services.response import acknowledge
from bot.services.runs import (
    approvals,
    messages as run_messages,
    queries as runs,
    scheduler as run_scheduler,
    triggers,
    writer,
)
from bot.services.workspace import channels

TIMERS: Mapping[str, TimerHandler] = once(
    [
        ("update.remind", updates.remind),
        ("update.due", updates.due),
        ("watch.over", resolution.watch_over),
        ("watch.unanswered", resolution.unanswered),
        ("postmortem.remind", postmortems.remind),
        (approvals.EXPIRE, approvals.expire),
        (approvals.REVIEW, approvals.remind_of_review),
        (approvals.VOTED, approvals.show_vote),
        (writer.DEADLINE, runs.deadline),
        (writer.WAKE, runs.wake),
        (alert_lifecycle.FOLLOW, alert_lifecycle.follow),
        (alert_lifecycle.SILENCE_OVER, alert_lifecycle.silence_over),
        (oncall.OVER, oncall.over),
        (incidents.ACKNOWLEDGED, acknowledge.follow),
        (escalation_status.BEGIN, escalations.begin_planted),
        (escalations.STEP, escalations.step),
        (silences.SWEEP, silences.sweep),
        (heartbeats.SILENT, grouping.missing),
        (maintenance.OVER, maintenance.over),
        (maintenance.SWEEP, maintenance.sweep),
        (noisy_rules.LIST, noisy_rules.due),
    ]
)

DELIVERIES = by_kind(
    operator_alarm.OperatorAlarmHandler(),
    replies.PublicAnswerHandler(),
    replies.EphemeralAnswerHandler(),
    operator_notices.OperatorNoticeHandler(),
    announcements.ChannelLineHandler(),
    thread_notes.ThreadNoteHandler(),
    email.WrittenEmailHandler(),
    incident_email.IncidentEmailHandler(),
    escalation_messages.StepEmailHandler(),
    sns.ConfirmSubscriptionHandler(),
    pagerduty.PageHandler(),
    pagerduty.PageChangeHandler(),
    pagerduty.PageNoteHandler(),
    page_fallback.PageEmailHandler(),
    page_fallback.PageMessageToAllHandler(),
    page_fallback.PageMessageHandler(),
    incident_channel.OpenChannelHandler(),
    incident_channel.InviteHandler(),
    incident_channel.JoinHandler(),
    incident_channel.SetTopicHandler(),
    incident_channel.AddBookmarkHandler(),
    incident_channel.PinCardHandler(),
    incident_channel.PostCardHandler(),
    incident_channel.EditCardHandler(),
    incident_messages.UpdateHandler(),
    incident_messages.ReminderHandler(),
    incident_messages.AnnouncementHandler(),
    incident_messages.AnnouncementToAllHandler(),
    incident_messages.ResolvedHandler(),
    incident_messages.WatchQuestionHandler(),
    incident_messages.StrandedHandler(),
    incident_messages.ClosedHandler(),
    incident_messages.ReopenedHandler(),
    incident_messages.PostmortemHandler(),
    incident_messages.EditPostmortemHandler(),
    incident_messages.UploadPostmortemHandler(),
    incident_messages.PostmortemReminderHandler(),
    triggers.TriggerHandler(),
    alert_messages.PostAlertHandler(),
    alert_messages.EditAlertHandler(),
    alert_messages.PostStormHandler(),
    alert_messages.EditStormHandler(),
    escalation_messages.StepMessageHandler(),
    escalation_messages.StepMessageToAllHandler(),
    noisy_rules.NoisyRulesListHandler(),
    run_messages.PostRunHandler(),
    run_messages.EditRunHandler(),
    run_messages.AskApprovalHandler(),
    run_messages.EditApprovalHandler(),
    run_messages.AskUnknownHandler(),
    run_messages.AskManualHandler(),
    run_messages.EditQuestionHandler(),
    run_messages.RunNoteHandler(),
    run_messages.RunMessageHandler(),
    run_messages.RunMessageToAllHandler(),
    run_messages.UploadOutputHandler(),
    oncall_messages.OncallMessageHandler(),
    oncall_messages.OncallLineHandler(),
    oncall_messages.GiveBackHandler(),
)

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
