"""`tocsin route FILE`: which route the alerts of a payload take, and why."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.cli.conftest import Run

ORG = """\
default_service: default
routes:
  - {match: ['job="till"'], service: payments, channel: tills}
  - {match: ['alertname="Watchdog"'], heartbeat: {every: 5m}}
generic:
  zabbix: {alerts: "events[]", labels: {alertname: name, severity: level}}
"""
SERVICE = """\
service: %s
timezone: Europe/Berlin
default_severity: P2
severities:
  - {key: P1, aliases: [critical], on_alert: declare, automatic: ask, escalation_policy: critical}
  - {key: P2}
escalation_policies:
  critical:
    steps:
      - {after: 0m, notify: ["slack:#tills"]}
      - {after: 15m, unless: acknowledged, during: day, notify: ["page:oncall"]}
hours: {day: {from: "08:00", to: "20:00"}}
oncall: {primary: {who: [U0ADA]}}
"""


def labelled(**labels: str) -> dict[str, object]:
    return {"status": "firing", "labels": labels, "annotations": {}, "startsAt": "2026-11-20T18:00:57Z"}


@pytest.fixture
def catalogue(tmp_path: Path) -> str:
    folder = tmp_path / "catalogue"
    for key in ("default", "payments"):
        (folder / key).mkdir(parents=True)
        (folder / key / "service.yml").write_text(SERVICE % key)
    (folder / "org.yml").write_text(ORG)
    return str(folder)


def payload(folder: Path, content: object) -> str:
    path = folder / "payload.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def test_each_alert_has_its_way(run: Run, catalogue: str, tmp_path: Path) -> None:
    """For each alert: service, severity, channel, escalation policy, runbook, group, and the reasons in sentences."""
    alerts = [labelled(alertname="CardsFail", job="till", severity="critical"), labelled(alertname="Watchdog")]
    outcome = run("route", payload(tmp_path, {"version": "4", "alerts": alerts}), TOCSIN_CATALOG=catalogue)
    assert (outcome.code, outcome.err) == (0, "")
    assert (
        outcome.out
        == """\
CardsFail (firing)
  service     payments
  severity    P1
  at once     an incident is declared; a runbook asks before it runs
  channel     #tills
  escalation  critical: T+0m slack:#tills; T+15m unless acknowledged during day page:oncall
  runbook     none
  group       service="payments", alertname="CardsFail"
  why         Route 1 (org.yml:3) matched: job="till".
              The route says service payments.
              The label severity says “critical”, which is P1.
              The route says channel tills.
              P1 has the escalation policy critical.

Watchdog (firing)
  service     default
  severity    P2
  at once     a card; a runbook is suggested
  channel     #ops-alerts
  escalation  none
  runbook     none
  group       service="default", alertname="Watchdog"
  must        arrive every 5m
  why         Route 2 (org.yml:4) matched: alertname="Watchdog".
              No label says a service, so it is the default service, default.
              So it has the default severity of default, P2.
              It must keep arriving: its absence is the alert.
"""
    )


def test_from_standard_input(run: Run, catalogue: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` is standard input; what a terminal would obey is left out."""
    body = json.dumps({"alerts": [labelled(alertname="A\x1b[2J")]}).encode()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(body)))
    outcome = run("route", "-", TOCSIN_CATALOG=catalogue)
    assert outcome.code == 0
    assert outcome.out.startswith("A[2J (firing)\n  service     default\n")


def test_other_senders(run: Run, catalogue: str, tmp_path: Path) -> None:
    """A payload of another sender is read as its door reads it, one of the catalogue's mappings too."""
    file = payload(tmp_path, {"events": [{"name": "CardsFail", "level": "critical"}]})
    outcome = run("route", file, "--from", "zabbix", TOCSIN_CATALOG=catalogue)
    assert outcome.code == 0
    assert outcome.out.startswith("CardsFail (firing)\n  service     default\n  severity    P1\n")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "is not JSON."),
        ("[" * 100_000, "is not JSON."),
        ("\x00", "is not JSON."),
        ([1], "is no payload: it must be a JSON object."),
        ({"alerts": []}, "holds no alert."),
    ],
)
def test_what_is_no_payload(run: Run, catalogue: str, tmp_path: Path, content: object, sentence: str) -> None:
    """What cannot be read is one sentence and exit code 1."""
    outcome = run("route", payload(tmp_path, content), TOCSIN_CATALOG=catalogue)
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.endswith(f"{sentence}\n")
    assert outcome.err.count("\n") == 1


def test_findings_come_first(run: Run, catalogue: str, tmp_path: Path) -> None:
    """A catalogue with findings routes nothing; the sentence says where they are."""
    Path(catalogue, "org.yml").write_text("routes: [{match: ['a=b'], service: nowhere}]")
    outcome = run("route", payload(tmp_path, {"alerts": [labelled()]}), TOCSIN_CATALOG=catalogue)
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err == "The catalogue has findings: `tocsin check` lists them. Correct them first.\n"


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("route",), "FILE"),
        (("route", "/nowhere.json"), "/nowhere.json"),
        (("route", "-", "--from", "grafna"), "grafana"),
    ],
)
def test_misuse(run: Run, catalogue: str, arguments: tuple[str, ...], word: str) -> None:
    """A missing file or an unknown sender is a usage error: one sentence, exit code 2."""
    outcome = run(*arguments, TOCSIN_CATALOG=catalogue)
    assert (outcome.code, outcome.out) == (2, "")
    assert word in outcome.err
    assert outcome.err.count("\n") == 1
