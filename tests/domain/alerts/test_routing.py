"""Every alert goes somewhere, and it can be said why."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, strategies as st

from bot.domain.alerts.routing import route
from bot.domain.catalogue import matchers
from bot.domain.catalogue.catalogue import Catalogue, Heartbeat, Route
from bot.domain.catalogue.policy import EscalationPolicy, EscalationStep
from bot.domain.catalogue.runbook import Runbook
from bot.domain.catalogue.service import KnownAlert, Service
from bot.domain.catalogue.severity import Severity

STEPS = (EscalationStep(timedelta(0), ("slack:#ops",)),)
POLICIES = {key: EscalationPolicy(key, STEPS) for key in ("critical", "calm")}
LEVELS = (
    Severity("P0", "Critical", 0, ("critical",), escalation_policy="critical"),
    Severity("P2", "Medium", 2, ("warning",)),
)
DEFAULT = Service("default", "Default service", LEVELS, "P2")
PAYMENTS = Service(
    "payments",
    "Payments",
    LEVELS,
    "P2",
    alerts_channel="pay-alerts",
    escalation_policies=POLICIES,
    alerts={"CardsFail": KnownAlert(severity="critical", runbook="restart_till")},
)
SERVICES = {"default": DEFAULT, "payments": PAYMENTS}
RUNBOOKS = {key: Runbook(key, "payments", key, ()) for key in ("restart_till", "look_at_it")}


def match(*texts: str) -> tuple[matchers.Matcher, ...]:
    return tuple(map(matchers.parse, texts))


ROUTES = (
    Route(1, "org.yml:3", match('job="till"'), "payments", "P0", "tills", "calm", "look_at_it"),
    Route(2, "org.yml:4", match('job=~"till.*"', 'zone!=""'), escalation_policy="critical"),
    Route(3, "org.yml:5", match('alertname="Watchdog"'), heartbeat=Heartbeat(timedelta(minutes=5), "P0")),
)
CATALOGUE = Catalogue(SERVICES, "default", runbooks=RUNBOOKS, routes=ROUTES)


def test_a_route_decides() -> None:
    """What the first matching route names is what the alert leads to, whatever its labels say."""
    found = route(CATALOGUE, {"job": "till", "service": "default", "severity": "warning", "alertname": "CardsFail"})
    assert (found.service, found.severity.key, found.channel, found.escalation_policy, found.runbook) == (
        PAYMENTS,
        "P0",
        "tills",
        POLICIES["calm"],
        "look_at_it",
    )
    assert found.route == ROUTES[0]
    assert found.why == (
        'Route 1 (org.yml:3) matched: job="till".',
        "The route says service payments.",
        "The route says severity P0.",
        "The route says channel tills.",
        "The route says the escalation policy calm.",
        "The route says runbook look_at_it.",
    )


def test_what_a_route_leaves_open_follows_the_alert() -> None:
    """A route may say one thing; the rest comes from labels, then from what is known of the alert, then by default."""
    found = route(CATALOGUE, {"job": "tills", "zone": "eu", "service": "Payments", "alertname": "CardsFail"})
    assert (found.service, found.severity.key, found.channel) == (PAYMENTS, "P0", "pay-alerts")
    assert (found.escalation_policy, found.runbook) == (POLICIES["critical"], "restart_till")
    assert found.why == (
        'Route 2 (org.yml:4) matched: job=~"till.*", zone!="".',
        "The label service says payments.",
        "What payments knows of this alert says “critical”, which is P0.",
        "Alerts of payments go to pay-alerts.",
        "The route says the escalation policy critical.",
        "What payments knows of this alert says runbook restart_till.",
    )


def test_no_route() -> None:
    """Without a route the labels decide: a service's key, a severity's key or alias."""
    found = route(CATALOGUE, {"service": "payments", "severity": "WARNING"})
    assert (found.route, found.service, found.severity.key, found.escalation_policy) == (None, PAYMENTS, "P2", None)
    assert found.why[:3] == (
        "No route matched.",
        "The label service says payments.",
        "The label severity says “WARNING”, which is P2.",
    )


def test_nothing_falls_through() -> None:
    """An alert that says nothing, or what nobody knows, has the default service and severity, and the reason."""
    assert route(CATALOGUE, {}).why == (
        "No route matched.",
        "No label says a service, so it is the default service, default.",
        "So it has the default severity of default, P2.",
    )
    found = route(CATALOGUE, {"service": "paymnts", "severity": "5"})
    assert (found.service, found.severity.key, found.channel) == (DEFAULT, "P2", None)
    assert found.why[1:] == (
        "The label service says “paymnts”, which is no service here, so it is the default service, default.",
        "The label severity says “5”, which default does not have.",
        "So it has the default severity of default, P2.",
    )


def test_an_escalation_policy_of_another_service() -> None:
    """An escalation policy or severity that the service does not have is said, and the next best is taken."""
    found = route(CATALOGUE, {"job": "till-2", "zone": "eu", "severity": "P0"})
    assert (found.service, found.escalation_policy) == (DEFAULT, None)
    assert found.why[-2:] == (
        "The route says the escalation policy “critical”, which default does not have.",
        "P0 has the escalation policy “critical”, which default does not have.",
    )


def test_heartbeat() -> None:
    """An alert that must keep arriving is known as such."""
    found = route(CATALOGUE, {"alertname": "Watchdog"})
    assert found.heartbeat == Heartbeat(timedelta(minutes=5), "P0")
    assert found.why[-1] == "It must keep arriving: its absence is the alert."


@pytest.mark.parametrize(
    ("group_by", "labels", "other", "same"),
    [
        (("service", "alertname"), {"alertname": "A", "pod": "1"}, {"alertname": "A", "pod": "2"}, True),
        (("service", "alertname"), {"alertname": "A"}, {"alertname": "B"}, False),
        (("alertname",), {"alertname": "A"}, {"alertname": "A", "service": "payments"}, False),
        (("alertname",), {"alertname": "A", "service": "x"}, {"alertname": "A", "service": "y"}, True),
        (("alertname", "severity"), {"severity": "critical"}, {"severity": "P0"}, True),
        (("alertname", "severity"), {"severity": "critical"}, {"severity": "warning"}, False),
        (("alertname", "pod"), {"alertname": "A", "pod": ""}, {"alertname": "A"}, True),
    ],
)
def test_groups(group_by: tuple[str, ...], labels: dict[str, str], other: dict[str, str], same: bool) -> None:
    """Alerts are of one group when all that is grouped by is alike; a group has one service."""
    catalogue = Catalogue(SERVICES, "default", group_by=group_by)
    first, second = route(catalogue, labels), route(catalogue, other)
    assert (first.group_key == second.group_key) is same


WORDS = st.sampled_from(["", "till", "tills", "payments", "default", "P0", "critical", "A", "\x1b[2J", "\ud800"])
NAMES = st.sampled_from(["job", "zone", "service", "severity", "alertname"])


@given(st.dictionaries(NAMES | st.text(max_size=5), WORDS | st.text(max_size=300)))
def test_any_labels(labels: dict[str, str]) -> None:
    """Whatever the labels, there is a service and one of its severities, one group, and sentences that can be shown."""
    found = route(CATALOGUE, labels)
    assert found.severity in found.service.severities
    assert len(found.group_key) == 64
    assert found == route(CATALOGUE, dict(reversed(labels.items())))
    assert all(sentence.isprintable() and len(sentence) < 400 for sentence in found.why)
