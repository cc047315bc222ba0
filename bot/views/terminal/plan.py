"""A plan as plain text for a terminal: each step as it would be done, and the hash that an approval is bound to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bot.domain.catalogue.runbook import ApprovalRule, Runbook
from bot.domain.runs.plan import NO, Plan, PlannedStep
from bot.domain.text import duration
from bot.views.run import EFFECTS, argument_words
from bot.views.runbook import where


def lines(
    runbook: Runbook, plan: Plan, rule: ApprovalRule | None, who: Sequence[str], seen: Mapping[str, str] | None = None
) -> list[str]:
    """Problems come first. `rule` is the approval of the whole run, `who` those who may give it.

    `seen` is what the reads marked `in_plan` see now, by step.
    """
    found = [f"{one_line(runbook.title)} ({runbook.id}, {runbook.service})"]
    if plan.problems:
        troubles = [f"  {where(place)}: {one_line(sentence)}" for place, sentence in plan.problems.items()]
        found += ["", "It cannot run as it is.", *troubles]
    if plan.parameters:
        found += ["", *(f"{name}: {_value(value)}" for name, value in plan.parameters.items())]
    for step in plan.steps:
        found += ["", *_step(step)]
        found += [f"   sees now: {line}" for line in (seen or {}).get(step.id, "").splitlines()]
    return [*found, "", f"Approval: {_approval(rule, who)}", f"Plan: {plan.hash}", "Nothing was done."]


def _value(value: Any) -> str:
    return "not given" if value is None else one_line(str(value))


def _step(step: PlannedStep) -> Iterator[str]:
    yield f"{step.number}. {one_line(step.title or step.id)} · {_what(step)}"
    if step.runs == NO:
        yield f"   not needed: {one_line(step.condition)} does not hold"
        return
    if step.condition:
        yield f"   only if {one_line(step.condition)}"
    yield from _arguments(step.arguments)
    if step.needs_own_approval:
        yield "   asks for its own approval when it comes"
    if step.undo is not None:
        yield f"   taken back by {_what(step.undo)}"
        yield from _arguments(step.undo.arguments, indent=6)


def _what(step: PlannedStep) -> str:
    target = f" · {one_line(step.target)}" if step.target else ""
    return f"{step.kind} · {EFFECTS[step.effect]}{target}"


def _arguments(arguments: Mapping[str, Any], indent: int = 3) -> Iterator[str]:
    for name, value in arguments.items():
        yield f"{' ' * indent}{name}: {one_line(argument_words(value))}"


def _approval(rule: ApprovalRule | None, who: Sequence[str]) -> str:
    if rule is None:
        return "none is needed"
    if not who:
        return "nobody may give it; add people to access.approve in org.yml"
    people = f"{rule.quorum} of {', '.join(who)}, within {duration.short(rule.expires)}"
    return f"{people}; the person who asks does not count{'; a reason is needed' if rule.reason else ''}"


def one_line(text: str) -> str:
    """Nothing in it moves a terminal's cursor."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())
