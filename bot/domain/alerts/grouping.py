"""Alerts told apart and joined to their groups: from what is known and what came to what becomes of both. Rules only.

Two steps, since which groups are asked for follows from the first: `tell_apart` weighs each alert against what is kept
of it, and `classify` joins those that begin to the open group of their key, or to a new one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from bot.domain.alerts import group as rules, heartbeat, routing
from bot.domain.alerts.alert import Alert, Status
from bot.domain.alerts.group import AlertGroup, Kept, LastKnown, NewAlertGroup, Verdict
from bot.domain.alerts.heartbeat import Absence, Heard
from bot.domain.alerts.maintenance import Window
from bot.domain.alerts.routing import Routed
from bot.domain.alerts.silence import Silence, longest
from bot.domain.catalogue.catalogue import Catalogue
from bot.domain.catalogue.severity import OnAlert, Severity

MOST_NOTICED = 20


@dataclass(frozen=True)
class Moment:
    """In the time of promises, by the wall, and how a time of the wall is one of promises."""

    now: datetime
    wall: float
    from_wall: Callable[[float], datetime]


@dataclass(frozen=True)
class Message:
    """Alerts that came together at `wall`, and what they have in common.

    `absence` is that of an alert that must keep arriving, last heard `since`: an alert of our own, and the only one.
    """

    alerts: Sequence[Alert]
    wall: float
    left_out: int = 0
    noticed: tuple[str, ...] = ()
    absence: Absence | None = None
    since: datetime | None = None

    @property
    def names(self) -> set[str]:
        return {name for alert in self.alerts for name in names(alert)}


def names(alert: Alert) -> tuple[str, ...]:
    return (alert.fingerprint, *alert.also)


# --- telling them apart -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Entry:
    """One alert: what is kept of it, and what the message makes of it.

    Without `kept` it is new, or fires again when the group that it was in is over: what was, stays as it was.
    """

    last: LastKnown
    alert: Alert  # as it was said last by what counts
    kept: Kept | None = None
    is_changed: bool = False
    times: int = 0  # messages that spoke of it
    begins: bool = False  # and so needs a group
    ends: bool = False
    is_relabelled: bool = False  # it fires on under other labels: its severity and its silence are looked at again
    marks: tuple[str, ...] = ()  # names that mean it from now on
    routed: Routed | None = None
    key: str | None = None  # of the group that it is in from now on, where the message says so

    @property
    def group(self) -> int | None:
        return self.kept.group if self.kept and self.kept.in_open_group else None

    @property
    def is_routed(self) -> bool:
        return self.begins or self.is_relabelled


def tell_apart(
    kept: Mapping[str, Kept], message: Message, catalogue: Catalogue, *, heard: Heard | None = None, wall: float = 0.0
) -> list[Entry]:
    """Each once. `kept` holds them by all of their names.

    `heard`: whose silence was told is silent no longer, since `wall`.
    """
    known = {one.id: one for one in kept.values()}
    entries = [Entry(one.known, Alert("", one.known.status, "", labels=one.labels), one) for one in known.values()]
    places = {number: at for at, number in enumerate(known)}
    at_name = {name: places[one.id] for name, one in kept.items()}
    for alert, came in [*((alert, message.wall) for alert in message.alerts), *_absences_over(kept, heard or {}, wall)]:
        own = names(alert)
        at = next((at_name[name] for name in own if name in at_name), None)
        entry = _weigh(entries[at] if at is not None else None, alert, came)
        if at is None or entry.kept is not entries[at].kept:
            at = len(entries)
            entries.append(entry)
        entries[at] = entry
        at_name |= dict.fromkeys(own, at)
    for name, at in at_name.items():
        if entries[at].kept is None or kept.get(name) is None or places[kept[name].id] != at:
            entries[at] = replace(entries[at], marks=(*entries[at].marks, name))
    return [_route(entry, message, catalogue) for entry in entries if entry.times]


def _absences_over(kept: Mapping[str, Kept], heard: Heard, wall: float) -> Iterable[tuple[Alert, float]]:
    for key, (alert, routed) in heard.items():
        absence = kept.get(heartbeat.fingerprint(key))
        if absence and absence.known.status is Status.FIRING:
            yield heartbeat.absence(alert.name, alert.labels, routed, Status.RESOLVED).alert, wall


def _weigh(entry: Entry | None, alert: Alert, wall: float) -> Entry:
    before = entry.last if entry else None
    verdict = rules.judge(before, alert, wall)
    last = rules.learned(before, alert, verdict, wall)
    if entry is None or _is_another(entry, verdict):
        entry = Entry(last, alert)
    is_other = dict(alert.labels) != dict(entry.alert.labels)
    goes_on = verdict is Verdict.REPEAT and alert.status is Status.FIRING
    return replace(
        entry,
        last=last,
        alert=entry.alert if verdict is Verdict.STALE else alert,
        is_changed=entry.is_changed or verdict is not Verdict.STALE,
        times=entry.times + 1,
        begins=entry.begins or verdict is Verdict.NEW or (goes_on and _is_homeless(entry)),
        ends=entry.ends or verdict is Verdict.RESOLVED,
        is_relabelled=entry.is_relabelled or (goes_on and entry.group is not None and is_other),
    )


def _is_another(entry: Entry, verdict: Verdict) -> bool:
    return verdict is Verdict.NEW and entry.kept is not None and entry.kept.group is not None and entry.group is None


def _is_homeless(entry: Entry) -> bool:
    return entry.kept is None or entry.kept.group is None


def _route(entry: Entry, message: Message, catalogue: Catalogue) -> Entry:
    """One that must keep arriving says by firing that all is well: that it came is kept, and nobody is told.

    No route is asked about the absence of another alert.
    """
    if not entry.is_routed:
        return entry
    absence = message.absence
    own = absence.routed if absence and entry.alert.fingerprint == absence.alert.fingerprint else None
    routed = own or routing.route(catalogue, entry.alert.labels)
    return replace(entry, begins=False, is_relabelled=False) if routed.heartbeat else replace(entry, routed=routed)


# --- groups -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class OwnSilence:
    """Of a key, from the card of its newest group."""

    until: datetime
    by: str | None


@dataclass(frozen=True)
class Known:
    """What is there at this moment of what the entries may concern, and what keeps alerts quiet.

    `groups` are those that entries are in, and the open ones of the keys that entries are routed to.
    """

    groups: Collection[AlertGroup] = ()
    own_silences: Mapping[str, OwnSilence] = field(default_factory=dict)
    silences: Collection[Silence] = ()
    windows: Mapping[str, Window] = field(default_factory=dict)


@dataclass(frozen=True)
class GroupChange:
    """A group as it is from now on, and what happened to it. `before` None: it opens."""

    group: NewAlertGroup
    before: AlertGroup | None = None
    severity: Severity | None = None  # of the alert that opened it or made it worse
    joined: int = 0  # alerts that began
    is_awake: bool = False  # its silence does not mean all of its alerts

    @property
    def is_resolved(self) -> bool:
        return not self.group.is_open

    @property
    def is_shown(self) -> bool:
        return self.group.has_card and not (self.before and self.before.has_card)

    def begins(self, now: datetime) -> bool:
        is_told = self.before is None or self.group.is_open
        return self.severity is not None and is_told and not self.group.is_silenced(now)


@dataclass(frozen=True)
class Changes:
    """The worst first."""

    entries: Sequence[Entry]
    groups: Sequence[GroupChange]


def classify(
    entries: Sequence[Entry], known: Known, message: Message, moment: Moment, alerts_channel: str = ""
) -> Changes:
    """`alerts_channel`: of alerts for which neither their route nor their service names another one."""
    keys = {group.id: group.key for group in known.groups}
    groups = {group.key: GroupChange(group, group) for group in known.groups}
    born = partial(_born, known=known, message=message, moment=moment, alerts_channel=alerts_channel)
    homes = {at: keys[entry.group] for at, entry in enumerate(entries) if entry.group in keys and _is_news(entry)}
    routed = [(at, entry.alert, entry.routed) for at, entry in enumerate(entries) if entry.routed]
    for at, alert, where in sorted(routed, key=lambda one: one[2].severity.rank):
        key = homes.setdefault(at, where.group_key)
        group = groups.get(key) or born(alert, where)
        groups[key] = _joined(group, entries[at], alert, where, since=_since(alert, message, moment))
        groups[key] = _woken(groups[key], alert, where, known, moment.now)
    for at, key in homes.items():
        groups[key] = _counted(groups[key], entries[at])
    placed = [replace(entry, key=homes.get(at)) for at, entry in enumerate(entries)]
    return Changes(placed, _worst_first([groups[key] for key in dict.fromkeys(homes.values())], message, moment.now))


def _is_news(entry: Entry) -> bool:
    return entry.is_routed or entry.ends


def _born(
    alert: Alert, routed: Routed, *, known: Known, message: Message, moment: Moment, alerts_channel: str
) -> GroupChange:
    key, service = routed.group_key, routed.service.key
    window = known.windows.get(service)
    found = longest(one for one in known.silences if one.means(alert.labels, routed))
    group = NewAlertGroup(
        key=key,
        name=alert.name,
        labels=routed.group,
        service=service,
        severity=routed.severity.key,
        rank=routed.severity.rank,
        channel_name=routed.channel or alerts_channel,
        escalation_policy=_policy(routed),
        runbook=routed.runbook,
        why=routed.why,
        noticed=message.noticed[:MOST_NOTICED],
        since=_since(alert, message, moment),
        opened_at=moment.now,
        opened_wall=moment.wall,
        maintenance=window.id if window else None,
        heartbeat=message.absence.key if message.absence else None,
    )
    return GroupChange(_silenced(group, found, known.own_silences.get(key)), severity=routed.severity)


def _silenced(group: NewAlertGroup, found: Silence | None, own: OwnSilence | None) -> NewAlertGroup:
    if own and (found is None or own.until >= found.ends_at):
        return replace(group, silenced_until=own.until, silenced_by=own.by)
    return replace(group, silenced_until=found.ends_at, silenced_by=found.made_by, silence=found.id) if found else group


def _policy(routed: Routed) -> str | None:
    return routed.escalation_policy.key if routed.escalation_policy else None


def _since(alert: Alert, message: Message, moment: Moment) -> datetime:
    if message.since:
        return message.since
    return min(moment.from_wall(alert.starts_at.timestamp()), moment.now) if alert.starts_at else moment.now


def _joined(change: GroupChange, entry: Entry, alert: Alert, routed: Routed, *, since: datetime) -> GroupChange:
    group = replace(change.group, since=min(since, change.group.since))
    change = replace(change, group=group, joined=change.joined + entry.begins)
    if routed.severity.rank >= group.rank or group.service != routed.service.key:
        return change
    level, policy = routed.severity, _policy(routed)
    group = replace(group, severity=level.key, rank=level.rank, why=routed.why, escalation_policy=policy)
    return replace(change, group=group, severity=level)


def _woken(change: GroupChange, alert: Alert, routed: Routed, known: Known, now: datetime) -> GroupChange:
    group = change.group
    if not group.silence or not group.is_silenced(now):
        return change
    if any(one.id == group.silence and one.means(alert.labels, routed) for one in known.silences):
        return change
    if change.before:
        return replace(change, is_awake=True)
    return replace(change, group=replace(group, silenced_until=None, silenced_by=None, silence=None))


def _counted(change: GroupChange, entry: Entry) -> GroupChange:
    group, fires = change.group, entry.last.status is Status.FIRING
    fired = entry.group is not None and entry.kept is not None and entry.kept.known.status is Status.FIRING
    return replace(
        change, group=replace(group, firing=group.firing + fires - fired, total=group.total + (entry.group is None))
    )


def _worst_first(changes: Sequence[GroupChange], message: Message, now: datetime) -> list[GroupChange]:
    """In the order of their cards. What the sender left out is said of the first."""
    in_order = sorted(changes, key=lambda one: (one.group.rank, one.before is None, one.before.id if one.before else 0))
    left_out = [message.left_out, *(0 for _ in in_order[1:])]
    return [_settled(one, more, now) for one, more in zip(in_order, left_out, strict=False)]


def _settled(change: GroupChange, left_out: int, now: datetime) -> GroupChange:
    group = replace(change.group, left_out=left_out or change.group.left_out)
    if not group.firing:
        group = replace(group, status=Status.RESOLVED, resolved_at=now)
    change = replace(change, group=group)
    if change.severity and change.severity.on_alert is not OnAlert.LOG and change.begins(now):
        change = replace(change, group=replace(group, has_card=True))
    return change
