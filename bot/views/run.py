"""Runs as messages: the live one, the questions, the plan. Values in, blocks out; everything typed is escaped."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from bot.domain.catalogue.runbook import Runbook
from bot.domain.people.access import spoken
from bot.domain.runs.approval import UNDO, WHOLE_RUN, ApprovalRequest, State
from bot.domain.runs.plan import Late, PlannedStep
from bot.domain.runs.run import SPOKEN, Run, Status, StepRun, StepState
from bot.domain.text import duration
from bot.domain.text.wording import listing
from bot.interactions import Block
from bot.views.kit import blocks as b
from bot.views.kit.mrkdwn import Safe, clip, clock, escape, literal, mention

ARGUMENTS_LIMIT = 300
TAIL_LINES = 8
TAIL_LIMIT = 900
SHOWN_STEPS = 20

WORDS = {
    StepState.READY: "to be tried again",
    StepState.STARTED: "under way",
    StepState.WAITING: "waiting",
    StepState.DONE: "✓",
    StepState.FAILED: "failed",
    StepState.SKIPPED: "skipped",
    StepState.UNKNOWN: "unknown",
    StepState.INTERRUPTED: "interrupted",
}
_ACTED = re.compile(r"(?P<before>(?:It was not taken back\. )?)<@(?P<who>[UW][A-Z0-9]+)>", re.ASCII)
EFFECTS = {"read": "reads", "repeatable": "changes, may be repeated", "once": "changes, once"}


@dataclass(frozen=True)
class Live:
    run: Run
    runbook: Runbook
    plan: Sequence[Mapping[str, Any]]
    progress: Mapping[str, StepRun]
    can_undo: bool = False
    on_call: Mapping[str, Sequence[str]] = field(default_factory=dict)  # who has the levels that a question is for


def who(person: str) -> Safe:
    return mention(person) if person[:1] in "UW" and person[1:].isalnum() and person.isupper() else literal(person)


def headline(live: Live) -> str:
    return f"*{live.run}* {literal(live.runbook.title)} · {state_words(live.run)}"


def state_words(run: Run) -> str:
    took = f" in {duration.words(run.took)}" if run.took and run.took.total_seconds() >= 1 else ""
    mark = "✓ " if run.status is Status.SUCCEEDED else ""
    return f"{mark}{SPOKEN[run.status]}{took}"


def fallback(live: Live) -> str:
    return f"{live.run} {state_words(live.run)} · {escape(live.runbook.title)}. {_sentence(live.run)}".strip()


def approval_fallback(live: Live, asked: ApprovalRequest) -> str:
    words = {
        State.OPEN: _what(live, asked),
        State.APPROVED: "was approved",
        State.REJECTED: "was rejected",
        State.EXPIRED: "was not approved in time",
        State.VOID: "is no longer asked about",
    }
    return f"{live.run} {words[asked.state]} · {escape(live.runbook.title)}"


def live_message(live: Live) -> list[Block]:
    run = live.run
    head = filter(None, [headline(live), _asked_by(live), _sentence(run)])
    return [
        b.section("\n".join(head)),
        *_step_sections(live),
        *map(b.section, filter(None, [_tail(live)])),
        b.context(f"Plan {run.plan_hash[:12]} · {literal(run.runbook)} · {literal(run.service)}"),
        *b.actions(*_buttons(live)),
    ]


def _asked_by(live: Live) -> str:
    run = live.run
    parts = [
        f"asked for by {asker(run)}",
        "over the API" if run.source == "api" else "",
        ", ".join(f"{name} {_short(value)}" for name, value in run.parameters.items()),
        f"for INC-{run.incident}" if run.incident else "",
    ]
    return " · ".join(filter(None, parts)) + (f"\nReason: {escape(run.reason)}" if run.reason else "")


def asker(run: Run) -> str:
    return f"ALR-{run.alert_group}" if is_by_alert(run) else who(run.requested_by)


def is_by_alert(run: Run) -> bool:
    return run.source == "automation" and run.alert_group is not None


def _step_sections(live: Live) -> list[Block]:
    lines = [_step_line(step, live.progress.get(str(step["id"]))) for step in live.plan]
    lines += [
        f"↩ {literal(made.step.removesuffix('.undo'))}: {_state(made)}"
        for name, made in live.progress.items()
        if name.endswith(".undo")
    ]
    if len(lines) > SHOWN_STEPS:
        lines = [*lines[:SHOWN_STEPS], f"… and {len(lines) - SHOWN_STEPS} more"]
    texts = [""]
    for line in lines:
        if len(texts[-1]) + len(line) > b.SECTION_LIMIT - 100:
            texts.append("")
        texts[-1] += f"{line}\n"
    return [b.section(text) for text in texts if text]


def _step_line(step: Mapping[str, Any], made: StepRun | None) -> str:
    name = literal(str(step["title"] or step["id"]))
    what = f"{step['number']}. {name} `{code(step['kind'])}` {EFFECTS[str(step['effect'])]}"
    if made is not None:
        return f"{what} · {_state(made)}"
    if step["runs"] == "no":
        return f"{what} · not needed"
    target = f" · {literal(clip(str(step['target']), 120))}" if step["target"] else ""
    own = " · asks for approval when it comes" if step["needs_own_approval"] else ""
    return f"{what}{target}{own}"


def _state(made: StepRun) -> str:
    took = "" if made.took is None else f" {_took(made.took)}"
    said = f": {told(clip(made.sentence, 300), made.actor or '')}" if made.sentence else ""
    return f"{WORDS[made.state]}{took}{said}"


def _took(span: timedelta) -> str:
    return f"{span.total_seconds():.1f} s" if span.total_seconds() < 60 else duration.words(span)


def _tail(live: Live) -> str:
    saying = [made for made in live.progress.values() if made.output.strip()]
    if not saying or (live.run.status is Status.AWAITING and live.run.started_at is None):
        return ""
    newest = max(saying, key=lambda made: made.started_at)
    text = "\n".join(newest.output.rstrip().splitlines()[-TAIL_LINES:])
    return f"```{code(text[-TAIL_LIMIT:])}```"


def _buttons(live: Live) -> list[Block | None]:
    run = live.run
    if run.status is Status.AWAITING and run.started_at is None:
        change = b.button("Change parameters", "runbook.plan", run.name) if live.runbook.parameters else None
        return [change, _cancel(run)]
    if not run.is_over:
        return [_cancel(run)]
    failed = _failed(live)
    retry = skip = None
    if failed:
        sure = b.confirm("Do it again?", f"Step {failed.step} of {run} is done again.", "Do it again")
        retry = b.button("Try again", "run.retry", run.name, confirm=sure)
        skip = b.button("Skip the step", "step.skip", f"{run}:{failed.step}")
    sure = b.confirm(f"Take {run} back?", "Its undo steps are planned and, where needed, approved first.", "Plan it")
    return [retry, skip, b.button("Take back", "run.undo", run.name, confirm=sure) if live.can_undo else None]


def _failed(live: Live) -> StepRun | None:
    if live.run.status is not Status.FAILED or live.run.phase != "do":
        return None
    return next((made for made in live.progress.values() if made.state is StepState.FAILED), None)


def _cancel(run: Run) -> Block:
    sure = b.confirm(
        f"Cancel {run}?", "What it is doing is interrupted; no further step begins.", "Cancel the run", "No"
    )
    return b.button("Cancel", "run.cancel", run.name, confirm=sure)


# --- questions --------------------------------------------------------------------------------------------------------


def approval_message(live: Live, asked: ApprovalRequest, arguments: Sequence[str]) -> list[Block]:
    """`arguments`: what would be done, a line each, escaped."""
    is_whole, text = asked.covers == WHOLE_RUN, asked.text
    lines = [
        f"*{live.run} {_what(live, asked)}* · {literal(live.runbook.title)}",
        told(text) if is_whole or asked.covers == UNDO else escape(text),
        f"Reason: {escape(live.run.reason)}" if is_whole and live.run.reason else "",
    ]
    return [
        b.section("\n".join(filter(None, lines))),
        *([b.section("\n".join(arguments))] if arguments else []),
        b.section(_approval_state(live, asked)),
        *b.actions(*_approval_buttons(live, asked)),
    ]


def _what(live: Live, asked: ApprovalRequest) -> str:
    whole = {WHOLE_RUN: "asks for approval", UNDO: "asks to be taken back"}
    return whole.get(asked.covers, f"asks for approval of step {literal(asked.covers)}")


def _approval_state(live: Live, asked: ApprovalRequest) -> str:
    given = ", ".join(who(vote.person) for vote in asked.approvals)
    if asked.state is State.OPEN:
        need = f"{asked.quorum} approvals" if asked.quorum > 1 else "one approval"
        not_them = "" if is_by_alert(live.run) else f" {who(live.run.requested_by)} does not count."
        so_far = f" So far: {given}." if given else ""
        return f"It needs {need} of {_named(live, asked.who)} by {clock(asked.expires_at)}.{not_them}{so_far}"
    at = clock(asked.decided_at) if asked.decided_at else ""
    if asked.state is State.APPROVED and asked.glass_broken:
        by = asked.reviewed_by
        seen = f"Reviewed by {who(by)}." if by else "It is still to be reviewed by somebody else."
        return f"{who(asked.decided_by or '')} broke the glass at {at}. {seen}"
    said = {
        State.APPROVED: f"✓ Approved by {given} at {at}.",
        State.REJECTED: f"Rejected by {who(asked.decided_by or '')} at {at}: {escape(_rejection(asked))}",
        State.EXPIRED: f"Nobody decided by {clock(asked.expires_at)}. Nothing was done.",
        State.VOID: "This question no longer counts.",
    }
    return said[asked.state]


def _named(live: Live, entries: Sequence[str]) -> str:
    now = {entry: f" (now {listing(map(spoken, people))})" for entry, people in live.on_call.items() if people}
    return listing([f"{spoken(entry)}{now.get(entry, '')}" for entry in entries], "or")


def _rejection(asked: ApprovalRequest) -> str:
    return next((vote.reason for vote in asked.votes if vote.verdict == "reject"), "")


def _approval_buttons(live: Live, asked: ApprovalRequest) -> list[Block | None]:
    if asked.state is not State.OPEN:
        waits = asked.glass_broken and asked.reviewed_at is None
        return [b.button("I have reviewed it", "approval.review", asked.value) if waits else None]
    runs = [str(step["title"] or step["id"]) for step in live.plan if step["runs"] != "no" and step["effect"] != "read"]
    what = asked.covers if asked.covers not in (WHOLE_RUN, UNDO) else "; ".join(runs) or live.runbook.title
    verb = "be taken back" if asked.covers == UNDO else "run"
    sure = b.confirm(f"Approve {live.run}?", f"This will {verb}: {what}. Plan {asked.plan_hash[:12]}.", "Approve")
    glass = b.button("Break the glass", "approval.break", asked.value, style="danger") if asked.break_glass else None
    return [
        b.button("Approve", "approval.approve", asked.value, style="primary", confirm=sure),
        b.button("Reject", "approval.reject", asked.value),
        glass,
    ]


def question_message(live: Live, made: StepRun) -> list[Block]:
    value = f"{live.run}:{made.step}"
    newest = live.progress.get(made.step, made)
    if made.state is not StepState.UNKNOWN or newest.attempt > made.attempt or live.run.is_over:
        said = told(live.run.sentence) if live.run.is_over and newest == made else _state(newest)
        return [b.section(f"*{live.run}: step {literal(made.step)}* was unknown, and is answered: {said}")]
    look = "Look" if is_by_alert(live.run) else f"{who(live.run.requested_by)}, look"
    text = (
        f"*{live.run}: whether step {literal(made.step)} happened is not known.*\n{escape(made.sentence)} "
        f"{look} at the target, then say what you found. Nothing goes on until then."
    )
    again = b.confirm("Do it again?", f"Step {made.step} is started once more.", "Do it again")
    return [
        b.section(text),
        *b.actions(
            b.button("It happened", "step.happened", value),
            b.button("It did not, do it again", "step.redo", value, confirm=again),
            b.button("Stop here", "step.stop", value),
        ),
    ]


def manual_message(live: Live, made: StepRun, people: Sequence[str]) -> list[Block]:
    value = f"{live.run}:{made.step}"
    if made.state is not StepState.WAITING or live.run.is_over:
        said = "is no longer needed" if made.state is StepState.WAITING else _state(made)
        return [b.section(f"*{live.run}: step {literal(made.step)}* {said}")]
    for_whom = _named(live, people) if people else "the person who runs it"
    return [
        b.section(f"*{live.run}: step {literal(made.step)} is yours*, {for_whom}.\n{escape(made.sentence)}"),
        *b.actions(b.button("Done", "step.done", value, style="primary"), b.button("Skip", "step.skip", value)),
    ]


# --- the plan ---------------------------------------------------------------------------------------------------------


def plan_lines(steps: Sequence[PlannedStep]) -> list[str]:
    return [line for step in steps for line in _plan_line(step)]


def _plan_line(step: PlannedStep) -> list[str]:
    head = f"{step.number}. *{literal(visible(step.title or step.id))}* `{step.kind}` {EFFECTS[step.effect]}"
    head += f" · {literal(clip(visible(step.target), 120))}" if step.target else ""
    if step.runs == "no":
        return [f"{head} · not needed: `{code(clip(step.condition, 100))}` does not hold"]
    if step.runs == "late":
        head += f" · only if `{code(clip(step.condition, 100))}`"
    own = " · asks for its own approval when it comes" if step.needs_own_approval else ""
    return [f"{head}{own}", f"    {arguments_line(step.arguments)}"]


def arguments_line(arguments: Mapping[str, Any]) -> str:
    said = [f"{name}: {argument_words(value)}" for name, value in arguments.items()]
    return f"`{code(clip(' · '.join(said), ARGUMENTS_LIMIT))}`" if said else "`no arguments`"


def argument_words(value: Any) -> str:
    match value:
        case Late(steps=steps):
            return f"from step {', '.join(steps)}"
        case {"from": [*steps]} if len(value) == 1:
            return f"from step {', '.join(map(str, steps))}"
        case Mapping():
            return "{" + ", ".join(f"{name}: {argument_words(one)}" for name, one in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(argument_words(one) for one in value) + "]"
        case str():
            return visible(" ".join(value.split()))
    return json.dumps(value)


def visible(text: str) -> str:
    """What is not printed, like the sign that turns the direction of writing, as its code: a plan shows what runs."""
    return "".join(one if one.isprintable() else f"\\u{ord(one):04x}" for one in text)


# --- pieces -----------------------------------------------------------------------------------------------------------


def _short(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(literal(clip(" ".join(str(value).split()), 80))) if value is not None else "not given"


def code(text: Any) -> str:
    """Nothing ends the backquotes early."""
    return str(escape(str(text).replace("`", "ˋ")))


def _sentence(run: Run) -> str:
    """While it waits for a person, what that step says, which may be anybody's words."""
    return str(escape(run.sentence)) if run.status is Status.WAITING else told(run.sentence)


def told(text: str, by: str | None = None) -> str:
    """A sentence that begins with who acted (`by`, where that is known). What follows may be anybody's words."""
    found = _ACTED.match(text)
    if found is None or by not in (None, found["who"]):
        return str(escape(text))
    return f"{found['before']}<@{found['who']}>{escape(text[found.end() :])}"


def escape_but_mentions(text: str) -> str:
    """Sentences of ours, in which `<@U…>` is a mention and nothing else is markup."""
    pieces: list[str] = []
    rest = text
    while True:
        before, mark, after = rest.partition("<@")
        pieces.append(str(escape(before)))
        if not mark:
            return "".join(pieces)
        person, end, rest_after = after.partition(">")
        if end and person.isalnum() and person.isupper():
            pieces.append(f"<@{person}>")
            rest = rest_after
        else:
            pieces.append("&lt;@")
            rest = after
