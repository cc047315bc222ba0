"""Alerts told apart and joined to their groups, in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from bot.deps import Deps
from bot.domain.alerts import group as rules
from bot.domain.alerts import heartbeat, routing
from bot.domain.alerts.alert import Alert, Status
from bot.domain.alerts.group import AlertGroup, LastKnown, Verdict
from bot.domain.alerts.maintenance import Window
from bot.domain.alerts.routing import Routed
from bot.domain.alerts.silence import Silence, longest
from bot.domain.outgoing.timer import Timer
from bot.domain.people.person import BOT
from bot.ports import Tx
from bot.services.alerts import heartbeats, lifecycle, silence_matching
from bot.services.alerts.heartbeats import Missed
from bot.services.workspace import channels
from bot.store.alerts import groups as store
from bot.store.alerts import maintenance as maintenance_store
from bot.store.alerts import silences as silences_store
from bot.store.db.locks import serialise

MOST_NOTICED = 20


@dataclass(frozen=True)
class Message:
    """What the alerts of one message have in common. `wall` is when it came."""

    key: str
    wall: float
    left_out: int
    noticed: tuple[str, ...]


async def missing(deps: Deps, tx: Tx, timer: Timer) -> None:
    """One that must keep arriving may have been silent for too long: that is an alert like any other."""
    await serialise(tx, lifecycle.ONE_AT_A_TIME)
    missed = await heartbeats.missed(deps, tx, timer)
    if missed:
        message = Message(timer.dedupe_key, deps.clock.wall(), 0, ())
        await Grouping(deps, tx, message, missed).take([missed.absence.alert])


@dataclass(eq=False)
class _Entry:
    """One alert while the message is worked: what we knew of it, and what becomes of it."""

    id: int | None
    group: int | None
    in_open_group: bool
    known: LastKnown
    alert: Alert
    names: set[str] = field(default_factory=set)
    more: int = 0  # messages that spoke of it
    is_changed: bool = False
    begins: bool = False  # and so needs a group
    ends: bool = False
    is_relabelled: bool = False  # it fires on under other labels: its severity and its silence are looked at again

    @property
    def is_routed(self) -> bool:
        return self.begins or self.is_relabelled

    @property
    def status(self) -> Status:
        return self.known.status


class Grouping:
    """Works alerts within one transaction, which nobody else does at the same time."""

    def __init__(self, deps: Deps, tx: Tx, message: Message, missed: Missed | None = None) -> None:
        self._deps, self._tx, self._message, self._missed = deps, tx, message, missed
        self._now = deps.clock.now()
        self._entries: dict[str, _Entry] = {}
        self._groups: dict[int, AlertGroup] = {}
        self._opened: set[int] = set()
        self._worse: set[int] = set()
        self._woken: set[int] = set()
        self._joined: dict[int, int] = {}
        self._silences: dict[int, Silence] = {}
        self._windows: dict[str, Window] = {}

    async def take(self, part: Sequence[Alert]) -> None:
        heard = {} if self._missed else heartbeat.arrived(self._deps.catalogue, part)
        await self._recall(part, heard)
        for alert in part:
            self._weigh(alert, self._message.wall)
        self._hear(heard)
        await heartbeats.heard(self._deps, self._tx, heard, self._message.wall)
        entries = list({id(entry): entry for entry in self._entries.values()}.values())
        await self._find_groups([entry for entry in entries if entry.is_routed])
        await self._keep(entries)
        await self._follow({entry.group for entry in entries if entry.group and (entry.is_routed or entry.ends)})

    # --- telling them apart ---

    async def _recall(self, part: Sequence[Alert], heard: Collection[str]) -> None:
        names = {name for alert in part for name in _names(alert)} | {heartbeat.fingerprint(key) for key in heard}
        by_id: dict[int, _Entry] = {}
        for name, kept in (await store.kept(self._tx, names)).items():
            before = Alert("", kept.known.status, "", labels=kept.labels)
            entry = by_id.setdefault(
                kept.id, _Entry(kept.id, kept.group, kept.in_open_group, kept.known, before, {name})
            )
            entry.names.add(name)
            self._entries[name] = entry

    def _hear(self, heard: heartbeats.Heard) -> None:
        """Whose silence was told is silent no longer."""
        for key, (alert, routed) in heard.items():
            entry = self._entries.get(heartbeat.fingerprint(key))
            if entry and entry.status is Status.FIRING:
                again = heartbeat.absence(alert.name, alert.labels, routed, Status.RESOLVED)
                self._weigh(again.alert, self._deps.clock.wall())

    def _weigh(self, alert: Alert, wall: float) -> None:
        names = _names(alert)
        entry = next((self._entries[name] for name in names if name in self._entries), None)
        verdict = rules.judge(entry.known if entry else None, alert, wall)
        known = rules.learned(entry.known if entry else None, alert, verdict, wall)
        if entry is None or self._is_another(entry, verdict):
            entry = _Entry(None, None, False, known, alert, is_changed=True)
        fires_on = verdict is Verdict.REPEAT and entry.status is Status.FIRING and entry.in_open_group
        entry.is_relabelled = entry.is_relabelled or (fires_on and dict(alert.labels) != dict(entry.alert.labels))
        entry.known, entry.more = known, entry.more + 1
        if verdict is not Verdict.STALE:
            entry.alert, entry.is_changed = alert, True
        entry.begins = entry.begins or verdict is Verdict.NEW or _is_homeless(entry, verdict)
        entry.ends = entry.ends or verdict is Verdict.RESOLVED
        for name in names:
            self._entries[name] = entry

    def _is_another(self, entry: _Entry, verdict: Verdict) -> bool:
        """It fires again when the group that it was in is over: what was, stays as it was."""
        return verdict is Verdict.NEW and entry.group is not None and not entry.in_open_group

    # --- groups ---

    async def _find_groups(self, beginning: list[_Entry]) -> None:
        """The open group of its key, or a new one: the worst first."""
        staying = [entry for entry in beginning if entry.in_open_group]
        self._groups |= await store.locked(self._tx, {entry.group for entry in staying if entry.group})
        ways = [(entry, self._routed(entry.alert)) for entry in beginning]
        # One that must keep arriving says by firing that all is well: when it came last is kept, and nobody is told.
        for entry in (entry for entry, routed in ways if routed.heartbeat):
            entry.begins = entry.is_relabelled = False
        ways = sorted((way for way in ways if way[0].is_routed), key=lambda way: way[1].severity.rank)
        new = [(entry, routed) for entry, routed in ways if not entry.in_open_group]
        by_key = await store.open_of(self._tx, {routed.group_key for _, routed in new}) if new else {}
        self._groups |= {group.id: group for group in by_key.values()}
        await self._look_for_suppression(ways)
        for entry, routed in new:
            group = by_key.get(routed.group_key) or await self._open(entry, routed)
            by_key[routed.group_key] = group
            entry.group, entry.in_open_group = group.id, True
        for entry, routed in ways:
            await self._raise(entry, routed)

    async def _look_for_suppression(self, ways: Collection[object]) -> None:
        """What is in force at this moment: nobody changes it before this transaction ends."""
        if ways:
            self._silences = {one.id: one for one in await silences_store.in_force(self._tx, self._now)}
            self._windows = await maintenance_store.on(self._tx, self._now)

    def _routed(self, alert: Alert) -> Routed:
        """No route is asked about the absence of another alert."""
        if self._missed and alert.fingerprint == self._missed.absence.alert.fingerprint:
            return self._missed.absence.routed
        return routing.route(self._deps.catalogue, alert.labels)

    async def _open(self, entry: _Entry, routed: Routed) -> AlertGroup:
        group = await store.add(self._tx, await self._birth(entry.alert, routed))
        self._groups[group.id] = group
        self._opened.add(group.id)
        return group

    async def _birth(self, alert: Alert, routed: Routed) -> dict[str, Any]:
        window = self._windows.get(routed.service.key)
        return {
            "key": routed.group_key,
            "name": alert.name,
            "labels": [list(pair) for pair in routed.group],
            "service": routed.service.key,
            "severity": routed.severity.key,
            "rank": routed.severity.rank,
            "channel_name": channels.key_of(routed.channel or self._deps.config.alerts_channel),
            "escalation_policy": routed.escalation_policy.key if routed.escalation_policy else None,
            "runbook": routed.runbook,
            "why": list(routed.why),
            "noticed": list(self._message.noticed[:MOST_NOTICED]),
            "status": Status.FIRING.value,
            "since": self._since(alert),
            "opened_at": self._now,
            "opened_wall": self._deps.clock.wall(),
            "maintenance": window.id if window else None,
            "heartbeat": self._missed.absence.key if self._missed else None,
            "firing": 0,
            "total": 0,
            **await self._silence(alert, routed),
        }

    async def _silence(self, alert: Alert, routed: Routed) -> dict[str, Any]:
        """Its key's own, from its card, or one with matchers that means it: whichever lasts longer."""
        before = await store.latest(self._tx, routed.group_key)
        found = longest(one for one in self._silences.values() if silence_matching.means(one, alert.labels, routed))
        own = before.silenced_until if before and before.is_silenced(self._now) and not before.silence else None
        if before and own and (found is None or own >= found.ends_at):
            return {"silenced_until": own, "silenced_by": before.silenced_by}
        return {"silenced_until": found.ends_at, "silenced_by": found.made_by, "silence": found.id} if found else {}

    def _since(self, alert: Alert) -> datetime:
        """When it began, in our time: never in the future."""
        if self._missed:
            return self._missed.since
        if alert.starts_at is None:
            return self._now
        return min(self._deps.clock.from_wall(alert.starts_at.timestamp()), self._now)

    async def _raise(self, entry: _Entry, routed: Routed) -> None:
        """A worse alert makes its group worse, and an older one makes it older."""
        group = self._groups[entry.group or 0]
        self._joined[group.id] = self._joined.get(group.id, 0) + entry.begins
        changes: dict[str, Any] = {}
        if self._since(entry.alert) < group.since:
            changes["since"] = self._since(entry.alert)
        if routed.severity.rank < group.rank and group.service == routed.service.key:
            changes |= {"severity": routed.severity.key, "rank": routed.severity.rank, "why": list(routed.why)}
            changes |= {"escalation_policy": routed.escalation_policy.key if routed.escalation_policy else None}
            self._worse.add(group.id)
        if self._wakes(entry, routed, group):
            changes |= lifecycle.NOT_SILENCED if group.id in self._opened else {}
            self._woken.add(group.id)
        if changes:
            self._groups[group.id] = await store.change(self._tx, group.id, **changes)

    def _wakes(self, entry: _Entry, routed: Routed, group: AlertGroup) -> bool:
        """Whether it is silenced by matchers that do not mean this alert."""
        if not group.silence or not group.is_silenced(self._now):
            return False
        silence = self._silences.get(group.silence)
        return silence is None or not silence_matching.means(silence, entry.alert.labels, routed)

    # --- keeping ---

    async def _keep(self, entries: list[_Entry]) -> None:
        new = [entry for entry in entries if entry.id is None]
        old = {entry.id: entry for entry in entries if entry.id is not None}
        added = await store.add_all(self._tx, [self._first_row(entry) for entry in new])
        for entry, number in zip(new, added, strict=True):
            entry.id = number
        changed = {number: self._row(entry) for number, entry in old.items() if entry.is_changed}
        await store.change_all(self._tx, changed)
        again = {number: entry.more for number, entry in old.items() if entry.more and not entry.is_changed}
        await store.heard_again(self._tx, again, self._now)
        marks = {name: entry.id or 0 for name, entry in self._entries.items() if name not in entry.names}
        await store.mark(self._tx, marks)

    def _first_row(self, entry: _Entry) -> dict[str, Any]:
        row, alert = self._row(entry), entry.alert
        own = {"fingerprint": alert.fingerprint, "source": alert.source[:64], "first_at": self._now}
        return row | own | {"times": row.pop("more")}

    def _row(self, entry: _Entry) -> dict[str, Any]:
        alert = entry.alert
        is_over = entry.status is Status.RESOLVED
        return {
            "alert_group": entry.group,
            "status": entry.status.value,
            "name": alert.name,
            "labels": dict(alert.labels),
            "annotations": dict(alert.annotations),
            "links": asdict(alert.links),
            "extra": dict(alert.extra),
            "starts_at": entry.known.starts_at,
            "ends_at": alert.ends_at if is_over else None,
            "said_at": entry.known.said_at,
            "last_at": self._now,
            "resolved_at": self._now if is_over else None,
            "settled_wall": entry.known.settled_wall,
            "more": entry.more,
        }

    # --- what follows ---

    async def _follow(self, touched: Collection[int]) -> None:
        """The worst first, so that its card is the first."""
        self._groups |= await store.locked(self._tx, set(touched) - self._groups.keys())
        counts = await store.counts(self._tx, touched) if touched else {}
        counted, left_out = [], self._message.left_out
        for group in sorted((self._groups[one] for one in touched), key=lambda group: (group.rank, group.id)):
            count = counts[group.id]
            counted.append(replace(group, firing=count.firing, total=count.total, left_out=left_out or group.left_out))
            left_out = 0
        await store.keep_counts(self._tx, counted)
        for group in counted:
            if group.is_open:
                await self._follow_up(group)

    async def _follow_up(self, group: AlertGroup) -> None:
        is_new = group.id in self._opened
        if is_new:
            group = await lifecycle.opened(self._deps, self._tx, group)
        if not group.firing:
            over = {"status": Status.RESOLVED.value, "resolved_at": self._now, "resolved_by": BOT}
            await lifecycle.resolved(self._deps, self._tx, await store.change(self._tx, group.id, **over), BOT)
        elif not is_new:
            if group.id in self._woken:
                group = await lifecycle.silence_lifted(self._deps, self._tx, group, BOT)
            joined, is_worse = self._joined.get(group.id, 0), group.id in self._worse
            await lifecycle.changed(self._deps, self._tx, group, joined=joined, is_worse=is_worse)


def _is_homeless(entry: _Entry, verdict: Verdict) -> bool:
    """It fires and belongs nowhere, as one that must keep arriving; the catalogue may think otherwise by now."""
    return verdict is Verdict.REPEAT and entry.status is Status.FIRING and entry.group is None


def _names(alert: Alert) -> tuple[str, ...]:
    return (alert.fingerprint, *alert.also)
