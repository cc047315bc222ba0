"""Alert fatigue: which rules fire without anybody acting on it, which flap, and when that is listed. Rules only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum

from bot.domain.catalogue.hours import moment, zone

WINDOW = timedelta(days=7)
SOON = timedelta(minutes=15)  # who fires again so soon after its end has returned
FLAPPING_WITHIN = timedelta(hours=24)
FLAPPING_FROM = 3  # returns within that
IGNORED_FROM = 5  # groups
ONE_IN = 5  # fewer than one in so many acted on is ignored
LISTED_AT = time(9)
MONDAY = 0


class Habit(StrEnum):
    FLAPS = "flaps"
    NEVER = "never_acted_on"
    SELDOM = "seldom_acted_on"


@dataclass(frozen=True)
class Rule:
    """What the alerts of one name in one service came to. Of `fired` groups people were told of `told`, by a card.

    `acted_on` are those that a person acknowledged, resolved, declared or started a run for. `returned` counts how
    often it fired again soon after its end, `most_in_a_day` the most of that within 24 hours.
    """

    service: str
    name: str
    fired: int
    told: int
    alerts: int
    acted_on: int
    returned: int = 0
    most_in_a_day: int = 0

    @property
    def is_flapping(self) -> bool:
        return self.most_in_a_day >= FLAPPING_FROM

    @property
    def is_ignored(self) -> bool:
        return self.told >= IGNORED_FROM and self.acted_on * ONE_IN < self.told

    @property
    def is_noisy(self) -> bool:
        """What is only logged, or was silenced all the time, bothers nobody."""
        return self.told > 0 and (self.is_flapping or self.is_ignored)

    @property
    def habit(self) -> Habit | None:
        if not self.is_noisy:
            return None
        if self.is_flapping:
            return Habit.FLAPS
        return Habit.SELDOM if self.acted_on else Habit.NEVER


def noisy(rules: Iterable[Rule]) -> list[Rule]:
    return sorted((rule for rule in rules if rule.is_noisy), key=_by_noise)


def _by_noise(rule: Rule) -> tuple[int, int, str, str]:
    return rule.acted_on - rule.told, -rule.returned, rule.service, rule.name


def next_list(after: datetime, timezone: str) -> datetime:
    """Monday, nine o'clock there, later than `after`."""
    where = zone(timezone)
    today = after.astimezone(where).date()
    days = (today + timedelta(days=ahead) for ahead in range(9))
    mondays = (moment(datetime.combine(day, LISTED_AT), where) for day in days if day.weekday() == MONDAY)
    return next(one for one in mondays if one > after)


def slot(at: datetime, timezone: str) -> str:
    return at.astimezone(zone(timezone)).date().isoformat()
