"""What operators write becomes a catalogue, or a sentence with a file and a line."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import given, strategies as st

from bot.catalogue.load import load
from bot.catalogue.services import read as service_read
from bot.catalogue.yaml.document import Place, parse
from bot.domain.catalogue.catalogue import Access, Finding
from bot.paths import data
from tests.catalogue.conftest import Files

SPECIFIED_ORG = """\
default_service: default
teams:
  sre: [U0ADA, U0BEN, U0CLEO]
  management: [U0DAN]
access:
  declare: [everyone]
  respond: [everyone]
  execute: []
  approve: [team:sre, S0LEADS]
  admin: []
connections:
  app_db: {sql: env:APP_DATABASE_URL}
  cache: {redis: env:APP_REDIS_URL}
routes:
  - {match: ['job="smartcloudops-backend"'], service: smartcloudops}
  - {match: ['alertname="Watchdog"'], heartbeat: {every: 5m, severity: P1}}
group_by: [service, alertname]
generic:
  zabbix: {alerts: "events[]", fingerprint: id, status: "state", firing: [PROBLEM], labels: {alertname: name}}
"""

SPECIFIED_RUNBOOK = """\
title: Look at it
service: social-agent
steps:
  - {id: seen, manual: {text: Look at it}}
"""

SPECIFIED_SERVICE = """\
service: social-agent
name: AI Social Media Content Agent
timezone: Europe/Berlin
owners: [team:sre]
channels: {alerts: ops-alerts, incidents: "#incidents-social"}
components: [API endpoints, Database]
default_severity: P0
severities:
  - key: P0
    aliases: [critical, sev1]
    name: Critical
    criteria: [Service unavailable to everyone, Data corrupted]
    respond_within: 0m
    channel: true
    update_every: 15m
    remind_before: 3m
    watch: 30m
    postmortem_due: 48h
    invite: [oncall, "oncall:primary", team:sre, role:commander, U0ADA]
    notify: [email:ops, "slack:#ops-alerts", "dm:team:management", page:oncall]
    on_alert: declare
    automatic: ask
    escalation_policy: critical
  - {key: P3, aliases: [low, info], name: Low, respond_within: 4h, channel: false, on_alert: log, automatic: none}
escalation_policies:
  critical:
    repeat: 0
    steps:
      - {after: 0m,  notify: ["slack:#ops-alerts", "email:ops"]}
      - {after: 15m, unless: acknowledged, notify: ["page:oncall"]}
      - {after: 30m, unless: acknowledged, during: business, notify: ["email:management"]}
      - {after: 2h,  unless: resolved,     notify: ["email:management", "page:production"]}
hours:
  business: {tz: Europe/Berlin, days: [mon, tue, wed, thu, fri], from: "09:00", to: "17:00"}
oncall:
  primary: {rotation: {people: [U0ADA, U0BEN], every: 7d, start: 2026-01-05T09:00:00+00:00}}
  secondary: {pagerduty_schedule: PABC123}
contacts:
  ops: {email: [ops-team@company.invalid]}
  management: {who: [team:management], email: [eng-mgr@company.invalid], phone: "+1-XXX-XXX-XXXX"}
  production: {pagerduty_service: PSVC123}
alerts:
  APIDown: {severity: P0, runbook: service_unavailable, mttr_target: 5m}
slos:
  - {name: API availability, objective: 99.9, window: 30d, good: 'sum(rate(ok[5m]))', total: 'sum(rate(all[5m]))'}
"""


def specified(files: Files) -> None:
    files.write("org.yml", SPECIFIED_ORG)
    files.service()
    files.service("smartcloudops")
    files.write("social-agent/service.yml", SPECIFIED_SERVICE)
    files.write("social-agent/service_unavailable.yml", SPECIFIED_RUNBOOK)


def test_whole_specification(files: Files) -> None:
    """A catalogue with every key of the specification loads without a finding."""
    specified(files)
    assert files.findings() == []


def test_service_value(files: Files) -> None:
    """What is in service.yml is what the service is."""
    specified(files)
    agent = files.load().catalogue.services["social-agent"]
    assert (agent.name, agent.timezone, agent.default_severity) == (
        "AI Social Media Content Agent",
        "Europe/Berlin",
        "P0",
    )
    assert (agent.alerts_channel, agent.incidents_channel) == ("ops-alerts", "incidents-social")
    assert agent.components == ("API endpoints", "Database")


def test_severity_value(files: Files) -> None:
    """What is in a severity is what it is; the order is the rank."""
    specified(files)
    worst, low = files.load().catalogue.services["social-agent"].severities
    assert (worst.rank, worst.key, worst.aliases, worst.channel) == (0, "P0", ("critical", "sev1"), True)
    assert (worst.update_every, worst.remind_before) == (timedelta(minutes=15), timedelta(minutes=3))
    assert (worst.watch, worst.postmortem_due) == (timedelta(minutes=30), timedelta(hours=48))
    assert worst.respond_within == timedelta(0)
    assert (low.rank, low.channel, low.update_every, low.postmortem_due) == (1, False, None, None)


def test_org_value(files: Files) -> None:
    """Teams and access come from org.yml."""
    specified(files)
    catalogue = files.load().catalogue
    assert catalogue.teams["sre"] == ("U0ADA", "U0BEN", "U0CLEO")
    assert catalogue.access == Access(approve=("team:sre", "S0LEADS"))


def test_packaged_catalogue() -> None:
    """The shipped catalogue has the four severities that were promised."""
    loaded = load([data("runbooks")], templates=[data("templates")])
    assert loaded.findings == ()
    default = loaded.catalogue.service("default")
    cadences = {level.key: (level.update_every, level.channel, level.watch) for level in default.severities}
    quarter, half, hour = (timedelta(minutes=count) for count in (15, 30, 60))
    assert cadences == {
        "P0": (quarter, True, half),
        "P1": (half, True, half),
        "P2": (hour, True, quarter),
        "P3": (None, False, quarter),
    }
    assert [level.postmortem_due for level in default.severities] == [timedelta(hours=48)] * 2 + [None, None]
    assert default.default_severity == "P2"
    words = "critical sev0 sev1 high sev2 warning medium sev3 low info"
    assert [default.severity(word).key for word in words.split()] == ["P0"] * 3 + ["P1"] * 2 + ["P2"] * 3 + ["P3"] * 2


def test_short_cadence(files: Files) -> None:
    """A cadence of less than five minutes still reminds before the update is due."""
    files.service(extra="  - {key: P3, update_every: 4m}")
    assert files.load().catalogue.services["default"].severities[2].remind_before == timedelta(minutes=2)


FINDINGS = [
    ("owner: [U0ADA]", "There is no key “owner” here. Did you mean “owners”?"),
    ("timezone: Europe/Berln", "There is no time zone “Europe/Berln”. Write an IANA name, for example Europe/Berlin."),
    ("timezone: ../etc", "There is no time zone “../etc”. Write an IANA name, for example Europe/Berlin."),
    ("timezone: Europe", "There is no time zone “Europe”. Write an IANA name, for example Europe/Berlin."),
    ("components: Database", "components must be a list, like [a, b]."),
    ("components: [1]", "components[1] must be text; put it in quotes."),
    (
        "owners:",
        "owners has no value. Give it one or remove the line; a # starts a comment unless it is quoted.",
    ),
    ("channels: {alerts: Ops Alerts}", "“Ops Alerts” is not a channel. Write its name in lower case, or its id (C…)."),
    ("channels: {alert: ops}", "There is no key “alert” here. Did you mean “alerts”?"),
    ("owners: [team:sre]", "There is no team “sre”. Add it under teams in org.yml."),
    ("owners: [role:comander]", "There is no role “comander”. Did you mean “commander”?"),
    (
        "owners: [ada]",
        (
            "“ada” is not somebody. Write a member id (U0ADA), a user group id (S0SRE), team:KEY, role:commander, "
            "oncall, oncall:LEVEL or everyone."
        ),
    ),
    ("escalation_policies: []", "escalation_policies must be a mapping of keys to values."),
    ("slos: {a: b}", "slos must be a list, like [a, b]."),
    ("oncall: x", "oncall must be a mapping of keys to values."),
    ("contacts: {ops: {mail: [a]}}", "There is no key “mail” here. Did you mean “email”?"),
]


@pytest.mark.parametrize(("line", "sentence"), FINDINGS)
def test_service_finding(files: Files, line: str, sentence: str) -> None:
    """Each mistake is one sentence that says what to do, at the line where it is."""
    files.service(extra=line)
    assert files.findings() == [f"default/service.yml:8: {sentence}"]


SEVERITY_FINDINGS = [
    ("update_every: 30", "“30” has no unit. Write for example 15m, 4h or 1h30m."),
    ("update_every: soon", "“soon” is not a duration. Write it with units, for example 30s, 15m, 4h, 2d or 1h30m."),
    ("update_every: 10s", "This must be at least 1m. Remove the line if there should be none."),
    ("updateevery: 1h", "There is no key “updateevery” here. Did you mean “update_every”?"),
    ("remind_before: 5m", "There is nothing to remind of. Add update_every or remove this line."),
    ("aliases: [HIGH]", "“HIGH” already means P1. Choose another word."),
    ("aliases: [x, X]", "“X” already means P3. Choose another word."),
    ("aliases: [drill]", "“drill” already means something else to /incident. Choose another word."),
    ("aliases: [two words]", "“two words” cannot be typed as a severity. Use up to 30 of A-Z, a-z, 0-9, _ and -."),
    ("invite: [team:sre]", "There is no team “sre”. Add it under teams in org.yml."),
    ("channel: maybe", "severities[3].channel must be true or false."),
    ("on_alert: declared", "“declared” is not known here. Write declare, card or log."),
    ("automatic: yes please", "“yes please” is not known here. Write run, ask, suggest or none."),
    ("notify: [email:ops]", "There is no contact “ops”. Add it under contacts of this service."),
    (
        "notify: [ops]",
        "“ops” is not a target. Write slack:#channel, dm:WHO, email:WHO-or-CONTACT or page:WHO-or-CONTACT.",
    ),
    ('notify: ["slack:Ops"]', "“slack:Ops” names no channel. Write slack:#channel in lower case."),
    ("notify: [email:team:sre]", "There is no team “sre”. Add it under teams in org.yml."),
]


@pytest.mark.parametrize(("line", "sentence"), SEVERITY_FINDINGS)
def test_severity_finding(files: Files, line: str, sentence: str) -> None:
    """The same inside a severity."""
    files.service(extra=f"  - key: P3\n    {line}\n")
    assert files.findings() == [f"default/service.yml:9: {sentence}"]


def test_reminder_within_cadence(files: Files) -> None:
    """A reminder that would come before the last update is a finding."""
    files.service(extra="  - {key: P3, update_every: 5m, remind_before: 5m}")
    assert files.findings() == ["default/service.yml:8: The reminder must come within update_every. Make it shorter."]


def test_missing_keys(files: Files) -> None:
    """An empty service.yml is told what it lacks."""
    files.service(text="{{}}\n# {key}")
    assert files.findings() == [
        "default/service.yml:1: “service” is missing. Add it.",
        "default/service.yml:1: “default_severity” is missing. Add it.",
        "default/service.yml:1: “severities” is missing. Add it.",
    ]


def test_unknown_default_severity(files: Files) -> None:
    """The default severity must be one of the severities; an alias is none."""
    files.service(
        text="service: {key}\nseverities: [{{key: P1, aliases: [high]}}, {{key: P2}}]\ndefault_severity: high\n"
    )
    assert files.findings() == ["default/service.yml:3: There is no severity “high” here. Write one of P1 or P2."]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[]", "This file must be a mapping of keys to values."),
        ("service: default\ndefault_severity: P1\nseverities: []", "severities is empty. Add at least one."),
        (
            "service: default\ndefault_severity: P1\nseverities: [P1]",
            "severities[1] must be a mapping of keys to values.",
        ),
    ],
)
def test_wrong_shape(files: Files, text: str, sentence: str) -> None:
    """Lists where mappings belong, and empty ones, are sentences too."""
    files.write("default/service.yml", text)
    (found,) = files.findings()
    assert found.endswith(sentence)


PLACES = sorted(parse("service.yml", SPECIFIED_SERVICE).lines, key=str)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.datetimes()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner))


@given(st.sampled_from(PLACES), VALUES)
def test_any_value_anywhere(place: Place, value: object) -> None:
    """Whatever is in a place, the file is a service or has findings; it never raises."""
    document = parse("social-agent/service.yml", SPECIFIED_SERVICE)
    *outer, last = place
    inner = document.data
    for key in outer:
        inner = inner[key]
    inner[last] = value
    findings: list[Finding] = []
    read = service_read.read(document, None, findings)
    assert (read is None) == bool(findings)


def test_folder_is_key(files: Files) -> None:
    """The service's key is its folder's name."""
    files.service()
    (files.root / "default").rename(files.root / "checkout")
    assert files.findings() == [
        "checkout/service.yml:1: The service is “default” but its folder is “checkout”. Make them the same."
    ]


ORG_FINDINGS = [
    ("default_service: defalt", "There is no service “defalt”. Did you mean “default”?"),
    ("team: {}", "There is no key “team” here. Did you mean “teams”?"),
    ("teams: {sre: [ada]}", "“ada” cannot be in a team. Write member ids (U0ADA) or user group ids (S0SRE)."),
    ("access: {decare: []}", "There is no key “decare” here. Did you mean “declare”?"),
    ("access: {declare: [nobody]}", "“nobody” is not somebody. Write a member id (U0ADA)"),
    ("access: {approve: [team:x]}", "There is no team “x”. Add it under teams in org.yml."),
    ("access: {approve: [oncall]}", "Nobody is on call in any service. Add a level under oncall."),
    ("routes: {}", "routes must be a list, like [a, b]."),
]


@pytest.mark.parametrize(("line", "sentence"), ORG_FINDINGS)
def test_org_finding(files: Files, line: str, sentence: str) -> None:
    """org.yml is held to its shape as well."""
    files.service()
    files.write("org.yml", f"# ours\n{line}\n")
    (found,) = files.findings()
    assert found.startswith(f"org.yml:2: {sentence}")


def test_access_by_on_call(files: Files) -> None:
    """Of whose on-call `access` speaks depends on what is done, so any service may have the level."""
    files.service("default")
    files.service("payments", extra="oncall: {nights: {who: [U0ADA]}}")
    files.write("org.yml", "access: {approve: [oncall, 'oncall:nigths']}")
    assert files.findings() == [
        "org.yml:1: There is no level “nigths” of on-call in any service. Did you mean “nights”?"
    ]


def test_known_team_is_suggested(files: Files) -> None:
    """A misspelt team gets the nearest one."""
    files.write("org.yml", "teams: {sre: [U0ADA]}")
    files.service(extra="owners: [team:sree]")
    assert files.findings() == ["default/service.yml:8: There is no team “sree” in org.yml. Did you mean “sre”?"]


def test_broken_org_does_not_blame_services(files: Files) -> None:
    """Where org.yml cannot be read, nobody complains about its teams."""
    files.write("org.yml", "teams: {sre: [U0ADA]\n")
    files.service(extra="owners: [team:sre]")
    (found,) = files.findings()
    assert found.startswith("org.yml:2: This is not valid YAML: ")
    assert files.load().catalogue is None


def test_folders_merge(files: Files, more_files: Callable[[str], Files]) -> None:
    """Several folders make one catalogue."""
    other = more_files("other")
    files.write("org.yml", "teams: {sre: [U0ADA]}\ndefault_service: default")
    files.service()
    other.write("org.yml", "teams: {web: [U0BEN]}\naccess: {admin: [team:sre]}")
    other.service("checkout", extra="owners: [team:sre, team:web]")
    loaded = load([files.root, other.root])
    assert loaded.findings == ()
    assert set(loaded.catalogue.services) == {"default", "checkout"}
    assert set(loaded.catalogue.teams) == {"sre", "web"}
    assert loaded.catalogue.access.admin == ("team:sre",)


def test_same_key_twice_names_both(files: Files, more_files: Callable[[str], Files]) -> None:
    """The same key in two org.yml is a finding that names both places."""
    other = more_files("other")
    files.service()
    files.write("org.yml", "teams:\n  sre: [U0ADA]\n")
    other.write("org.yml", "# theirs\nteams:\n  sre: [U0BEN]\n")
    (found,) = load([files.root, other.root]).findings
    assert str(found) == f"{other.root}/org.yml:3: “teams.sre” is also in {files.root}/org.yml:2. Keep one of them."


def test_same_service_twice_names_both(files: Files, more_files: Callable[[str], Files]) -> None:
    """So is the same service in two folders."""
    other = more_files("other")
    first, second = files.service(), other.service()
    (found,) = load([files.root, other.root]).findings
    assert str(found) == f"{second}:1: The service “default” is also in {first}:1. Keep one of them."


def test_default_service(files: Files) -> None:
    """Absent: the only service, else `default`, else it must be said."""
    files.service("checkout")
    assert files.load().catalogue.default_service == "checkout"
    files.service("default")
    assert files.load().catalogue.default_service == "default"
    (files.root / "default" / "service.yml").unlink()
    files.service("mail")
    assert files.findings() == ["org.yml:1: Say which of the 2 services is the default: add default_service."]


def test_broken_service_leaves_the_others(files: Files) -> None:
    """A broken service is reported; the others can still be looked at."""
    files.service()
    files.service("checkout", extra="nonsense: 1")
    loaded = files.load()
    assert len(loaded.findings) == 1
    assert set(loaded.catalogue.services) == {"default"}


def test_other_files_must_be_yaml(files: Files) -> None:
    """Alert rules and runbooks' tests of later releases are only read."""
    files.service()
    files.write("default/alerts.yml", "groups: []\n")
    files.write("default/restart_api.test.yml", "anything: goes\n")
    assert files.findings() == []
    files.write("default/alerts.yml", "groups: [\n")
    (found,) = files.findings()
    assert found.startswith("default/alerts.yml:2: This is not valid YAML: ")


def test_other_suffix(files: Files) -> None:
    """A file that would silently not be read is pointed out."""
    files.service()
    files.write("org.yaml", "{}")
    assert files.findings() == ["org.yaml:1: Only .yml files are read. Rename it to org.yml."]


def test_folder_without_service(files: Files) -> None:
    """So is a folder of runbooks that belongs to no service, and one whose name is no key."""
    files.service()
    files.write("Check_out/restart.yml", "{}")
    assert files.findings() == [
        "Check_out:1: This folder has no service.yml. Add it.",
        "Check_out:1: This folder's name is not a service key. Use 2 to 40 of a-z, 0-9 and -, a letter first.",
    ]


def test_hidden_folders(files: Files) -> None:
    """Version control and mounted ConfigMaps keep their own folders."""
    files.service()
    files.write(".git/x.yml", "[")
    files.write("..data/service.yml", "[")
    assert files.findings() == []


def test_missing_folder(files: Files) -> None:
    """A folder that does not exist names the variable."""
    (found,) = load([files.root / "nowhere"]).findings
    assert str(found) == f"{files.root}/nowhere:1: This folder does not exist. Correct TOCSIN_CATALOG."


def test_empty_folder(files: Files) -> None:
    """A catalogue without a service is no catalogue."""
    loaded = files.load()
    assert loaded.catalogue is None
    assert loaded.findings[0].sentence == "No service is here. Add <key>/service.yml."


def test_version(files: Files) -> None:
    """The version changes with the content, and only with it."""
    path = files.service()
    first = files.load().catalogue.version
    path.write_text("# a comment\n" + path.read_text())
    assert files.load().catalogue.version == first
    files.service(extra="name: Other")
    assert files.load().catalogue.version != first
