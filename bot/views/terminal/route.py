from __future__ import annotations

from bot.domain.alerts.alert import Alert
from bot.domain.alerts.routing import Routed, shown
from bot.domain.catalogue.policy import EscalationPolicy, EscalationStep
from bot.domain.catalogue.severity import Automatic, OnAlert
from bot.domain.text import duration

AT_ONCE = {
    OnAlert.DECLARE: "an incident is declared",
    OnAlert.CARD: "a card",
    OnAlert.LOG: "kept, without a card",
}
BY_ITSELF = {
    Automatic.RUN: "a runbook may run by itself",
    Automatic.ASK: "a runbook asks before it runs",
    Automatic.SUGGEST: "a runbook is suggested",
    Automatic.NONE: "no runbook",
}


def lines(alert: Alert, routed: Routed, alerts_channel: str) -> list[str]:
    level = routed.severity
    rows = [
        ("service", routed.service.key),
        ("severity", level.key),
        ("at once", f"{AT_ONCE[level.on_alert]}; {BY_ITSELF[level.automatic]}"),
        ("channel", _channel(routed.channel or alerts_channel)),
        ("escalation", _policy(routed.escalation_policy)),
        ("runbook", routed.runbook or "none"),
        ("group", ", ".join(f'{shown(name)}="{shown(value)}"' for name, value in routed.group)),
        *(("must", f"arrive every {duration.short(one.every)}") for one in [routed.heartbeat] if one),
        *(("why" if index == 0 else "", sentence) for index, sentence in enumerate(routed.why)),
    ]
    return [f"{shown(alert.name) or 'An alert without a name'} ({alert.status})", *(f"  {a:10}  {b}" for a, b in rows)]


def _channel(name: str) -> str:
    return name if name.startswith("C") else f"#{name}"


def _policy(policy: EscalationPolicy | None) -> str:
    return f"{policy.key}: {'; '.join(map(_step, policy.steps))}" if policy else "none"


def _step(step: EscalationStep) -> str:
    during = f" during {step.during.name}" if step.during else ""
    condition = f" unless {step.unless}" if step.after else ""
    return f"T+{duration.short(step.after)}{condition}{during} {', '.join(step.notify)}"
