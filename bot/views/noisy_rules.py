"""The weekly list of noisy rules. What came with an alert is shown as it was typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.domain.alerts.noisy_rules import Habit, Rule
from bot.interactions import Block
from bot.views.kit import blocks as b
from bot.views.kit.mrkdwn import clip, literal

SHOWN = 10
NAME_LIMIT = 80
NAMELESS = "alerts without a name"

REMEDIES: Mapping[Habit, str] = {
    Habit.FLAPS: "Raise its `for:`, so that it waits until the trouble lasts.",
    Habit.NEVER: "Delete it, or route it to a severity with `on_alert: log`.",
    Habit.SELDOM: "Silence it where its cause is known, or raise its threshold.",
}


def summary(count: int) -> str:
    return f"{'1 rule was' if count == 1 else f'{count} rules were'} noisy in the last 7 days."


def noisy(rules: Sequence[Rule]) -> list[Block]:
    head = b.section(f"*{summary(len(rules))}* What one could do about each:")
    blocks = [head, *b.sections([_line(rule) for rule in rules[:SHOWN]], 5)]
    if len(rules) > SHOWN:
        blocks.append(b.context(f"And {len(rules) - SHOWN} more: `alert_fatigue` of the REST API has them all."))
    return blocks


def _line(rule: Rule) -> str:
    name = literal(clip(" ".join(rule.name.split()) or NAMELESS, NAME_LIMIT))
    return f"• *{name}* ({literal(rule.service)}) {sentence(rule)}"


def sentence(rule: Rule) -> str:
    return " ".join([_responses(rule), REMEDIES[rule.habit] if rule.habit else ""]).strip()


def _responses(rule: Rule) -> str:
    fired = f"fired {_times(rule.told)}"
    if rule.is_flapping:
        return f"{fired} and was back within 15 min of its end {_times(rule.returned)}."
    return f"{fired}, acted on {_times(rule.acted_on)}." if rule.acted_on else f"{fired}, and nobody acted on it."


def _times(count: int) -> str:
    return {0: "never", 1: "once", 2: "twice"}.get(count, f"{count} times")
