"""Every vendor's payloads, as sent and as documented, come out as the alerts they are."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from bot.domain.alerts.alert import Alert, Context, Happening, Status, SubscriptionChange
from bot.intake import VENDORS
from tests.intake.payloads import Payload, every, one, published, samples

# fingerprint, status, name and the labels worth naming, of each alert in each payload
EXPECTED: dict[tuple[str, str], list[tuple[str, str, str, dict[str, str]]]] = {
    ("alertmanager", "01"): [
        ("26dfd15b3d689add", "firing", "HighErrorRate", {"instance_name": "a", "severity": "critical"}),
        ("5da26e8191d2924e", "firing", "HighErrorRate", {"instance_name": "b", "service": "checkout"}),
    ],
    ("alertmanager", "07"): [
        ("a1d4839f398b0020", "firing", "DiskAlmostFull", {"instance_name": "a"}),
        ("4a630986405cd51d", "firing", "DiskAlmostFull", {"instance_name": "b"}),
        ("26dfd15b3d689add", "resolved", "HighErrorRate", {"instance_name": "a"}),
        ("5da26e8191d2924e", "resolved", "HighErrorRate", {"instance_name": "b"}),
    ],
    ("alertmanager", "08"): [
        ("26dfd15b3d689add", "resolved", "HighErrorRate", {}),
        ("5da26e8191d2924e", "resolved", "HighErrorRate", {}),
    ],
    ("alertmanager", "version 3"): [("26dfd15b3d689add", "firing", "HighErrorRate", {})],
    ("alertmanager", "version 4"): [
        ("5ef77f1f8a3ecfb9", "firing", "InstanceDown", {"severity": "page"}),
        ("ab0de7bdd8f7a1f4", "resolved", "InstanceDown", {"instance": "db-2:9100"}),
    ],
    ("alertmanager", "a dead man"): [("e1749c6ae3ed5d35", "firing", "Watchdog", {"severity": "none"})],
    ("grafana", "webhook_docs"): [
        ("c6eadffa33fcdf37", "firing", "High memory usage", {"team": "blue"}),
        ("bc97ff14869b13e3", "firing", "High CPU usage", {"zone": "eu-1"}),
    ],
    ("grafana", "dashboard alert before version 11: alerting"): [
        ("grafana:1/rule/31", "firing", "Queue length", {"severity": "critical"})
    ],
    ("grafana", "dashboard alert before version 11: ok"): [("grafana:1/rule/31", "resolved", "Queue length", {})],
    ("grafana", "version 9"): [("57c6d9296de2ad39", "resolved", "TestAlert", {"instance": "Grafana"})],
    ("grafana", "no data"): [("*", "firing", "DatasourceNoData", {"rulename": "Checkout is slow"})],
    ("pagerduty", "incident.resolved"): [
        ("pagerduty:PCPZE64", "resolved", "Test Incident", {"service": "acme", "severity": "high"})
    ],
    ("pagerduty", "incident.triggered"): [("pagerduty:PFQZPSY", "firing", "Test Incident 3", {"urgency": "high"})],
    ("pagerduty", "events_v2"): [
        (
            "pagerduty:srv01/mysql",
            "firing",
            "DISK at 99% on machine prod-datapipe03.example.com",
            {"severity": "critical", "class": "disk"},
        )
    ],
    ("pagerduty", "incident.priority_updated"): [
        (
            "pagerduty:d3640fbd41094207a1c11e58e46b1662",
            "firing",
            "A little bump in the road",
            {"severity": "P1", "service": "checkout"},
        )
    ],
    ("pagerduty", "incident.acknowledged"): [("26dfd15b3d689add", "firing", "HighErrorRate", {})],
    ("pagerduty", "incident.annotated"): [],
    ("pagerduty", "pagey.ping"): [],
    ("pagerduty", "service.updated"): [],
    ("pagerduty", "version 2"): [
        ("pagerduty:PRORDTY", "firing", "Disk is full", {"service": "Database"}),
        ("pagerduty:slow/1", "firing", "Slow", {"severity": "low"}),
    ],
    ("pagerduty", "Events API v2"): [("26dfd15b3d689add", "resolved", "Error ratio on a is 12%", {})],
    ("datadog", "TEMPLATE"): [("*", "firing", "", {})],
    ("datadog", "the default"): [("*", "resolved", "Disk is full", {})],
    ("datadog", "every variable"): [
        (
            "datadog:1234/availability-zone:us-east-1a,host:db-1",
            "firing",
            "Disk is full",
            {"severity": "P1", "service": "checkout", "team": "payments,sre", "host": "db-1"},
        )
    ],
    ("datadog", "the variables one level"): [
        ("datadog:77/region:eu", "firing", "Heartbeat", {"service": "cron", "env": "prod"})
    ],
    ("sentry", "metric_alert_resolved"): [("sentry:rule/7", "resolved", "Too many errors", {"project": "bar"})],
    ("sentry", "an issue alert"): [
        (
            "sentry:issue/1170820242",
            "firing",
            "ReferenceError: total is not defined",
            {"environment": "prod", "severity": "error"},
        )
    ],
    ("sentry", "the same issue, resolved"): [
        ("sentry:issue/1170820242", "resolved", "ReferenceError: total is not defined", {"project": "checkout"})
    ],
    ("sentry", "an issue, assigned"): [],
    ("sentry", "a metric alert, critical"): [
        ("sentry:rule/7", "firing", "Too many errors", {"severity": "critical", "environment": "prod"})
    ],
    ("sentry", "the WebHooks"): [
        (
            "sentry:issue/1635244907",
            "firing",
            "ValueError: new sentry error.",
            {"project": "checkout", "release": "1.2", "runtime": "CPython 3.11"},
        )
    ],
    ("cloudwatch", "sns_notification"): [
        (
            "cloudwatch:arn:aws:cloudwatch:REGION:ACCOUNT_NUMBER:alarm:EXAMPLE",
            "firing",
            "EXAMPLE",
            {"InstanceId": "TestInstance", "metric": "NetworkOut", "namespace": "AWS/EC2"},
        )
    ],
    ("cloudwatch", "sns_subscription"): [],
    ("cloudwatch", "a metric alarm"): [
        (
            "cloudwatch:arn:aws:cloudwatch:us-east-1:111122223333:alarm:Checkout latency",
            "resolved",
            "Checkout latency",
            {"LoadBalancer": "app/checkout/1", "region": "us-east-1"},
        )
    ],
    ("cloudwatch", "a composite alarm"): [
        (
            "cloudwatch:arn:aws:cloudwatch:us-east-1:111122223333:alarm:Checkout is broken",
            "firing",
            "Checkout is broken",
            {"account": "111122223333"},
        )
    ],
    ("cloudwatch", "the alarm alone"): [
        (
            "cloudwatch:arn:aws:cloudwatch:us-east-1:111122223333:alarm:Checkout is broken",
            "firing",
            "Checkout is broken",
            {},
        )
    ],
    ("cloudwatch", "an event of EventBridge"): [
        (
            "cloudwatch:arn:aws:cloudwatch:us-east-1:111122223333:alarm:ServerCpuTooHigh",
            "firing",
            "ServerCpuTooHigh",
            {"region": "us-east-1"},
        )
    ],
    ("cloudwatch", "one contributor"): [
        (
            "cloudwatch:arn:aws:cloudwatch:us-east-1:111122223333:alarm:Tables/contributor/6d442278dba546f6",
            "firing",
            "Tables",
            {"TableName": "orders"},
        )
    ],
    ("cloudwatch", "a message that somebody"): [("*", "firing", "My First Message", {})],
    ("cloudwatch", "the subscription has ended"): [],
    ("opsgenie", "create.docs"): [("opsgenie:aliastest", "firing", "test alert", {"tags": "tag1,tag2"})],
    ("opsgenie", "Acknowledge"): [("opsgenie:aliastest", "firing", "test alert", {"severity": "P2", "entity": "db-1"})],
    ("opsgenie", "Close"): [("opsgenie:aliastest", "resolved", "test alert", {})],
    ("opsgenie", "AddNote"): [],
    ("opsgenie", "Escalate"): [],
    ("opsgenie", "Create"): [
        (
            "opsgenie:e5fbb52fbb155aeb9a086b2caf0f2419974597b5c33f8ba917a41fa2793cda4d",
            "firing",
            "Checkout is slow",
            {"service": "checkout", "severity": "critical"},
        )
    ],
    ("github", "deployment_status"): [],
    ("github", "ping"): [],
    ("github", "workflow_run-completed"): [],
    ("github", "a workflow run"): [],
    ("github", "a deployment, created"): [],
    ("github", "a check"): [],
    ("generic", "Zabbix"): [
        ("zabbix:4711", "firing", "Disk is full", {"severity": "High"}),
        ("zabbix:4710", "resolved", "CPU is hot", {"severity": "Warning"}),
    ],
    ("generic", "Uptime Kuma"): [("kuma:1", "firing", "My API", {"url": "https://api.example.com"})],
    ("generic", "no mapping: one"): [
        ("*", "firing", "Primary API is down", {"service": "checkout", "severity": "critical"})
    ],
    ("generic", "no mapping: several"): [
        ("*", "firing", "A", {"job": "x"}),
        ("*", "resolved", "B", {"job": "x"}),
    ],
}


@pytest.mark.parametrize(("key", "expected"), EXPECTED.items(), ids=[f"{v}-{n}" for v, n in EXPECTED])
def test_a_payload_comes_out_as_its_alerts(
    key: tuple[str, str], expected: list[tuple[str, str, str, dict[str, str]]]
) -> None:
    """Each alert on its own, with its fingerprint, status, name and labels."""
    found = one(*key).read()
    assert len(found.alerts) == len(expected)
    for alert, (fingerprint, status, name, labels) in zip(found.alerts, expected, strict=True):
        assert fingerprint in ("*", alert.fingerprint)
        assert (alert.status, alert.name) == (Status(status), name)
        assert labels.items() <= alert.labels.items()
        assert alert.labels.get("alertname", "") == name


def test_every_payload_is_expected_somewhere() -> None:
    """A sample or a published shape that nobody looks at would prove nothing."""
    looked_at = {str(one(*key)) for key in EXPECTED}
    assert {str(payload) for payload in every()} - looked_at == set()


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_vendor_has_further_published_shapes_with_their_source(vendor: str) -> None:
    """Two at least beyond the samples, and each says which document it was written after."""
    shapes = published(vendor)
    assert len(shapes) >= 2
    assert all(shape.source for shape in shapes)
    assert samples(vendor) or vendor == "generic"


@pytest.mark.parametrize("payload", every(), ids=str)
def test_what_is_known_is_not_odd(payload: Payload) -> None:
    """Nothing that a vendor documents is said to be odd, apart from what is."""
    allowed = ("Datadog filled in nothing", "Datadog did not say", "Message is not the JSON", "data.event.tags")
    said = [sentence for sentence in payload.read().noticed if not sentence.startswith((*allowed, "event.tags"))]
    assert said == []


@pytest.mark.parametrize("payload", every(), ids=str)
def test_what_comes_out_can_be_stored(payload: Payload) -> None:
    """Everything kept is JSON, and every time is aware and in UTC."""
    found = payload.read()
    for alert in found.alerts:
        json.dumps([alert.extra, dict(alert.labels), dict(alert.annotations)], allow_nan=False)
        for moment in (alert.starts_at, alert.ends_at, alert.said_at):
            assert moment is None or moment.tzinfo is UTC
    json.dumps([context.extra for context in found.contexts], allow_nan=False)


def _alert(vendor: str, beginning: str, place: int = 0) -> Alert:
    return one(vendor, beginning).read().alerts[place]


def _context(vendor: str, beginning: str) -> Context:
    (context,) = one(vendor, beginning).read().contexts
    return context


def test_alertmanager_says_when_and_where_to_look() -> None:
    """Times, links and the group come along; a Go zero time is no time."""
    alert = _alert("alertmanager", "07", 2)
    assert alert.starts_at == datetime(2026, 11, 20, 18, 0, 57, 568000, tzinfo=UTC)
    assert alert.ends_at == datetime(2026, 11, 20, 18, 1, 10, 568000, tzinfo=UTC)
    assert _alert("alertmanager", "07").ends_at is None
    assert alert.links.graph.startswith("http://prom.example.com:9090/graph?")
    assert alert.links.runbook == "https://runbooks.example.com/high-error-rate"
    assert alert.links.source == "http://am.example.com:9093"
    assert alert.extra == {}


def test_alertmanager_says_how_many_it_left_out() -> None:
    """A truncated group is known to be truncated."""
    assert one("alertmanager", "version 4").read().group.left_out == 117
    assert one("alertmanager", "01").read().group.left_out == 0


def test_grafana_keeps_values_and_links() -> None:
    """Dashboards and panels are links; evaluated values stay beside the alert."""
    resolved = _alert("grafana", "version 9")
    assert resolved.links.dashboard == "https://example.grafana.net/d/abc"
    assert resolved.links.graph == "https://example.grafana.net/d/abc?viewPanel=4"
    assert resolved.annotations["values"].startswith("[ metric='foo'")
    assert _alert("grafana", "webhook_docs").extra["values"] == {"B": 44.23943737541908, "C": 1}
    assert _alert("grafana", "dashboard alert before version 11: alerting").extra["evalMatches"][0]["value"] == 173.14


def test_an_acknowledgement_in_pagerduty_is_about_its_alert() -> None:
    """It says who did it and when, under the fingerprint of the alert."""
    did = _context("pagerduty", "incident.acknowledged")
    assert (did.kind, did.about, did.by) == (Happening.ACKNOWLEDGED, "26dfd15b3d689add", "Ada")
    assert did.at == datetime(2026, 11, 20, 18, 5, tzinfo=UTC)


def test_a_note_in_pagerduty_finds_its_alert_by_the_other_fingerprint() -> None:
    """A note only knows the incident's number; the alert is known by that too."""
    note = _context("pagerduty", "incident.annotated")
    assert (note.kind, note.title) == (Happening.NOTE, "Restarting the API now")
    assert note.about in _alert("pagerduty", "incident.priority_updated").also


def test_pagerduty_trying_its_webhook_is_no_alert() -> None:
    """A ping is context, and so is what concerns a service."""
    assert _context("pagerduty", "pagey.ping").kind is Happening.PING
    assert _context("pagerduty", "service.updated").kind is Happening.OTHER


def test_the_routing_key_is_not_kept() -> None:
    """It is a secret of somebody who meant to page through PagerDuty."""
    found = one("pagerduty", "events_v2").read()
    assert "e93facc04764012d7bfb002500d5d1a6" not in repr(found)


def test_datadog_says_what_it_did_not_fill_in() -> None:
    """A template with variables unknown to Datadog is an alert all the same, and the variables are named."""
    found = one("datadog", "TEMPLATE").read()
    assert any("$ALERT_TRANSITION" in sentence for sentence in found.noticed)


def test_opsgenie_notes_do_not_reopen() -> None:
    """What people add to an alert, closed perhaps, says nothing of whether it fires."""
    note = _context("opsgenie", "AddNote")
    assert (note.kind, note.title, note.by) == (Happening.NOTE, "It was the cache", "ada@example.com")
    assert note.about == _alert("opsgenie", "Close").fingerprint
    assert _context("opsgenie", "Escalate").about in _alert("opsgenie", "Close").also


def test_the_group_of_an_alertmanager_is_known_in_opsgenie_and_pagerduty() -> None:
    """Their key for a group is the hash of Alertmanager's own."""
    direct = one("alertmanager", "01").read().group.key
    assert _alert("opsgenie", "Create").group == direct == _alert("alertmanager", "01").group


def test_sns_asks_to_be_confirmed() -> None:
    """The address is handed on, since it leads to Amazon."""
    (wish,) = one("cloudwatch", "sns_subscription").read().subscription_requests
    assert wish.change is SubscriptionChange.CONFIRM_SUBSCRIPTION
    assert wish.url.startswith("https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription")
    assert wish.subject == "arn:aws:sns:us-west-2:123456789012:MyTopic"


@pytest.mark.parametrize("url", ["https://evil.example/", "http://sns.us-west-2.amazonaws.com/?x", None, 7, ["x"]])
def test_sns_is_not_confirmed_elsewhere(url: object) -> None:
    """An address of anybody else's is not handed on, and that is said."""
    payload = one("cloudwatch", "sns_subscription")
    found = payload.read({**payload.body, "SubscribeURL": url})
    assert found.subscription_requests[0].url == ""
    assert any("SubscribeURL" in sentence for sentence in found.noticed)


def test_cloudwatch_leads_to_its_console() -> None:
    """An alarm in a region that we know has a link; a resolved one has its end."""
    alert = _alert("cloudwatch", "a metric alarm")
    assert alert.links.source.endswith("#alarmsV2:alarm/Checkout%20latency")
    assert (alert.starts_at, alert.ends_at) == (None, datetime(2026, 11, 20, 18, 0, tzinfo=UTC))
    assert alert.extra["Message"]["Trigger"]["ExtendedStatistic"] == "p99"


def test_github_tells_of_deployments_and_failures() -> None:
    """They are context: what changed, where, by whom, and whether it failed."""
    deployed = _context("github", "deployment_status")
    assert (deployed.kind, deployed.state, deployed.failed) == (Happening.DEPLOYMENT, "success", False)
    assert deployed.labels["repository"] == "Codertocat/Hello-World"
    failed = _context("github", "a workflow run")
    assert (failed.kind, failed.state, failed.failed, failed.by) == (Happening.WORKFLOW, "timed_out", True, "ada")
    assert _context("github", "a check").failed
    assert _context("github", "ping").kind is Happening.PING


def test_github_says_its_event_by_itself_too() -> None:
    """Without the header the payload is understood alike."""
    payload = one("github", "a workflow run")
    assert VENDORS["github"](payload.body, received_at=datetime.now(UTC)) == payload.read()


def test_a_message_of_the_group_is_kept_once() -> None:
    """What belongs to all alerts of a generic message is beside them."""
    assert one("generic", "no mapping: several").read().group.extra == {"note": "kept"}
