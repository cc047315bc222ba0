"""Everything the bot can do: every verb, button, modal, shortcut and event, and the function it calls."""

from __future__ import annotations

from bot.interactions import Listeners, Subcommand
from commands.alert import card as alert
from commands.incident import (
    ack,
    declare,
    escalate,
    home,
    look,
    maintenance,
    note,
    oncall,
    page,
    postmortem,
    resolve,
    role,
    runbook as suggested,
    severity,
    silence,
    status,
    update,
    why,
)
from commands.runbook import approve, look as runbooks, plan, run, steps

INCIDENT = {
    "": Subcommand(look.overview, "", "what is open, or this channel's incident"),
    "declare": Subcommand(
        declare.on_command, "[private] [drill] [P1] [service] <what is wrong>", "declare an incident"
    ),
    "list": Subcommand(look.listed, "[open|all|mine]", "list incidents"),
    "show": Subcommand(look.show, "[INC-n]", "show one incident's card"),
    "ack": Subcommand(ack.on_command, "[INC-n|ALR-n]", "say that you are on it"),
    "severity": Subcommand(
        severity.on_command, "[INC-n] <level>", "change the severity; the next update is promised again"
    ),
    "status": Subcommand(
        status.on_command, "[INC-n] <investigating|identified|mitigating|monitoring|resolved>", "say how far you are"
    ),
    "role": Subcommand(
        role.on_command, "[INC-n] <commander|comms|ops|scribe> [@person]", "take a role, or give it to somebody"
    ),
    "update": Subcommand(update.on_command, "[INC-n] [text]", "post an update and promise the next one"),
    "remind": Subcommand(update.remind, "[INC-n] <15m|off|snooze 10m>", "how often updates are promised"),
    "note": Subcommand(note.on_command, "[INC-n] <text>", "add a remark to the timeline"),
    "timeline": Subcommand(look.timeline, "[INC-n]", "what has happened so far"),
    "oncall": Subcommand(
        oncall.on_command,
        "[service] · take 2h [service] [level] · give @person 2h · end",
        "who is on call, until when, and who is next; take it over for a while",
    ),
    "page": Subcommand(
        page.on_command,
        "[INC-n|ALR-n] [service|contact|@person] [words]",
        "wake somebody; without a name, who is on call",
    ),
    "escalate": Subcommand(
        escalate.on_command, "[INC-n|ALR-n]", "the next level of the escalation policy goes out now"
    ),
    "why": Subcommand(
        why.on_command, "ALR-n", "which route an alert took, what it led to, and what became of its escalation policy"
    ),
    "silence": Subcommand(
        silence.on_command,
        '[2h alertname="x" [-- reason]|ALR-n 1h|end SIL-n]',
        "what is silenced; silence alerts, or end it",
    ),
    "unsilence": Subcommand(silence.end, "SIL-n|ALR-n", "end a silence early"),
    "maintenance": Subcommand(
        maintenance.on_command,
        "[<service> 2h [reason]|end MNT-n]",
        "what is in maintenance; page nobody for a service meanwhile",
    ),
    "runbook": Subcommand(suggested.on_command, "[INC-n]", "runbooks that may help, those that fixed most first"),
    "resolve": Subcommand(
        resolve.on_command, "[INC-n|ALR-n] [what fixed it]", "end it; of an incident, draft the post-mortem"
    ),
    "reopen": Subcommand(resolve.reopen, "[INC-n]", "back to work on a resolved one"),
    "close": Subcommand(resolve.close, "[INC-n]", "confirm that the fix holds"),
    "postmortem": Subcommand(postmortem.on_command, "[INC-n]", "read the post-mortem draft"),
}

RUNBOOK = {
    "": Subcommand(runbooks.listed, "", "what there is"),
    "list": Subcommand(runbooks.listed, "[words]", "what there is, or those that speak of something"),
    "show": Subcommand(runbooks.show, "ID", "its guide, parameters and steps, who may, and how it has done"),
    "plan": Subcommand(plan.on_command, "ID [name=value …]", "what a run would do, without doing it"),
    "run": Subcommand(run.on_command, "[ID [name=value …]]", "run it, once it is approved; asks for what is missing"),
    "status": Subcommand(runbooks.status, "[RUN-n]", "how far a run is; in its thread, that run; else the latest"),
    "cancel": Subcommand(steps.ask_to_cancel, "RUN-n", "stop a run; no further step begins"),
    "history": Subcommand(runbooks.history, "ID", "its latest runs, and how often it helped"),
}

LISTENERS = Listeners(
    commands={"/incident": INCIDENT, "/runbook": RUNBOOK},
    aliases={
        "/incident": {"create": "declare", "new": "declare", "acknowledge": "ack", "post-mortem": "postmortem"},
        "/runbook": {"execute": "run", "stop": "cancel", "find": "list", "search": "list"},
    },
    shapes={
        "/incident": {r"inc-?\d+": "show", r"alr-?\d+": "why"},
        "/runbook": {r"run-?\d+": "status", r"[a-z][a-z0-9]*(_[a-z0-9]+)+": "show"},
    },
    block_actions={
        "incident.declare": declare.on_click,
        "incident.declare/service": declare.service_chosen,
        "incident.ack": ack.on_click,
        "incident.update": update.on_click,
        "incident.snooze": update.snooze,
        "incident.resolve": resolve.on_click,
        "incident.confirm": resolve.close,
        "incident.reopen": resolve.reopen,
        "alert.ack": alert.acknowledge,
        "alert.unack": alert.unacknowledge,
        "alert.declare": alert.declare,
        "alert.resolve": alert.resolve,
        "alert.silence": alert.silence,
        "alert.unsilence": alert.unsilence,
        "role.claim": role.on_click,
        "postmortem.edit": postmortem.edit,
        "postmortem.done": postmortem.done,
        "runbook.run": run.on_click,
        "runbook.run/@runbook": run.chosen,
        "runbook.plan": plan.on_click,
        "approval.approve": approve.on_click,
        "approval.reject": approve.on_reject,
        "approval.break": approve.on_break_glass,
        "approval.review": approve.on_review,
        "run.cancel": steps.cancel,
        "run.retry": steps.retry,
        "run.undo": steps.undo,
        "step.done": steps.done,
        "step.skip": steps.skip,
        "step.happened": steps.happened,
        "step.redo": steps.redo,
        "step.stop": steps.stop,
    },
    submissions={
        "incident.declare": declare.on_submit,
        "incident.update": update.on_submit,
        "incident.resolve": resolve.on_submit,
        "postmortem.edit": postmortem.on_submit,
        "runbook.run": run.on_submit,
        "approval.reject": approve.on_submit_reject,
        "approval.break": approve.on_submit_break,
        "step.done": steps.on_submit_done,
        "step.skip": steps.on_submit_skip,
    },
    shortcuts={
        "incident.declare": declare.on_shortcut,
        "incident.declare_from": declare.on_shortcut,
        "timeline.add": note.on_shortcut,
    },
    home=home.draw,
    events={
        "reaction_added": note.reaction,
        "reaction_removed": note.reaction,
        "pin_added": note.pin,
        "pin_removed": note.pin,
    },
)
