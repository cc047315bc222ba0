"""Hours of the week in somebody's time zone: when they are open, when they open next. Daylight saving included."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import count
from zoneinfo import ZoneInfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY = timedelta(days=1)

Window = tuple[datetime, datetime]


def zone(name: str) -> tzinfo:
    return UTC if name == "UTC" else ZoneInfo(name)


def moment(local: datetime, where: tzinfo) -> datetime:
    """UTC, by the rule of RFC 5545.

    A wall time that comes twice in a night is the first of the two; one that a clock change leaves out is as much later
    as the change is long: 02:30 is 03:30.
    """
    return local.replace(tzinfo=where, fold=0).astimezone(UTC)


@dataclass(frozen=True)
class Hours:
    """Wall times after midnight of certain days (0 is Monday). `closes` may be on the next day: more than 24 hours."""

    name: str
    zone: str
    opens: timedelta
    closes: timedelta
    days: frozenset[int] = frozenset(range(7))

    def is_open(self, at: datetime) -> bool:
        return self.next_open(at) == at

    def next_open(self, at: datetime) -> datetime:
        """`at` itself where they are open then."""
        opens, _ = next(self._ending_after(at))
        return max(opens, at)

    def next_edge(self, at: datetime) -> datetime:
        opens, closes = next(self._ending_after(at))
        return opens if opens > at else closes

    def _ending_after(self, at: datetime) -> Iterator[Window]:
        where = zone(self.zone)
        # A window lasts a day at most, and no zone has left out more than one day.
        first = at.astimezone(where).date() - 3 * DAY
        windows = (self._window(first + number * DAY, where) for number in count())
        return (one for one in windows if one and one[1] > at)

    def _window(self, day: date, where: tzinfo) -> Window | None:
        """None: closed all day, or what would be open is what the clocks leave out."""
        if day.weekday() not in self.days:
            return None
        midnight = datetime.combine(day, time())
        opens, closes = moment(midnight + self.opens, where), moment(midnight + self.closes, where)
        return (opens, closes) if opens < closes else None
