"""Everything the bot can do: every verb, button, modal, shortcut and event, and the function it calls."""

from __future__ import annotations

from bot.interactions import Table, Verb
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
    severity,
    silence,
    status,
    update,
    why,
)
from commands.incident import runbook as suggested
from commands.runbook import approve, plan, run, steps
from commands.runbook import look as runbooks

INCIDENT = {
    "": Verb(look.overview, "", "what is open, or this channel's incident"),
    "declare": Verb(declare.ask, "[private] [drill] [P1] [service] <what is wrong>", "declare an incident"),
    "list": Verb(look.listed, "[open|all|mine]", "list incidents"),
    "show": Verb(look.show, "[INC-n]", "show one incident's card"),
    "ack": Verb(ack.ask, "[INC-n|ALR-n]", "say that you are on it"),
    "severity": Verb(severity.ask, "[INC-n] <level>", "change the severity; the next update is promised anew"),
    "status": Verb(
        status.ask, "[INC-n] <investigating|identified|mitigating|monitoring|resolved>", "say where it stands"
    ),
    "role": Verb(role.ask, "[INC-n] <commander|comms|ops|scribe> [@person]", "take a role, or give it to somebody"),
    "update": Verb(update.ask, "[INC-n] [text]", "post an update and promise the next one"),
    "remind": Verb(update.remind, "[INC-n] <15m|off|snooze 10m>", "how often updates are promised"),
    "note": Verb(note.ask, "[INC-n] <text>", "add a remark to the timeline"),
    "timeline": Verb(look.timeline, "[INC-n]", "what has happened so far"),
    "oncall": Verb(
        oncall.ask,
        "[service] · take 2h [service] [level] · give @person 2h · end",
        "who is on call, until when, and who is next; take it over for a while",
    ),
    "page": Verb(
        page.ask,
        "[INC-n|ALR-n] [service|contact|@person] [words]",
        "wake somebody; without a name, who is on call",
    ),
    "escalate": Verb(escalate.ask, "[INC-n|ALR-n]", "the next level of the ladder goes out now"),
    "why": Verb(why.ask, "ALR-n", "which route an alert took, what it led to, and what became of its ladder"),
    "silence": Verb(
        silence.ask, '[2h alertname="x" [-- reason]|ALR-n 1h|end SIL-n]', "what is silenced; silence alerts, or end it"
    ),
    "unsilence": Verb(silence.end, "SIL-n|ALR-n", "end a silence early"),
    "maintenance": Verb(
        maintenance.ask,
        "[<service> 2h [reason]|end MNT-n]",
        "what is in maintenance; page nobody for a service meanwhile",
    ),
    "runbook": Verb(suggested.ask, "[INC-n]", "runbooks that may help, those that fixed most first"),
    "resolve": Verb(resolve.ask, "[INC-n|ALR-n] [what fixed it]", "end it; of an incident, draft the post-mortem"),
    "reopen": Verb(resolve.reopen, "[INC-n]", "back to work on a resolved one"),
    "close": Verb(resolve.close, "[INC-n]", "confirm that the fix holds"),
    "postmortem": Verb(postmortem.ask, "[INC-n]", "read the post-mortem draft"),
}

RUNBOOK = {
    "": Verb(runbooks.listed, "", "what there is"),
    "list": Verb(runbooks.listed, "[words]", "what there is, or those that speak of something"),
    "show": Verb(runbooks.show, "ID", "its guide, parameters and steps, who may, and how it has done"),
    "plan": Verb(plan.ask, "ID [name=value …]", "what a run would do, without doing it"),
    "run": Verb(run.ask, "[ID [name=value …]]", "run it, once it is approved; asks for what is missing"),
    "status": Verb(runbooks.status, "[RUN-n]", "how far a run is; in its thread, that run; else the latest"),
    "cancel": Verb(steps.ask_to_cancel, "RUN-n", "stop a run; no further step begins"),
    "history": Verb(runbooks.history, "ID", "its latest runs, and how often it helped"),
}

TABLE = Table(
    commands={"/incident": INCIDENT, "/runbook": RUNBOOK},
    aliases={
        "/incident": {"create": "declare", "new": "declare", "acknowledge": "ack", "post-mortem": "postmortem"},
        "/runbook": {"execute": "run", "stop": "cancel", "find": "list", "search": "list"},
    },
    shapes={
        "/incident": {r"inc-?\d+": "show", r"alr-?\d+": "why"},
        "/runbook": {r"run-?\d+": "status", r"[a-z][a-z0-9]*(_[a-z0-9]+)+": "show"},
    },
    presses={
        "incident.declare": declare.press,
        "incident.declare/service": declare.service_chosen,
        "incident.ack": ack.press,
        "incident.update": update.press,
        "incident.snooze": update.snooze,
        "incident.resolve": resolve.press,
        "incident.confirm": resolve.press_confirm,
        "incident.reopen": resolve.press_reopen,
        "alert.ack": alert.acknowledge,
        "alert.unack": alert.unacknowledge,
        "alert.declare": alert.declare,
        "alert.resolve": alert.resolve,
        "alert.silence": alert.silence,
        "alert.unsilence": alert.unsilence,
        "role.claim": role.press,
        "postmortem.edit": postmortem.edit,
        "postmortem.done": postmortem.done,
        "runbook.run": run.press,
        "runbook.run/@runbook": run.chosen,
        "runbook.plan": plan.press,
        "approval.approve": approve.press,
        "approval.reject": approve.press_reject,
        "approval.break": approve.press_break,
        "approval.review": approve.press_review,
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
        "incident.declare": declare.submit,
        "incident.update": update.submit,
        "incident.resolve": resolve.submit,
        "postmortem.edit": postmortem.submit,
        "runbook.run": run.submit,
        "approval.reject": approve.submit_reject,
        "approval.break": approve.submit_break,
        "step.done": steps.submit_done,
        "step.skip": steps.submit_skip,
    },
    marks={
        "incident.declare": declare.shortcut,
        "incident.declare_from": declare.shortcut,
        "timeline.add": note.shortcut,
    },
    home=home.draw,
    events={
        "reaction_added": note.reaction,
        "reaction_removed": note.reaction,
        "pin_added": note.pin,
        "pin_removed": note.pin,
    },
)
