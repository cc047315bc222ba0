"""Routes, escalation policies, hours, on-call and contacts: the files say what they are, or a sentence says why not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from bot.catalogue.load import load
from bot.catalogue.org import read, routes
from bot.catalogue.reload import CatalogueWatcher
from bot.catalogue.yaml.document import Place, parse
from bot.deps import CurrentCatalogue
from bot.domain.alerts.routing import route
from bot.domain.catalogue.catalogue import GROUP_BY, Catalogue, Finding, GenericSource, Heartbeat
from bot.domain.catalogue.hours import Hours
from bot.domain.catalogue.levels import Override
from bot.domain.catalogue.policy import EscalationStep, Unless
from bot.domain.catalogue.service import Contact, KnownAlert, Objective, Service
from bot.domain.catalogue.severity import Automatic, OnAlert
from bot.domain.oncall.oncall import on_call
from bot.paths import data
from tests.catalogue.conftest import Files
from tests.catalogue.test_load import SPECIFIED_ORG, VALUES, specified

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)

RUNBOOK = """\
title: Look at it
service: default
steps:
  - {id: seen, manual: {text: Look at it}}
"""


def good(files: Files) -> Catalogue:
    loaded = files.load()
    assert [str(one) for one in loaded.findings] == []
    assert loaded.catalogue is not None
    return loaded.catalogue


def agent(files: Files) -> Service:
    specified(files)
    return good(files).services["social-agent"]


# --- what the file says is what it is ---


def test_severity(files: Files) -> None:
    """A severity says what an alert does at once, what may start by itself, and which escalation policy is followed."""
    worst, low = agent(files).severities
    assert (worst.on_alert, worst.automatic, worst.escalation_policy) == (OnAlert.DECLARE, Automatic.ASK, "critical")
    assert (low.on_alert, low.automatic, low.escalation_policy) == (OnAlert.LOG, Automatic.NONE, None)


def test_severity_defaults(files: Files) -> None:
    """Where nothing is said an alert has a card, and runbooks are suggested."""
    files.service()
    level = good(files).services["default"].severities[0]
    assert (level.on_alert, level.automatic, level.escalation_policy) == (OnAlert.CARD, Automatic.SUGGEST, None)


def test_escalation_policy_and_hours(files: Files) -> None:
    """Steps in their order with their hours; absent `unless` is acknowledged."""
    service = agent(files)
    business = Hours("business", "Europe/Berlin", 9 * HOUR, 17 * HOUR, frozenset(range(5)))
    assert service.hours == {"business": business}
    escalation_policy = service.escalation_policies["critical"]
    assert (escalation_policy.key, escalation_policy.repeat) == ("critical", 0)
    assert escalation_policy.steps == (
        EscalationStep(0 * HOUR, ("slack:#ops-alerts", "email:ops")),
        EscalationStep(15 * MINUTE, ("page:oncall",)),
        EscalationStep(30 * MINUTE, ("email:management",), during=business),
        EscalationStep(2 * HOUR, ("email:management", "page:production"), Unless.RESOLVED),
    )


def test_hours_of_the_service(files: Files) -> None:
    """Hours are in the service's zone where they name none, on all days, and may end on the next."""
    files.service(extra='timezone: Asia/Kolkata\nhours: {night: {from: "22:00", to: "06:00"}}')
    assert good(files).services["default"].hours["night"] == Hours("night", "Asia/Kolkata", 22 * HOUR, 30 * HOUR)


def test_oncall(files: Files) -> None:
    """Levels keep their order: the first is what `oncall` means."""
    service = agent(files)
    assert list(service.oncall) == ["primary", "secondary"]
    assert service.level("oncall") == service.oncall["primary"]
    assert service.level("oncall:secondary") == service.oncall["secondary"]
    assert service.level("oncall:tertiary") is None
    assert service.oncall["secondary"].pagerduty_schedule == "PABC123"
    week = timedelta(days=7)
    start = datetime(2026, 1, 5, 9, tzinfo=UTC)
    people = [on_call(service.oncall["primary"], start + number * week).who for number in range(3)]
    assert people == [("U0ADA",), ("U0BEN",), ("U0ADA",)]


@pytest.mark.parametrize(
    ("start", "handover"),
    [
        ("start: 2026-01-05T09:00:00+01:00", "2026-07-06T08:00:00+00:00"),
        ("start: 2026-01-05T09:00:00+01:00, tz: Europe/Berlin", "2026-07-06T07:00:00+00:00"),
        ("start: 2026-01-05T08:00:00Z, tz: Europe/Berlin", "2026-07-06T07:00:00+00:00"),
        ("start: 2026-01-05T09:00:00, tz: Europe/Berlin", "2026-07-06T07:00:00+00:00"),
        ("start: '2026-01-05T09:00', tz: Europe/Berlin", "2026-07-06T07:00:00+00:00"),
        ("start: 2026-01-05 09:00:00", "2026-07-06T13:00:00+00:00"),
    ],
)
def test_start_of_a_rotation(files: Files, start: str, handover: str) -> None:
    """An offset alone makes shifts of equal length; a zone, else the service's, makes them step in wall time."""
    rotation = f"{{people: [U0ADA, U0BEN], every: 7d, {start}}}"
    files.service(extra=f"timezone: America/New_York\noncall: {{primary: {{rotation: {rotation}}}}}")
    (found,) = good(files).services["default"].oncall["primary"].rotations
    assert found.handover(26) == datetime.fromisoformat(handover)


def test_rotations_and_overrides(files: Files) -> None:
    """Several rotations follow the sun; an override without an offset is in the service's zone."""
    files.service(
        extra="""\
timezone: Europe/Berlin
hours: {day: {from: "08:00", to: "20:00"}}
oncall:
  primary:
    rotations:
      - {people: [U0ADA], every: 1d, start: 2026-01-05T08:00:00, hours: day}
      - {people: [U0KIM], every: 1d, start: 2026-01-05T08:00:00}
    overrides:
      - {person: U0BEN, from: 2026-07-06T12:00:00, until: 2026-07-06T12:00:00Z}
"""
    )
    level = good(files).services["default"].oncall["primary"]
    noon = datetime(2026, 7, 6, 10, tzinfo=UTC)
    assert level.overrides == (Override("U0BEN", noon, noon + 2 * HOUR),)
    seen = [on_call(level, noon + hours * HOUR).who[0] for hours in (-5, -4, 0, 2, 8)]
    assert seen == ["U0KIM", "U0ADA", "U0BEN", "U0ADA", "U0KIM"]


def test_contacts(files: Files) -> None:
    """Placeholders stay in the catalogue, and are no addresses to write to."""
    contacts = agent(files).contacts
    assert contacts["management"] == Contact(
        ("eng-mgr@company.invalid",), ("team:management",), "+1-XXX-XXX-XXXX", None
    )
    assert contacts["production"].pagerduty_service == "PSVC123"
    assert Contact(("ops@company.INVALID", "ops@example.com")).addresses == ("ops@example.com",)


def test_alerts_and_service_levels(files: Files) -> None:
    """What is known of a rule, and what the service promises."""
    service = agent(files)
    assert service.alerts == {"APIDown": KnownAlert("P0", "service_unavailable", 5 * MINUTE)}
    assert service.objectives == (
        Objective("API availability", 99.9, timedelta(days=30), "sum(rate(ok[5m]))", "sum(rate(all[5m]))"),
    )


def test_routes(files: Files) -> None:
    """Routes keep their order and know their line; groups and sources come along."""
    specified(files)
    catalogue = good(files)
    first, second = catalogue.routes
    assert (first.number, first.place, first.service) == (1, "org.yml:15", "smartcloudops")
    assert list(map(str, first.match)) == ['job="smartcloudops-backend"']
    assert second.heartbeat == Heartbeat(5 * MINUTE, "P1")
    assert second.heartbeat.silent_at(datetime(2026, 1, 5, tzinfo=UTC)) == datetime(2026, 1, 5, 0, 5, tzinfo=UTC)
    assert catalogue.group_by == ("service", "alertname")
    assert catalogue.generic == {
        "zabbix": GenericSource("events[]", "id", "state", ("PROBLEM",), {"alertname": "name"})
    }
    assert route(catalogue, {"job": "smartcloudops-backend"}).service.key == "smartcloudops"


def test_no_org_file(files: Files) -> None:
    """Without org.yml there are no routes, and alerts are grouped by service and name."""
    files.service()
    catalogue = good(files)
    assert (catalogue.routes, catalogue.group_by, catalogue.generic) == ((), GROUP_BY, {})


def test_packaged_service() -> None:
    """The shipped service declares the worst alerts, asks before it runs anything, and logs the least."""
    catalogue = load([data("runbooks")]).catalogue
    assert catalogue is not None
    assert [(level.key, level.on_alert, level.automatic) for level in catalogue.services["default"].severities] == [
        ("P0", OnAlert.DECLARE, Automatic.ASK),
        ("P1", OnAlert.CARD, Automatic.ASK),
        ("P2", OnAlert.CARD, Automatic.SUGGEST),
        ("P3", OnAlert.LOG, Automatic.NONE),
    ]


# --- what cannot work is a sentence ---

BEFORE = """\
hours: {day: {from: "08:00", to: "20:00"}}
contacts: {ops: {email: [ops@company.invalid]}, production: {pagerduty_service: PSVC123}, boss: {who: [U0DAN]}}
"""
PRIMARY = "oncall: {primary: {who: [U0ADA]}}\n"
STEP = "{{after: 5m, notify: [{}]}}"
ROTATION = "{{people: [U0ADA], every: 7d, start: 2026-01-05T09:00:00Z{}}}"


def escalation_policy(steps: str, before: str = "") -> str:
    return f"{PRIMARY}escalation_policies: {{calm: {{{before}steps: [{steps}]}}}}"


def level(text: str) -> str:
    return f"oncall: {{primary: {{{text}}}}}"


def target(text: str) -> str:
    return escalation_policy(STEP.format(text))


def rotation(text: str = "") -> str:
    return ROTATION.format(text)


SERVICE_FINDINGS = [
    # escalation policies
    (escalation_policy(""), "escalation_policies.calm.steps is empty. Add at least one."),
    (
        escalation_policy("{after: 5m, notify: []}"),
        "escalation_policies.calm.steps[1].notify is empty. Add at least one.",
    ),
    (escalation_policy("{notify: ['slack:#ops']}"), "“after” is missing. Add it."),
    (
        escalation_policy("{after: 5, notify: ['slack:#ops']}"),
        "“5” has no unit. Write for example 15m, 4h or 1h30m.",
    ),
    (
        escalation_policy("{after: 5m, unless: acked, notify: ['slack:#ops']}"),
        "“acked” is not known here. Write acknowledged, assigned or resolved.",
    ),
    (
        escalation_policy("{after: 5m, during: days, notify: ['slack:#ops']}"),
        "There is no “days” under hours of this service. Did you mean “day”?",
    ),
    (
        escalation_policy("{after: 15m, notify: ['slack:#ops']}, {after: 5m, notify: ['slack:#ops']}"),
        "This step comes earlier than the one above it. Put the steps in their order.",
    ),
    (
        escalation_policy("{after: 0m, notify: ['slack:#ops']}", "repeat: 1, "),
        "All its steps come at once, so it cannot repeat. Add a later step or remove this line.",
    ),
    # targets
    (target("'page:oncall:secondary'"), "There is no level “secondary” of on-call in this service. There is primary."),
    (target("'dm:oncall:primry'"), "There is no level “primry” of on-call in this service. Did you mean “primary”?"),
    (target("email:opps"), "There is no contact “opps” in this service. Did you mean “ops”?"),
    (target("email:production"), "The contact “production” has no address. Add email or who to it."),
    (target("page:ops"), "The contact “ops” cannot be paged. Add pagerduty_service or who to it."),
    (target("page:team:sre"), "There is no team “sre”. Add it under teams in org.yml."),
    (
        target("sms:boss"),
        "“sms:boss” is not a target. Write slack:#channel, dm:WHO, email:WHO-or-CONTACT or page:WHO-or-CONTACT.",
    ),
    # on-call
    ("owners: [oncall]", "Nobody is on call in this service. Add a level under oncall."),
    ("owners: ['oncall:primary']", "Nobody is on call in this service. Add a level under oncall."),
    (level(""), "A level is one of pagerduty_schedule, rotation, rotations and who. Write one of them."),
    (
        level(f"who: [U0ADA], rotation: {rotation()}"),
        "A level is one of pagerduty_schedule, rotation, rotations and who. Write one of them.",
    ),
    (
        level("who: [oncall]"),
        "A level of on-call cannot be made of on-call. Name people, user groups or teams.",
    ),
    (level("who: [team:sre]"), "There is no team “sre”. Add it under teams in org.yml."),
    (
        level("pagerduty_schedule: https://x"),
        "“https://x” is not an id of PagerDuty. Copy it from its address there, for example PABC123.",
    ),
    (
        level("rotation: {people: [], every: 7d, start: 2026-01-05T09:00:00Z}"),
        "oncall.primary.rotation.people is empty.",
    ),
    (
        level("rotation: {people: [S0SRE], every: 7d, start: 2026-01-05T09:00:00Z}"),
        "“S0SRE” is not one person. Write a member id (U0ADA).",
    ),
    (
        level("rotation: {people: [U0ADA], every: 5m, start: 2026-01-05T09:00:00Z}"),
        "A shift lasts between 1h and 366d. Write for example 7d.",
    ),
    (
        level("rotation: {people: [U0ADA], every: 7d, start: 2026-01-05}"),
        "“2026-01-05” has no hour. Write for example 2026-01-05T09:00:00.",
    ),
    (
        level("rotation: {people: [U0ADA], every: 7d, start: next monday}"),
        "“next monday” is not a moment. Write for example 2026-01-05T09:00:00+01:00.",
    ),
    (
        level("rotation: {people: [U0ADA], every: 7d, start: 0026-01-05T09:00:00Z}"),
        "“0026-01-05 09:00:00+00:00” is not a moment. Write for example 2026-01-05T09:00:00+01:00.",
    ),
    (
        level(f"rotation: {rotation(', tz: Berlin')}"),
        "There is no time zone “Berlin”. Write an IANA name, for example Europe/Berlin.",
    ),
    (
        level(f"rotations: [{rotation(', hours: night')}, {rotation()}]"),
        "There is no “night” under hours of this service. There is day.",
    ),
    (
        level(f"rotation: {rotation(', hours: day')}"),
        "Outside these hours nobody would be on call. The last of the rotations must be without hours.",
    ),
    (
        level(f"rotations: [{rotation()}, {rotation()}]"),
        "The rotations below this one never get their turn. Give it hours.",
    ),
    (
        level("who: [U0ADA], overrides: [{person: U0BEN, from: 2026-01-06T09:00:00, until: 2026-01-06T08:00:00}]"),
        "This ends before it begins. Correct from or until.",
    ),
    # hours
    ('hours: {x: {from: 9:00, to: "17:00"}}', 'Put the time in quotes: "09:00".'),
    ('hours: {x: {from: "09:00", to: 17:00}}', 'Put the time in quotes: "17:00".'),
    (
        'hours: {x: {from: "9", to: "17:00"}}',
        '“9” is not a time. Write it in quotes and with two digits each, for example "09:00".',
    ),
    (
        'hours: {x: {from: "09:00", to: "09:00"}}',
        'These hours end where they begin. Write "00:00" and "24:00" for the whole day.',
    ),
    ('hours: {x: {from: "24:00", to: "09:00"}}', 'A day begins at "00:00". Write that.'),
    ('hours: {x: {from: "09:00"}}', "“to” is missing. Add it."),
    (
        'hours: {x: {days: [monday], from: "09:00", to: "17:00"}}',
        "“monday” is not known here. Write mon, tue, wed, thu, fri, sat or sun.",
    ),
    # contacts
    (
        "contacts: {ops: {email: [ops team]}}",
        "“ops team” is not an e-mail address. Write for example ops-team@company.invalid.",
    ),
    ("contacts: {oncall: {phone: '1'}}", "“oncall” means somebody else already, in a list of who. Choose another key."),
    (
        "contacts: {'the boss': {phone: '1'}}",
        "“the boss” is not a key. Use up to 40 of A-Z, a-z, 0-9, _ and -, no - or _ first.",
    ),
    # alerts and service levels
    ("alerts: {APIDown: {severity: P9}}", "There is no severity “P9” here. There is P1, P2 and high."),
    ("alerts: {APIDown: {runbook: restart}}", "There is no runbook “restart”. Add its file."),
    ("alerts: {APIDown: {runbok: restart}}", "There is no key “runbok” here. Did you mean “runbook”?"),
    ("slos: [{name: a, objective: 100, window: 30d, good: a, total: b}]", "slos[1].objective"),
    ("slos: [{name: a, objective: 99, window: 30d, good: a}]", "“total” is missing. Add it."),
]


@pytest.mark.parametrize(("line", "sentence"), SERVICE_FINDINGS)
def test_service_finding(files: Files, line: str, sentence: str) -> None:
    """Each mistake is one sentence at its line."""
    own = {text.partition(":")[0] for text in line.splitlines()}
    others = [text + "\n" for text in BEFORE.splitlines() if text.partition(":")[0] not in own]
    path = files.service(extra="".join(others) + line)
    (found,) = files.findings()
    where, _, said = found.partition(": ")
    assert said.startswith(sentence)
    assert where == f"default/service.yml:{len(path.read_text().splitlines())}"


def test_unknown_escalation_policy(files: Files) -> None:
    """A severity names an escalation policy of its service."""
    files.service(extra="  - {key: P3, escalation_policy: critical}")
    assert files.findings() == [
        (
            "default/service.yml:8: There is no “critical” under escalation_policies of this service. "
            "Add it under escalation_policies."
        )
    ]


def test_two_service_levels_of_one_name(files: Files) -> None:
    """A service level's name is its own."""
    one = "  - {name: a, objective: 99, window: 30d, good: a, total: b}\n"
    files.service(extra=f"slos:\n{one}{one}")
    assert files.findings() == ["default/service.yml:10: “a” is already above. Choose another name."]


ROUTE_FINDINGS = [
    ("{service: default}", "“match” is missing. Add it."),
    ("{match: 'a=b'}", "routes[1].match must be a list, like [a, b]."),
    ("{match: ['a==b']}", "“a==b” is not a matcher. Write for example 'severity=\"critical\"' or 'job=~\"api.*\"'."),
    ("{match: ['a=~\"(\"']}", "“(” is not a pattern: missing ): (. Write one in RE2's syntax."),
    ("{match: ['a=b'], service: defalt}", "There is no service “defalt”. Did you mean “default”?"),
    (
        "{match: ['a=b'], service: web, severity: S9}",
        "There is no severity “S9” in the service web. There is S1.",
    ),
    ("{match: ['a=b'], severity: P9}", "There is no severity “P9” in any service. There is P1, P2 and S1."),
    (
        "{match: ['a=b'], heartbeat: {every: 5m, severity: S1}, service: default}",
        "There is no severity “S1” in the service default. There is P1 and P2.",
    ),
    ("{match: ['a=b'], heartbeat: {every: 5s}}", "This must be at least 1m. Remove the line if there should be none."),
    (
        "{match: ['a=b'], escalation_policy: clam}",
        "There is no escalation policy “clam” in any service. Did you mean “calm”?",
    ),
    (
        "{match: ['a=b'], service: default, escalation_policy: calm}",
        "There is no escalation policy “calm” in the service default. Add it under escalation policies in service.yml.",
    ),
    ("{match: ['a=b'], runbook: look_at}", "There is no runbook “look_at”. Did you mean “look_at_it”?"),
    ("{match: ['a=b'], channel: Ops}", "“Ops” is not a channel. Write its name in lower case, or its id (C…)."),
    ("{match: ['a=b', 'a=c']}", "The label a cannot be “b” and “c” at once. Correct match."),
    ("{match: ['a=b'], sevice: web}", "There is no key “sevice” here. Did you mean “service”?"),
]

WEB = """\
service: {key}
default_severity: S1
severities: [{{key: S1}}]
escalation_policies: {{calm: {{steps: [{{after: 5m, notify: ["slack:#ops"]}}]}}}}
"""


@pytest.mark.parametrize(("text", "sentence"), ROUTE_FINDINGS)
def test_route_finding(files: Files, text: str, sentence: str) -> None:
    """A route that cannot work is one sentence at its line."""
    files.service()
    files.service("web", WEB)
    files.write("default/look_at_it.yml", RUNBOOK)
    files.write("org.yml", f"default_service: default\nroutes:\n  - {text}\n")
    assert files.findings() == [f"org.yml:3: {sentence}"]


def test_route_that_is_never_taken(files: Files) -> None:
    """A route below one that takes all its alerts is pointed out; matchers may stand in any order."""
    files.service()
    routes = ["['a=b']", "['c=d', 'a=\"b\"']", "[]", "['x=y']"]
    files.write("org.yml", "routes:\n" + "".join(f"  - {{match: {one}}}\n" for one in routes))
    assert files.findings() == [
        "org.yml:3: Route 1 (org.yml:2) takes every alert of this one. Put this one first or remove it.",
        "org.yml:5: Route 3 (org.yml:4) takes every alert of this one. Put this one first or remove it.",
    ]


ORG_FINDINGS = [
    ("group_by: []", "group_by is empty. Add at least one."),
    ("group_by: [alertname, pod, alertname]", "“alertname” is here twice. Keep one of them."),
    ("generic: {zabbix: {alert: x}}", "There is no key “alert” here. Did you mean “alerts”?"),
    (
        "generic: {zabbix: {labels: {alertname: a..b}}}",
        "“a..b” is not a JMESPath expression. Write for example events[] or labels.name.",
    ),
    ("generic: {zabbix: {labels: [x]}}", "generic.zabbix.labels must be a mapping of keys to values."),
]


@pytest.mark.parametrize(("line", "sentence"), ORG_FINDINGS)
def test_org_finding(files: Files, line: str, sentence: str) -> None:
    """The rest of org.yml is held to its shape as well."""
    files.service()
    files.write("org.yml", f"{line}\n")
    assert files.findings() == [f"org.yml:1: {sentence}"]


def test_a_broken_service_does_not_blame_routes(files: Files) -> None:
    """Where a service cannot be read, nobody says that it does not exist."""
    files.service()
    files.service("web", extra="nonsense: 1")
    files.write("org.yml", "default_service: default\nroutes:\n  - {match: ['a=b'], service: web}\n")
    (found,) = files.findings()
    assert found.startswith("web/service.yml:8: There is no key “nonsense” here.")


def test_a_broken_runbook_does_not_blame_alerts(files: Files) -> None:
    """Where a runbook cannot be read, nobody says that it does not exist."""
    files.service(extra="alerts: {APIDown: {runbook: look_at_it}}")
    files.write("default/look_at_it.yml", "title: [\n")
    (found,) = files.findings()
    assert found.startswith("default/look_at_it.yml:2: This is not valid YAML")


@given(st.sampled_from(sorted(parse("org.yml", SPECIFIED_ORG).lines, key=str)), VALUES)
def test_any_value_anywhere(place: Place, value: object) -> None:
    """Whatever is in a place of org.yml, there are routes or findings; it never raises."""
    document = parse("org.yml", SPECIFIED_ORG)
    *outer, last = place
    inner = document.data
    for key in outer:
        inner = inner[key]
    inner[last] = value
    findings: list[Finding] = []
    organisation = read.merge([document], findings)
    if findings or organisation.routes_file is None:
        return
    made = routes.read(document, organisation.routes, routes.Surroundings(None, ()), findings)
    assert [one.number for one in made] == list(range(1, len(made) + 1))


async def test_the_last_good_routes_stay_in_force(files: Files) -> None:
    """An edit with a route that cannot work changes nothing and is said; the corrected one takes over."""
    files.service()
    files.write("org.yml", "routes:\n  - {match: ['a=b'], severity: P2}\n")
    current_catalogue = CurrentCatalogue(good(files))
    watcher = CatalogueWatcher([files.root], [], current_catalogue)
    await watcher.look()
    files.write("org.yml", "routes:\n  - {match: ['a=b'], severity: P7}\n")
    findings = await watcher.look()
    assert [finding.line for finding in findings or ()] == [2]
    assert route(current_catalogue.current, {"a": "b"}).severity.key == "P2"
    files.write("org.yml", "routes:\n  - {match: ['a=b'], severity: P1, channel: ops}\n")
    assert await watcher.look() == []
    assert route(current_catalogue.current, {"a": "b"}).channel == "ops"
