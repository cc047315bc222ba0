"""What a database would keep of alerts and their groups, held in memory: for the rules alone, in milliseconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from bot.domain.alerts import grouping, heartbeat, routing
from bot.domain.alerts.alert import Alert, Status
from bot.domain.alerts.group import AlertGroup, Kept
from bot.domain.alerts.grouping import Changes, Known, Message, Moment, OwnSilence
from bot.domain.alerts.maintenance import Window
from bot.domain.alerts.silence import Silence
from bot.domain.catalogue import matchers
from bot.domain.catalogue.catalogue import Catalogue
from bot.domain.catalogue.service import Service
from bot.domain.catalogue.severity import OnAlert, Severity
from tests.support.clock import START

LEVELS = (
    Severity("P0", "Critical", 0, ("critical",), on_alert=OnAlert.DECLARE, escalation_policy="worst"),
    Severity("P1", "High", 1, ("high",)),
    Severity("P2", "Medium", 2, ("warning",)),
    Severity("P3", "Low", 3, ("info",), on_alert=OnAlert.LOG),
)
DEFAULT = Service("default", "Default service", LEVELS, "P2")
SHOP = Service("shop", "Shop", LEVELS, "P2", alerts_channel="shop-alerts")
CATALOGUE = Catalogue({"default": DEFAULT, "shop": SHOP}, "default")


def firing(
    name: str = "Slow", *, severity: str = "high", at: datetime | None = None, key: str = "", **labels: str
) -> Alert:
    """Its fingerprint is `key`, or all of its labels."""
    found = {"alertname": name, "severity": severity, **labels}
    return Alert(key or repr(sorted(found.items())), Status.FIRING, "test", name, found, starts_at=at)


def over(alert: Alert) -> Alert:
    return replace(alert, status=Status.RESOLVED)


class Memory:
    """Messages are said one after the other; each is classified, and what it changes is kept for the next."""

    def __init__(self, catalogue: Catalogue = CATALOGUE) -> None:
        self.catalogue = catalogue
        self.now = START
        self.alerts: dict[int, Kept] = {}
        self.marks: dict[str, int] = {}
        self.groups: dict[int, AlertGroup] = {}
        self.silences: list[Silence] = []
        self.windows: dict[str, Window] = {}

    @property
    def moment(self) -> Moment:
        return Moment(self.now, self.now.timestamp(), lambda wall: datetime.fromtimestamp(wall, self.now.tzinfo))

    def passes(self, **time: float) -> None:
        self.now += timedelta(**time)

    def silences_(self, *texts: str, hours: float = 2) -> Silence:
        found = tuple(map(matchers.parse, texts))
        made = Silence(id=len(self.silences) + 1, matchers=found, **self._for(hours))
        self.silences.append(made)
        return made

    def maintains(self, service: str) -> Window:
        self.windows[service] = Window(id=1, service=service, **self._for(2))
        return self.windows[service]

    def _for(self, hours: float) -> dict[str, Any]:
        until = self.now + timedelta(hours=hours)
        return {"reason": "", "made_by": "U0BEN", "begins_at": self.now, "ends_at": until}

    def says(self, *alerts: Alert, late: float = 0, left_out: int = 0, noticed: Sequence[str] = ()) -> Changes:
        """One message. `late`: seconds by which it came before it is worked."""
        heard = heartbeat.arrived(self.catalogue, alerts)
        message = Message(alerts, self.now.timestamp() - late, left_out, tuple(noticed))
        return self._take(message, heard)

    def misses(self, alert: Alert, since: datetime) -> Changes:
        """One that must keep arriving is silent since then."""
        to = routing.route(self.catalogue, alert.labels)
        found = heartbeat.absence(alert.name, alert.labels, to, Status.FIRING)
        return self._take(Message([found.alert], self.now.timestamp(), absence=found, since=since), {})

    def _take(self, message: Message, heard: heartbeat.Heard) -> Changes:
        names = message.names | {heartbeat.fingerprint(key) for key in heard}
        kept = {name: self._kept(self.marks[name]) for name in names if name in self.marks}
        wall = self.now.timestamp()
        entries = grouping.tell_apart(kept, message, self.catalogue, heard=heard, wall=wall)
        known = Known(
            self.open, self._own_silences(), [one for one in self.silences if one.is_on(self.now)], self.windows
        )
        changes = grouping.classify(entries, known, message, self.moment, "ops-alerts")
        self._keep(changes)
        return changes

    def _kept(self, number: int) -> Kept:
        one = self.alerts[number]
        group = self.groups.get(one.group or 0)
        return replace(one, in_open_group=bool(group and group.is_open))

    def _own_silences(self) -> Mapping[str, OwnSilence]:
        newest = {group.key: group for group in self.groups.values()}
        return {
            key: OwnSilence(group.silenced_until, group.silenced_by)
            for key, group in newest.items()
            if group.silenced_until and group.is_silenced(self.now) and not group.silence
        }

    def _keep(self, changes: Changes) -> None:
        for change in changes.groups:
            number = change.before.id if change.before else len(self.groups) + 1
            same = vars(change.group) if change.before else {"id": number, **vars(change.group)}
            self.groups[number] = AlertGroup(**same)
        homes = {group.key: group.id for group in self.open} | {
            change.group.key: max(n for n, group in self.groups.items() if group.key == change.group.key)
            for change in changes.groups
        }
        for entry in changes.entries:
            number = entry.kept.id if entry.kept else len(self.alerts) + 1
            group = homes[entry.key] if entry.key else entry.kept and entry.kept.group
            self.alerts[number] = Kept(number, group, False, entry.last, entry.alert.labels)
            self.marks |= dict.fromkeys(entry.marks, number)

    # --- what is there afterwards ---

    @property
    def open(self) -> list[AlertGroup]:
        return [group for group in self.groups.values() if group.is_open]

    def group(self, number: int = 1) -> AlertGroup:
        return self.groups[number]

    def change(self, number: int = 1, **values: object) -> None:
        """Somebody does something to a group."""
        self.groups[number] = replace(self.groups[number], **values)  # type: ignore[arg-type]

    def resolve(self, number: int = 1) -> None:
        """Somebody says that it is over, and so are its alerts."""
        self.change(number, status=Status.RESOLVED, firing=0)
        for key, one in self.alerts.items():
            if one.group == number and one.known.status is Status.FIRING:
                over = replace(one.known, status=Status.RESOLVED, settled_wall=self.now.timestamp())
                self.alerts[key] = replace(one, known=over)

    def firing_in(self, number: int) -> list[Kept]:
        return [one for one in self.alerts.values() if one.group == number and one.known.status is Status.FIRING]
