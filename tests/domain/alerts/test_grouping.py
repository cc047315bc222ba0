"""What groups with what, and what a message makes of alerts and their groups: the rules alone, in milliseconds."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import permutations

import pytest
from hypothesis import given, settings, strategies as st

from bot.domain.alerts import heartbeat
from bot.domain.alerts.alert import Alert, Status
from bot.domain.alerts.group import LATE_SECONDS, AlertGroup
from bot.domain.alerts.grouping import MOST_NOTICED, Changes, GroupChange
from bot.domain.alerts.routing import route
from bot.domain.catalogue import matchers
from bot.domain.catalogue.catalogue import Catalogue, Heartbeat, Route
from bot.domain.catalogue.policy import EscalationPolicy, EscalationStep
from tests.support.clock import START
from tests.support.grouped import CATALOGUE, DEFAULT, SHOP, Memory, firing, over

SOON = timedelta(minutes=1)
KEY = "0123456789abcdef"


@pytest.fixture
def memory() -> Memory:
    return Memory()


def only(changes: Changes) -> GroupChange:
    (found,) = changes.groups
    return found


# --- whatever comes ---------------------------------------------------------------------------------------------------

NAMES, HOSTS, WORDS = ("A", "B"), ("a", "b", "c"), ("critical", "high", "warning", "info")
ALERTS = st.builds(
    firing,
    st.sampled_from(NAMES),
    severity=st.sampled_from(WORDS),
    host=st.sampled_from(HOSTS),
    at=st.sampled_from([None, START, START - SOON]),
).map(lambda one: replace(one, fingerprint=f"{one.name}{one.labels['host']}"))
SPOKEN = st.tuples(ALERTS, st.booleans()).map(lambda one: over(one[0]) if one[1] else one[0])
PAYLOADS = st.lists(SPOKEN, min_size=1, max_size=6, unique_by=lambda one: one.fingerprint)
calmly = settings(max_examples=60)  # a busy machine is no failure
ABOUT = st.sampled_from(['alertname="A"', 'host="a"', 'severity="warning"', 'host!="a"'])


@calmly
@given(st.lists(PAYLOADS, min_size=1, max_size=5))
def test_a_repeated_payload_is_no_news(payloads: list[list[Alert]]) -> None:
    """Said twice in a row, whatever came before, a message changes no group and opens none."""
    memory = Memory()
    for payload in payloads:
        memory.says(*payload)
        groups, alerts = dict(memory.groups), len(memory.alerts)
        assert memory.says(*payload).groups == []
        assert (memory.groups, len(memory.alerts)) == (groups, alerts)


@calmly
@given(st.lists(st.tuples(PAYLOADS, st.integers(0, 400)), min_size=1, max_size=6))
def test_as_counted_by_hand(said: list[tuple[list[Alert], int]]) -> None:
    """A group's figures are those of its alerts, and it is open while one of them fires; one of a key is open."""
    memory = Memory()
    for payload, seconds in said:
        memory.passes(seconds=seconds)
        memory.says(*payload)
        for number, group in memory.groups.items():
            assert group.firing == len(memory.firing_in(number))
            assert group.total == len([one for one in memory.alerts.values() if one.group == number])
            assert group.is_open is (group.firing > 0)
        assert len({group.key for group in memory.open}) == len(memory.open)


def told(group: AlertGroup) -> tuple[object, ...]:
    return (group.key, group.severity, group.rank, group.since, group.firing, group.total, group.has_card)


@calmly
@given(st.lists(ALERTS, min_size=1, max_size=4, unique_by=lambda one: one.fingerprint), st.data())
def test_in_one_message_or_in_several(alerts: list[Alert], data: st.DataObject) -> None:
    """Alerts that begin lead to the same groups together and one by one, in any order."""
    together, apart = Memory(), Memory()
    together.says(*alerts)
    for alert in data.draw(st.permutations(alerts)):
        apart.says(alert)
    assert sorted(map(told, together.open)) == sorted(map(told, apart.open))


@calmly
@given(
    st.lists(
        st.tuples(st.sampled_from(HOSTS), st.booleans(), st.integers(0, 50)), max_size=7, unique_by=lambda one: one[2]
    ).flatmap(lambda found: st.tuples(st.just(found), st.permutations(found)))
)
def test_the_senders_order_counts(orders: tuple[list[tuple[str, bool, int]], ...]) -> None:
    """Where the sender says when it says it, the same alerts fire in the end, in whatever order messages arrive."""
    ends = []
    for order in orders:
        memory = Memory()
        for host, is_over, minute in order:
            alert = replace(firing(host=host, key=host), said_at=START + minute * SOON)
            memory.says(over(alert) if is_over else alert)
        kept = {name: memory.alerts[number].known.status for name, number in memory.marks.items()}
        ends.append((kept, sum(group.firing for group in memory.open)))
    assert ends[0] == ends[1]


@calmly
@given(st.lists(st.one_of(PAYLOADS, ABOUT), min_size=1, max_size=6))
def test_a_silence_holds_what_it_means(steps: list[list[Alert] | str]) -> None:
    """A group that opens is silent only where a silence means all of its alerts; one that is no longer meant is
    said to be awake at that moment.
    """
    memory, is_awake = Memory(), set[str]()
    for step in steps:
        if isinstance(step, str):
            memory.silences_(step)
            continue
        changes = memory.says(*step)
        is_awake |= {change.group.key for change in changes.groups if change.is_awake}
        for group in memory.open:
            if group.silence and group.key not in is_awake:
                silence = memory.silences[group.silence - 1]
                assert all(
                    silence.means(one.labels, route(CATALOGUE, one.labels)) for one in memory.firing_in(group.id)
                )


# --- one alert is one alert -------------------------------------------------------------------------------------------


def test_said_again_it_is_one(memory: Memory) -> None:
    """Repeated it is one alert of one group, of which only that it was said is kept."""
    memory.says(firing(at=START, host="a"))
    for _ in range(3):
        memory.passes(minutes=1)
        changes = memory.says(firing(at=START, host="a"))
        assert changes.groups == []
        assert [entry.times for entry in changes.entries] == [1]
    assert (len(memory.alerts), len(memory.groups)) == (1, 1)


@pytest.mark.parametrize("is_first", [True, False])
def test_also_known_as(memory: Memory, is_first: bool) -> None:
    """An alert that its sender also calls by another name is one, whichever name comes first."""
    one, other = firing(key=KEY), replace(firing(key="pagerduty:P1"), also=(KEY,))
    for alert in (one, other) if is_first else (other, one):
        memory.says(alert)
    assert (len(memory.alerts), memory.group().total) == (1, 1)
    assert set(memory.marks) == {KEY, "pagerduty:P1"}


@pytest.mark.parametrize("names", [(KEY, "x"), ("x", KEY)])
def test_two_names_in_one_message(memory: Memory, names: tuple[str, str]) -> None:
    """Two that share a name are one, also where both stand in the same message."""
    memory.says(replace(firing(key=names[0]), also=(names[1],)), firing(key=names[1]))
    assert len(memory.alerts) == 1


def test_resolved_before_it_fired(memory: Memory) -> None:
    """When the end arrives before the beginning, nobody is bothered, and the late beginning does not open anything."""
    alert = firing(at=START)
    assert memory.says(over(alert)).groups == []
    assert memory.says(alert).groups == []
    assert memory.groups == {}
    assert len(memory.alerts) == 1


def test_an_end_that_nobody_knows(memory: Memory) -> None:
    """The end of one of whose beginning we never heard is kept, and belongs to no group."""
    (entry,) = memory.says(over(firing())).entries
    assert (entry.begins, entry.ends, entry.key, entry.last.status) == (False, False, None, Status.RESOLVED)


def test_resolved_once(memory: Memory) -> None:
    """A second end, and a beginning that comes after it, change nothing; a later episode is a group of its own."""
    alert = firing(at=START, key=KEY)
    assert only(memory.says(alert)).before is None
    assert only(memory.says(over(alert))).is_resolved
    memory.passes(minutes=2)
    for late in (over(alert), alert, replace(alert, starts_at=START - SOON)):
        assert memory.says(late).groups == []
    memory.passes(minutes=20)
    assert only(memory.says(replace(alert, starts_at=memory.now))).before is None
    assert [(group.is_open, group.total) for group in memory.groups.values()] == [(False, 1), (True, 1)]


def test_what_was_stays_as_it_was(memory: Memory) -> None:
    """One that fires again after its group's end is an alert of its own; the old one stays in the old group."""
    memory.says(firing(key=KEY, at=START))
    memory.says(over(firing(key=KEY, at=START)))
    memory.passes(minutes=10)
    (entry,) = memory.says(firing(key=KEY, at=memory.now)).entries
    assert (entry.kept, entry.marks) == (None, (KEY,))
    assert [one.group for one in memory.alerts.values()] == [1, 2]


@pytest.mark.parametrize(("seconds", "is_new"), [(LATE_SECONDS - 1, False), (LATE_SECONDS, True)])
def test_resolved_by_hand(memory: Memory, seconds: float, is_new: bool) -> None:
    """Somebody said that it is over; if it still fires five minutes later, it is a new group."""
    memory.says(firing(at=START))
    memory.resolve()
    memory.passes(seconds=seconds)
    assert bool(memory.says(firing(at=START)).groups) is is_new
    assert len(memory.groups) == 1 + is_new


@pytest.mark.parametrize("order", list(permutations("abc")))
def test_overtaken(memory: Memory, order: tuple[str, ...]) -> None:
    """Three words of an alert whose sender dates them: the newest counts, in whatever order they are worked."""
    alert = firing(key=KEY)
    said = {
        "a": replace(alert, said_at=START),
        "b": replace(over(alert), said_at=START + SOON),
        "c": replace(alert, said_at=START + 2 * SOON),
    }
    for one in order:
        memory.says(said[one])
    assert [group.firing for group in memory.open] == [1]
    assert memory.alerts[max(memory.alerts)].known.said_at == START + 2 * SOON


def test_what_is_stale_says_nothing(memory: Memory) -> None:
    """Of a message that was overtaken only that it came is kept."""
    memory.says(replace(firing(key=KEY, host="a"), said_at=START + SOON))
    (entry,) = memory.says(replace(firing(key=KEY, host="b"), said_at=START)).entries
    assert (entry.is_changed, entry.is_relabelled, entry.times) == (False, False, 1)
    assert memory.alerts[1].labels["host"] == "a"


def test_begun_and_over_in_one_message(memory: Memory) -> None:
    """It opens its group, which is over at once: it gets its card, and its severity is told of."""
    alert = firing(key=KEY, severity="critical")
    change = only(memory.says(alert, over(alert)))
    assert (change.before, change.is_resolved, change.is_shown) == (None, True, True)
    assert change.begins(memory.now)
    assert change.group.resolved_at == START


# --- groups -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        (firing("Slow", host="a"), firing("Slow", host="b"), True),
        (firing("Slow"), firing("Full"), False),
        (firing("Slow", severity="high"), firing("Slow", severity="info"), True),
        (firing("Slow", service="shop"), firing("Slow"), False),
        (firing("Slow", service="shop"), firing("Slow", service="Shop", host="b"), True),
        (firing("Slow", service="unheard of"), firing("Slow", host="b"), True),
    ],
)
def test_what_groups_with_what(memory: Memory, one: Alert, other: Alert, is_same: bool) -> None:
    """Alerts of a service and a name are one group, however many hosts and whatever severity."""
    memory.says(one)
    memory.says(other)
    assert [group.total for group in memory.open] == ([2] if is_same else [1, 1])


def test_as_its_first_alert_says(memory: Memory) -> None:
    """Name, service, channel and reasons are those of the alert that opened it; what was odd is kept, to a bound."""
    odd = [f"odd {number}" for number in range(MOST_NOTICED + 5)]
    memory.says(firing("Slow", service="shop", at=START - SOON), noticed=odd)
    group = memory.group()
    assert (group.name, group.service, group.channel_name) == ("Slow", "shop", "shop-alerts")
    assert (group.severity, group.rank, group.since, group.opened_at) == ("P1", 1, START - SOON, START)
    assert group.why[0] == "No route matched."
    assert group.noticed == tuple(odd[:MOST_NOTICED])
    memory.says(firing("Slow"))
    assert memory.group(2).channel_name == "ops-alerts"


def test_an_alert_without_anything(memory: Memory) -> None:
    """Without name, labels or times it is an alert all the same."""
    memory.says(Alert("f", Status.FIRING, "test"))
    assert (memory.group().name, memory.group().severity, memory.group().since) == ("", "P2", START)


@pytest.mark.parametrize(
    ("severity", "has_card"), [("critical", True), ("high", True), ("warning", True), ("info", False)]
)
def test_what_a_severity_wants(memory: Memory, severity: str, has_card: bool) -> None:
    """`on_alert: log` keeps it without a card; the others have one at once."""
    change = only(memory.says(firing(severity=severity)))
    assert (change.is_shown, change.group.has_card) == (has_card, has_card)
    assert change.begins(memory.now)
    assert len(memory.alerts) == 1


def test_it_gets_worse(memory: Memory) -> None:
    """A worse alert makes its group worse, step by step; what is better changes nothing."""
    seen = []
    for severity, host in (("info", "a"), ("warning", "b"), ("critical", "c"), ("high", "d")):
        change = only(memory.says(firing(severity=severity, host=host)))
        seen.append((change.group.severity, change.group.rank, change.is_shown, change.severity is not None))
    assert seen == [("P3", 3, False, True), ("P2", 2, True, True), ("P0", 0, False, True), ("P0", 0, False, False)]


def test_the_same_alert_gets_worse(memory: Memory) -> None:
    """An alert whose sender raises its severity, under the key it had, makes its group as severe; it is one alert."""
    memory.says(firing(severity="warning", key=KEY))
    change = only(memory.says(firing(severity="critical", key=KEY)))
    assert (change.group.severity, change.group.firing, change.group.total, change.joined) == ("P0", 1, 1, 0)
    assert change.begins(memory.now)


def test_it_gets_no_better(memory: Memory) -> None:
    """Who lowers an alert's severity under its key, or repeats it with other words, opens nothing."""
    memory.says(firing(severity="critical", key=KEY))
    change = only(memory.says(firing(severity="info", key=KEY, pod="2")))
    assert (change.group.severity, change.severity) == ("P0", None)


def test_under_another_service_it_is_no_worse(memory: Memory) -> None:
    """An alert that moves to another service under its key stays in its group, as severe as that was."""
    memory.says(firing(severity="warning", key=KEY))
    change = only(memory.says(firing(severity="critical", key=KEY, service="shop")))
    assert (change.group.id if isinstance(change.group, AlertGroup) else 0, change.group.severity) == (1, "P2")


def test_a_worse_one_brings_its_escalation_policy(memory: Memory) -> None:
    """The group follows the escalation policy of its worst alert, for its reasons."""
    policy = EscalationPolicy("worst", (EscalationStep(timedelta(0), ("slack:#ops",)),))
    service = replace(DEFAULT, escalation_policies={"worst": policy})
    memory = Memory(replace(CATALOGUE, services={"default": service}))
    memory.says(firing(severity="high", host="a"))
    assert memory.group().escalation_policy is None
    memory.says(firing(severity="critical", host="b"))
    assert memory.group().escalation_policy == "worst"
    assert "P0 has the escalation policy worst." in memory.group().why


def test_an_older_one_makes_it_older(memory: Memory) -> None:
    """It is since its earliest alert began, in our time, and never in the future."""
    memory.says(firing(host="a", at=START + timedelta(hours=1)))
    assert memory.group().since == START
    memory.says(firing(host="b", at=START - SOON))
    memory.says(firing(host="c"))
    assert memory.group().since == START - SOON


def test_how_many_joined(memory: Memory) -> None:
    """Those that begin are counted, and not those that are repeated; the end of one leaves the others."""
    alerts = [firing(host=host) for host in "abc"]
    memory.says(alerts[0])
    change = only(memory.says(*alerts))
    assert (change.joined, change.group.firing, change.group.total) == (2, 3, 3)
    change = only(memory.says(over(alerts[0])))
    assert (change.joined, change.group.firing, change.group.total, change.is_resolved) == (0, 2, 3, False)
    assert only(memory.says(*map(over, alerts[1:]))).is_resolved


def test_the_same_one_fires_again_in_its_group(memory: Memory) -> None:
    """While others of it fire, an alert that ended and fires again joins its group, and is one alert of it."""
    one, other = firing(host="a"), firing(host="b")
    memory.says(one, other)
    memory.says(over(one))
    change = only(memory.says(one))
    assert (change.joined, change.group.firing, change.group.total) == (1, 2, 2)


@pytest.mark.parametrize("order", list(permutations(["critical", "warning", "high"])))
def test_the_worst_first(memory: Memory, order: tuple[str, ...]) -> None:
    """Groups are told in the order of their severity, whatever order their alerts have in the message."""
    changes = memory.says(*(firing(severity, severity=severity) for severity in order))
    assert [change.group.severity for change in changes.groups] == ["P0", "P1", "P2"]
    changes = memory.says(*(firing(severity, severity=severity, host="b") for severity in order))
    assert [change.group.severity for change in changes.groups] == ["P0", "P1", "P2"]


def test_what_the_sender_left_out(memory: Memory) -> None:
    """Where the sender left alerts out, the worst group says how many, and says so until there is a newer figure."""
    memory.says(firing("Slow", severity="warning"), firing("Down", severity="critical"), left_out=40)
    assert {group.name: group.left_out for group in memory.open} == {"Down": 40, "Slow": 0}
    memory.says(firing("Down", host="b", severity="critical"))
    assert memory.group().left_out == 40
    memory.says(firing("Down", host="c", severity="critical"), left_out=2)
    assert memory.group().left_out == 2


def test_where_its_route_leads() -> None:
    """The route's channel, severity and runbook hold, whatever the alert's own labels say."""
    match = (matchers.parse('job="api"'),)
    first = Route(1, "org.yml:2", match, severity="P1", channel="api-alerts")
    memory = Memory(replace(CATALOGUE, routes=(first,)))
    memory.says(firing(severity="info", job="api"))
    group = memory.group()
    assert (group.severity, group.channel_name, group.has_card) == ("P1", "api-alerts", True)


# --- silences and maintenance -----------------------------------------------------------------------------------------


def test_born_silent(memory: Memory) -> None:
    """A group that a silence means opens in it, without a card and without what its severity wants."""
    silence = memory.silences_('alertname="Slow"')
    change = only(memory.says(firing(severity="critical")))
    assert (change.group.silence, change.group.silenced_until) == (silence.id, silence.ends_at)
    assert (change.group.silenced_by, change.is_shown, change.begins(memory.now)) == ("U0BEN", False, False)


@pytest.mark.parametrize(
    ("matcher", "is_meant"),
    [
        ('alertname=~"Slow|Down"', True),
        ('alertname="Other"', False),
        ('severity="high"', True),
        ('severity="P1"', True),
        ('severity="P0"', False),
        ('service="default"', True),
        ('service="shop"', False),
        ('host="a"', True),
        ('host!="a"', False),
        ('host!="b"', True),
        ('zone=""', True),
    ],
)
def test_which_silence_means_it(memory: Memory, matcher: str, is_meant: bool) -> None:
    """By its labels, and by the service and severity that it is routed to."""
    memory.silences_(matcher)
    memory.says(firing(host="a"))
    assert memory.group().is_silenced(memory.now) is is_meant


def test_two_silences(memory: Memory) -> None:
    """The one that lasts longest holds a group."""
    memory.silences_('alertname="Slow"', hours=1)
    longest = memory.silences_('host="a"', hours=3)
    memory.silences_('alertname=~"S.*"', hours=2)
    memory.says(firing(host="a"))
    assert memory.group().silence == longest.id


@pytest.mark.parametrize(("hours", "silence"), [(1, None), (3, 1)])
def test_its_keys_own_silence(memory: Memory, hours: float, silence: int | None) -> None:
    """What opens again waits for the end of its card's silence, or of the one with matchers that lasts longer."""
    memory.says(firing(at=START))
    memory.change(silenced_until=START + timedelta(hours=2), silenced_by="U0ADA")
    memory.says(over(firing(at=START)))
    memory.passes(minutes=10)
    memory.silences_('alertname="Slow"', hours=hours)
    change = only(memory.says(firing(at=memory.now)))
    assert (change.group.silence, change.group.silenced_by) == (silence, "U0BEN" if silence else "U0ADA")
    assert not change.is_shown


@pytest.mark.parametrize("is_together", [True, False])
def test_who_joins_and_is_not_meant_wakes(memory: Memory, is_together: bool) -> None:
    """An alert that the silence does not mean wakes its whole group, whether it is silent for long or was just born."""
    memory.silences_('host="a"')
    alerts = [firing(host="a"), firing(host="b")]
    for part in [alerts] if is_together else [alerts[:1], alerts]:
        change = only(memory.says(*part))
    assert change.is_awake is not is_together
    assert change.group.is_silenced(memory.now) is not is_together
    assert change.is_shown is is_together


def test_who_is_meant_wakes_nobody(memory: Memory) -> None:
    """Whatever joins a silenced group and is meant as well leaves it silent."""
    memory.silences_('alertname="Slow"')
    memory.says(firing(host="a"))
    change = only(memory.says(firing(host="b", severity="critical")))
    assert (change.is_awake, change.begins(memory.now), change.group.severity) == (False, False, "P0")


def test_an_alert_that_becomes_another_matter(memory: Memory) -> None:
    """An alert that is silenced for its severity, and rises above it under the key it had, is silenced no longer."""
    memory.silences_('severity="warning"')
    memory.says(firing(severity="warning", key=KEY))
    assert memory.group().silence == 1
    change = only(memory.says(firing(severity="critical", key=KEY)))
    assert (change.is_awake, change.group.severity) == (True, "P0")


def test_a_silence_of_its_card_means_all(memory: Memory) -> None:
    """A group that its own card silenced is silent whatever joins it."""
    memory.says(firing(host="a"))
    memory.change(silenced_until=START + timedelta(hours=2), silenced_by="U0ADA")
    change = only(memory.says(firing(host="b", severity="critical")))
    assert (change.is_awake, change.begins(memory.now)) == (False, False)


@pytest.mark.parametrize("service", ["default", "shop"])
def test_maintenance(memory: Memory, service: str) -> None:
    """What opens in a service under maintenance is in it, and has its card; other services are not."""
    window = memory.maintains("shop")
    change = only(memory.says(firing(severity="critical", service=service)))
    assert change.group.maintenance == (window.id if service == "shop" else None)
    assert change.is_shown


# --- alerts that must keep arriving -----------------------------------------------------------------------------------

WATCHED = Catalogue(
    {"default": DEFAULT, "shop": SHOP},
    "default",
    routes=(Route(1, "org.yml:2", (matchers.parse('alertname="Watchdog"'),), heartbeat=Heartbeat(5 * SOON, "P0")),),
    group_by=("service", "alertname", "cluster"),
)


def watchdog(**labels: str) -> Alert:
    return firing("Watchdog", severity="none", at=START, **labels)


@pytest.fixture
def watched() -> Memory:
    return Memory(WATCHED)


def test_it_arrives_and_belongs_nowhere(watched: Memory) -> None:
    """As long as it arrives, however often, it is kept as it came, in no group; what comes with it is in one."""
    for _ in range(4):
        watched.passes(minutes=1)
        changes = watched.says(watchdog(), firing("Other", at=START))
        assert [entry.times for entry in changes.entries] == [1, 1]
    assert [group.name for group in watched.groups.values()] == ["Other"]
    assert [one.group for one in watched.alerts.values()] == [None, 1]


def test_its_end_is_no_arrival() -> None:
    """A message that says that it is resolved does not count."""
    assert heartbeat.arrived(WATCHED, [over(watchdog())]) == {}
    assert len(heartbeat.arrived(WATCHED, [watchdog(), firing("Other")])) == 1


def test_each_cluster_is_watched(watched: Memory) -> None:
    """What has a group of its own has a watch of its own, and an absence of its own."""
    dogs = [watchdog(cluster="a"), watchdog(cluster="b"), watchdog(cluster="b", pod="2")]
    assert len(heartbeat.arrived(WATCHED, dogs)) == 2
    for dog in dogs[:2]:
        watched.misses(dog, START)
    assert [dict(group.labels)["cluster"] for group in watched.open] == ["a", "b"]


def test_silent_and_heard_again(watched: Memory) -> None:
    """Its absence is an alert of the severity said for it, since it was heard; the next arrival ends it, once."""
    watched.says(watchdog())
    watched.passes(minutes=5)
    change = only(watched.misses(watchdog(), START))
    assert (change.group.name, change.group.severity, change.group.since) == ("Watchdog is silent", "P0", START)
    assert change.group.heartbeat is not None
    assert change.begins(watched.now)
    assert watched.misses(watchdog(), START).groups == []
    watched.passes(minutes=7)
    assert only(watched.says(watchdog())).is_resolved
    assert watched.says(watchdog()).groups == []
    assert only(watched.misses(watchdog(), watched.now)).before is None


def test_resolved_by_hand_it_is_told_once(watched: Memory) -> None:
    """Who says that an absence is over is not told of it by the next arrival either."""
    watched.misses(watchdog(), START)
    watched.resolve()
    assert watched.says(watchdog()).groups == []


def test_an_absence_in_maintenance(watched: Memory) -> None:
    """It stays on its card like any other alert."""
    window = watched.maintains("default")
    change = only(watched.misses(watchdog(), START))
    assert (change.group.maintenance, change.is_shown) == (window.id, True)


@pytest.mark.parametrize(
    ("matcher", "is_meant"),
    [
        ('alertname="Watchdog is silent"', True),
        ('severity="critical"', True),
        ('severity="P0"', True),
        ('service="default"', True),
        ('alertname="Watchdog"', False),
        ('severity="none"', False),
    ],
)
def test_an_absence_that_is_silenced(watched: Memory, matcher: str, is_meant: bool) -> None:
    """It goes by its own name, and by its own severity."""
    watched.silences_(matcher)
    change = only(watched.misses(watchdog(), START))
    assert change.group.is_silenced(watched.now) is is_meant
    assert change.is_shown is not is_meant


def test_a_route_that_left_the_catalogue(watched: Memory) -> None:
    """What still fires when no route wants it to keep arriving is an alert like any other."""
    watched.says(watchdog())
    watched.catalogue = CATALOGUE
    assert only(watched.says(watchdog())).group.name == "Watchdog"


def test_a_route_that_came_into_the_catalogue(watched: Memory) -> None:
    """One that fires in a group when a route begins to want it stays there until it ends."""
    watched.catalogue = CATALOGUE
    watched.says(watchdog())
    watched.catalogue = WATCHED
    assert watched.says(watchdog(pod="2")).groups == []
    assert watched.group().is_open


@calmly
@given(st.lists(st.sampled_from(["P0", "P1", "P2", "P3"]), min_size=1, max_size=6))
def test_severities_in_any_order(severities: list[str]) -> None:
    """A group is as severe as the worst alert that ever fired in it."""
    memory = Memory()
    for number, key in enumerate(severities):
        memory.says(firing(severity=key, host=str(number)))
    assert memory.group().severity == min(severities)
