"""Runbooks as people see them: in a list, whole, as a plan, as a form, and how they have done."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import starmap
from typing import Any, Protocol

from bot.domain.catalogue.catalogue import Access, Catalogue
from bot.domain.catalogue.runbook import ApprovalRule, Kind, Parameter, ParameterType, Runbook, Step, Trigger
from bot.domain.errors import Unclear
from bot.domain.people.access import spoken
from bot.domain.runs import parameters
from bot.domain.runs.plan import Plan
from bot.domain.runs.run import Run
from bot.domain.text import duration
from bot.domain.text.wording import listing
from bot.interactions import Block
from bot.views.kit import blocks as b
from bot.views.kit.mrkdwn import Safe, clip, escape, link, literal, moment
from bot.views.run import EFFECTS, asker, code, plan_lines, state_words

PICK = "@runbook"  # the field in which a runbook is chosen; no parameter's name begins with @
LISTED = 40
BUTTONED = 20
GUIDE_LIMIT = 2_800
MOST_SECTIONS = 40  # a message has 50 blocks
OPTION_VALUE_LIMIT = 150
MOST_OPTIONS = 100
GUIDE = ("overview", "impact", "diagnosis", "resolution", "prevention", "escalation")
ANSWERS = (("Yes", "true"), ("No", "false"))

_PARAMETER = re.compile(r"\{\{\s*params\.(\w+)\s*\}\}")


class Record(Protocol):
    @property
    def ended(self) -> int: ...
    @property
    def fixed(self) -> int: ...
    @property
    def median_seconds(self) -> float | None: ...


def record_words(record: Record) -> str:
    if not record.ended:
        return "not run to its end yet"
    median = f", median {_about(record.median_seconds)}" if record.median_seconds is not None else ""
    return f"fixed this {record.fixed} of {record.ended} time{'' if record.ended == 1 else 's'}{median}"


def _about(seconds: float) -> str:
    if seconds < 59.5:
        return f"{max(1, round(seconds))} s"
    if seconds < 5_370:
        return f"{round(seconds / 60)} min"
    return duration.words(timedelta(seconds=seconds))


def needs(runbook: Runbook, rule: ApprovalRule | None) -> str:
    if rule is not None:
        return f"needs {rule.quorum} approval{'' if rule.quorum == 1 else 's'}"
    if asks_on_the_way(runbook):
        return "asks for approval on the way"
    return "changes things, without approval" if runbook.has_effect else "only reads"


def asks_on_the_way(runbook: Runbook) -> bool:
    return any(step.approval is not None or step.kind is Kind.APPROVAL for step in runbook.steps)


# --- lists ------------------------------------------------------------------------------------------------------------


def listed(title: str, found: Sequence[tuple[Runbook, str]]) -> list[Block]:
    rows = [(one, f"*{literal(one.title)}* `{one.id}`\n{literal(one.service)} · {said}") for one, said in found]
    if len(rows) <= BUTTONED:
        parts = [b.section(text, run_button(one)) for one, text in rows]
    else:
        parts = _sections([f"`{one.id}` {literal(one.title)} · {said}" for one, said in found])[:LISTED]
    more = " · `/runbook list WORDS` finds some" if len(rows) > BUTTONED else ""
    return [b.section(title), *parts, b.context(f"`/runbook show ID` has the guide and the steps{more}")]


def run_button(runbook: Runbook, value: str = "", *, style: str = "") -> Block:
    return b.button("Run", "runbook.run", value or runbook.id, style=style)


def suggested(incident: str, found: Sequence[tuple[Runbook, Record]], *, here: bool) -> list[Block]:
    parts = [
        b.section(
            f"*{literal(one.title)}* `{one.id}`\n{record_words(record)}{_target(one)}",
            run_button(one) if here else None,
        )
        for one, record in found[:BUTTONED]
    ]
    where = "A run that is started here belongs to" if here else "To run one, ask again where people work on"
    return [b.section(f"Runbooks that may help with {incident}:"), *parts, b.context(f"{where} {incident}.")]


def _target(runbook: Runbook) -> str:
    return f" · meant to take {duration.words(runbook.mttr_target)}" if runbook.mttr_target else ""


def runs_listed(title: str, rows: Iterable[tuple[Run, str | None]], none: str) -> list[Block]:
    return [b.section(title), *(_sections([_run_line(*row) for row in rows]) or [b.section(none)])]


def _run_line(run: Run, address: str | None) -> str:
    asked = f"asked for by {asker(run)}, {moment(run.created_at)}"
    return f"*{link(address, run.name)}* {literal(run.runbook)} · {state_words(run)} · {asked}"


# --- one runbook ------------------------------------------------------------------------------------------------------


def whole(runbook: Runbook, catalogue: Catalogue, rule: ApprovalRule | None, record: Record) -> list[Block]:
    return [
        b.header(runbook.title),
        b.context(f"`{runbook.id}` · {literal(runbook.service)}{_target(runbook)} · {record_words(record)}"),
        *_guide(runbook),
        *_sections([f"*Suggested for* {_trigger(one)}" for one in runbook.triggers], 3),
        *_titled("Parameters", [_parameter_line(one) for one in runbook.parameters], 12),
        *_titled("Steps", [_step_line(number, one) for number, one in enumerate(runbook.steps, start=1)], 16),
        b.section(f"*Who may*\n{may_run(runbook, catalogue.access)}\n{may_approve(rule, catalogue.access, runbook)}"),
        b.context(f"Version {runbook.version[:12]} · {literal(f'{runbook.service}/{runbook.id}.yml')}"),
        *b.actions(run_button(runbook, style="primary"), b.button("Plan", "runbook.plan", runbook.id)),
    ]


def _guide(runbook: Runbook) -> list[Block]:
    return [
        b.section(clip(f"*{name.capitalize()}*\n{from_markdown(runbook.guide[name])}", GUIDE_LIMIT))
        for name in GUIDE
        if runbook.guide.get(name)
    ]


def from_markdown(text: str) -> Safe:
    said: str = escape(text.strip())
    said = re.sub(r"\[([^\]\n]+)\]\((https?://[^)\s|]+)\)", r"<\2|\1>", said)
    said = re.sub(r"(?m)^#{1,6} +(.+?) *$", r"*\1*", said)
    said = re.sub(r"\*\*(?=\S)([^*\n]+)\*\*", r"*\1*", said)
    return Safe(re.sub(r"(?m)^( *)[-*+] +", r"\1• ", said))


def _trigger(trigger: Trigger) -> str:
    match = " and ".join(f"`{code(one)}`" for one in trigger.match)
    at = f" at {listing(trigger.severities, 'or')}" if trigger.severities else ""
    then = {"ask": ", asked for by itself", "run": ", started by itself"}.get(trigger.do, "")
    return f"alerts with {match}{at}{then}"


def _parameter_line(parameter: Parameter) -> str:
    about = f": {literal(parameter.help)}" if parameter.help else ""
    return f"`{parameter.name}`{about}\n    {_rule(parameter)}"


def _rule(parameter: Parameter) -> str:
    rule = literal(parameters.spoken(parameter))
    if parameter.type is ParameterType.SECRET:
        return f"{_capitalised(rule)}."
    if parameter.default is not None:
        return f"Must be {rule}; {literal(clip(_typed(parameter.default), 80))} unless you say otherwise."
    return f"Must be {rule}; required." if parameter.required else f"Must be {rule}; may be left out."


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


def _step_line(number: int, step: Step) -> str:
    title = _PARAMETER.sub(r"‹\1›", step.title or step.id)
    parts = [
        f"{number}. {literal(clip(title, 200))} `{step.kind}` {EFFECTS[step.effect]}",
        f"only if `{code(clip(step.when, 100))}`" if step.when else "",
        "asks for its own approval" if step.approval else "",
        "can be taken back" if step.undo else "",
    ]
    return " · ".join(filter(None, parts))


def may_run(runbook: Runbook, access: Access) -> str:
    named = runbook.policy.execute
    key = "execute" if runbook.has_effect else "respond"
    people: Sequence[str] = getattr(access, key) if named is None else named
    if people:
        return f"Run: {_people(people)}."
    empty = f"Nobody may run it yet: `access.{key}` in org.yml is empty."
    return empty if named is None else "Run: nobody, its policy says."


def may_approve(rule: ApprovalRule | None, access: Access, runbook: Runbook) -> str:
    if rule is None:
        return f"Approve: {'its steps ask on the way' if asks_on_the_way(runbook) else 'nobody needs to'}."
    people = rule.who or access.approve
    if not people:
        return "Nobody may approve it yet: `access.approve` in org.yml is empty."
    said = [f"Approve: {_quorum(rule, people)}. The person who asks for the run never counts."]
    if rule.by_severity:
        said.append(" ".join(f"At {key}: {_quorum(one, one.who or people)}." for key, one in rule.by_severity.items()))
    if rule.reason:
        said.append("A reason is asked for.")
    if rule.break_glass:
        said.append(f"Break the glass: {_people(rule.break_glass)}; reviewed afterwards.")
    return "\n".join(said)


def _quorum(rule: ApprovalRule, people: Sequence[str]) -> str:
    return f"{rule.quorum} of {_people(people)}, within {duration.words(rule.expires)}"


def _people(people: Sequence[str]) -> str:
    return listing([spoken(one) for one in people], "or")


# --- the plan ---------------------------------------------------------------------------------------------------------


def plan(runbook: Runbook, made: Plan, approval: str, value: str, seen: Mapping[str, str] | None = None) -> list[Block]:
    """Problems come first; the hash is whole, to be compared. `seen`: what marked reads see now."""
    return [
        b.section(f"*{literal(runbook.title)}* `{runbook.id}`"),
        *_titled("It cannot run as it is.", list(starmap(_trouble, made.problems.items())), 8),
        *_sections(plan_lines(made.steps), 32),
        *(b.section(f"Step {step} sees now:\n```{code(said)}```") for step, said in (seen or {}).items()),
        b.section(approval),
        b.context(f"Plan `{made.hash}`. Nothing was done."),
        *b.actions(None if made.problems else run_button(runbook, value, style="primary")),
    ]


def _trouble(place: str, sentence: str) -> str:
    return f"• {escape(where(place))}: {escape(sentence)}"


def where(place: str) -> str:
    return place if place.startswith("parameter ") else f"step {place}"


# --- the form ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Form:
    """What a run's form holds. `given`: texts or values by name; `choices`: parameter -> (value, label)."""

    runbook: Runbook | None = None
    given: Mapping[str, Any] = field(default_factory=dict)
    choices: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)
    reason: str = ""
    must_say_why: bool = False
    notes: Sequence[str] = ()
    pick_from: Sequence[Runbook] = ()  # where the runbook is chosen in the form itself
    changes: str = ""  # the run whose parameters are changed
    alert: str = ""  # the alert on whose card it was asked for


def form(shown: Form) -> dict[str, Any]:
    parts = [_pick(shown)] if shown.pick_from else []
    if shown.runbook is not None:
        parts += [*_about_runbook(shown.runbook, shown.notes), *_inputs(shown, shown.runbook)]
    metadata = {"runbook": shown.runbook.id if shown.runbook else "", "run": shown.changes}
    if shown.alert:
        metadata["alert"] = shown.alert
    title, submit = (f"Change {shown.changes}", "Change") if shown.changes else ("Run a runbook", "Run")
    return b.modal("runbook.run", title, parts, submit=submit, metadata=json.dumps(metadata))


def _about_runbook(runbook: Runbook, notes: Sequence[str]) -> list[Block]:
    overview = runbook.guide.get("overview", "")
    about = f"\n{from_markdown(clip(overview, 400))}" if overview else ""
    return [b.section(f"*{literal(runbook.title)}* `{runbook.id}`{about}"), *([b.context(*notes)] if notes else [])]


def _inputs(shown: Form, runbook: Runbook) -> list[Block]:
    """A runbook that was chosen in the form has fields of its own, so that nothing of another's stays in them."""
    suffix = f":{runbook.id}" if shown.pick_from else ""
    inputs = [_input(one, shown, suffix) for one in runbook.parameters if one.type is not ParameterType.SECRET]
    secrets = [_secret(one) for one in runbook.parameters if one.type is ParameterType.SECRET]
    hint = "The people who approve read it." if shown.must_say_why else "It is in the run's message."
    text = b.text_input(shown.reason, multiline=True, limit=500)
    why = [] if shown.changes else [b.field("reason", "Reason", text, optional=not shown.must_say_why, hint=hint)]
    return [*inputs, *([b.context(*secrets[:10])] if secrets else []), *why]


def _secret(parameter: Parameter) -> str:
    return f"`{parameter.name}` is a secret from `{code(parameter.source)}`: it is read where I run, never asked for."


def _input(parameter: Parameter, shown: Form, suffix: str) -> Block:
    element = _element(parameter, _initial(parameter, shown.given), shown.choices.get(parameter.name, ()))
    hint = " ".join(part for part in (parameter.help and f"{parameter.help.rstrip('.')}.", _hint(parameter)) if part)
    return b.field(f"{parameter.name}{suffix}", parameter.name, element, optional=may_be_empty(parameter), hint=hint)


def _hint(parameter: Parameter) -> str:
    if parameter.type is ParameterType.BOOLEAN or (parameter.enum and _fits([(one, one) for one in parameter.enum])):
        return ""
    if parameter.type is ParameterType.STRING and parameter.pattern is None and not parameter.enum:
        return ""
    return f"{_capitalised(parameters.spoken(parameter))}."


def _element(parameter: Parameter, initial: str, choices: Sequence[tuple[str, str]]) -> Block:
    match parameter.type:
        case ParameterType.INTEGER | ParameterType.NUMBER:
            return _number(parameter, initial)
        case ParameterType.BOOLEAN:
            return b.select([b.option(text, value) for text, value in ANSWERS], initial)
        case ParameterType.STRING if parameter.enum:
            choices = [(one, one) for one in parameter.enum]
    if choices and _fits(choices):
        return b.select([b.option(label, value) for value, label in choices], initial)
    return b.text_input(initial, limit=parameter.max_length)


def _fits(choices: Sequence[tuple[str, str]]) -> bool:
    return len(choices) <= MOST_OPTIONS and all(0 < len(value) <= OPTION_VALUE_LIMIT for value, _ in choices)


def _number(parameter: Parameter, initial: str) -> Block:
    element: Block = {
        "type": "number_input",
        "is_decimal_allowed": parameter.type is ParameterType.NUMBER,
        "initial_value": initial,
        "min_value": "" if parameter.min is None else _typed(parameter.min),
        "max_value": "" if parameter.max is None else _typed(parameter.max),
    }
    return {name: value for name, value in element.items() if value != ""}


def _initial(parameter: Parameter, given: Mapping[str, Any]) -> str:
    for value in (given.get(parameter.name), parameter.default):
        if value is None:
            continue
        try:
            return _typed(parameters.check(parameter, value))
        except Unclear:
            continue
    return ""


def _typed(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case float():
            return f"{value:.15f}".rstrip("0").rstrip(".")
    return str(value)


def may_be_empty(parameter: Parameter) -> bool:
    """Nothing is filled in behind somebody's back: a field with a default is empty only where that is a text too."""
    if parameter.default is None:
        return not parameter.required
    if parameter.required or parameter.type is not ParameterType.STRING or parameter.enum:
        return False
    try:
        parameters.check(parameter, "")
    except Unclear:
        return False
    return True


def given_in(runbook: Runbook, values: Mapping[str, Any]) -> dict[str, Any]:
    said = {one.name: values.get(one.name) for one in runbook.parameters}
    empty = {one.name for one in runbook.parameters if one.default is not None and may_be_empty(one)}
    return {name: value for name, value in said.items() if value not in (None, "") or (value == "" and name in empty)}


def _pick(shown: Form) -> Block:
    services = list(dict.fromkeys(one.service for one in shown.pick_from))[:MOST_OPTIONS]
    groups = [{"label": b.plain(key, 75), "options": _options(shown.pick_from, key)} for key in services]
    element: Block = {"type": "static_select", "option_groups": groups}
    if shown.runbook is not None:
        element["initial_option"] = _option(shown.runbook)
    return b.field(PICK, "Runbook", element, dispatch=True)


def _options(runbooks: Sequence[Runbook], service: str) -> list[Block]:
    return [_option(one) for one in runbooks if one.service == service][:MOST_OPTIONS]


def _option(runbook: Runbook) -> Block:
    return b.option(f"{clip(runbook.title, 40)} ({runbook.id})", runbook.id)


# --- pieces -----------------------------------------------------------------------------------------------------------


def _titled(title: str, lines: Sequence[str], most: int) -> list[Block]:
    return _sections([f"*{title}*", *lines], most) if lines else []


def _sections(lines: Sequence[str], most: int = MOST_SECTIONS) -> list[Block]:
    texts: list[str] = []
    for line in (clip(one, b.SECTION_LIMIT) for one in lines):
        if texts and len(texts[-1]) + len(line) < b.SECTION_LIMIT:
            texts[-1] += f"\n{line}"
        else:
            texts.append(line)
    cut = [b.context("There is more than a message holds.")] if len(texts) > most else []
    return [*(b.section(text) for text in texts[:most]), *cut]
