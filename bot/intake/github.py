"""GitHub's webhooks: deployments and workflows, as context for people who ask what changed.

https://docs.github.com/en/webhooks/webhook-events-and-payloads
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bot.domain.alerts.alert import NOTHING, Context, Happening, Intake
from bot.intake.building import context, whole
from bot.intake.reading import LONGEST_NAME, Item, Notes, clean

SOURCE = "github"

_FAILED = frozenset({"failure", "error", "timed_out", "startup_failure", "action_required"})
_KNOWN = ("deployment_status", "deployment", "workflow_run", "workflow_job", "check_run", "check_suite")


def read(payload: Mapping[str, Any], *, received_at: datetime, headers: Mapping[str, str] = NOTHING) -> Intake:
    message = Item(payload, "", Notes())
    event = _event(message, headers)
    by, repository = _named(message, "sender", "login"), _named(message, "repository", "full_name")
    message.drop("organization", "installation", "enterprise")
    if event == "ping":
        message.drop("hook", "zen")
        return whole(message.notes, contexts=[context(Happening.PING, SOURCE, message, by=by, title=repository)])
    found = _deployment(message) if event.startswith("deployment") else _run(message, event)
    return whole(message.notes, contexts=[_told(message, found, by=by, repository=repository)])


def _event(message: Item, headers: Mapping[str, str]) -> str:
    said = clean(headers.get("x-github-event", ""))[:LONGEST_NAME]
    if said:
        return said
    if "zen" in message and "hook_id" in message:
        return "ping"
    return next(filter(message.has_object, _KNOWN), "")


class _Found:
    def __init__(self, kind: Happening, title: str = "", state: str = "") -> None:
        self.kind, self.title, self.state = kind, title, state
        self.at: datetime | None = None
        self.url = ""
        self.labels: dict[str, str] = {}

    def label(self, **values: str) -> None:
        self.labels |= {name: value for name, value in values.items() if value}


def _deployment(message: Item) -> _Found:
    deployment, status = _inside(message, "deployment"), _inside(message, "deployment_status")
    environment = status.text("environment", longest=LONGEST_NAME) or deployment.text("environment")
    ref = deployment.text("ref", longest=LONGEST_NAME)
    found = _Found(Happening.DEPLOYMENT, f"Deployment of {ref or 'an unknown ref'} to {environment or 'somewhere'}")
    found.state = status.text("state", longest=LONGEST_NAME) or message.text("action", longest=LONGEST_NAME)
    found.at = status.time("updated_at", "created_at") or deployment.time("updated_at", "created_at")
    found.url = status.url("log_url", "target_url", "environment_url")
    found.label(environment=environment, ref=ref, sha=deployment.text("sha"), task=deployment.text("task"))
    found.label(description=status.text("description") or deployment.text("description"))
    for one in (deployment, status):
        _forget(one)
    return found


def _run(message: Item, event: str) -> _Found:
    if event not in _KNOWN:
        return _Found(Happening.OTHER, event or "An event of GitHub", message.text("action", longest=LONGEST_NAME))
    run = _inside(message, event)
    name = run.text("name", "workflow_name", longest=LONGEST_NAME) or _named(message, "workflow", "name")
    found = _Found(Happening.WORKFLOW, name or event)
    found.state = run.text("conclusion", "status", longest=LONGEST_NAME)
    found.at = run.time("updated_at", "completed_at", "run_started_at", "started_at", "created_at")
    found.url = run.url("html_url", "details_url")
    found.label(ref=run.text("head_branch", longest=LONGEST_NAME), sha=run.text("head_sha", longest=LONGEST_NAME))
    found.label(description=run.text("display_title"), event=run.text("event"), attempt=run.text("run_attempt"))
    _forget(run)
    message.drop("workflow")
    return found


def _told(message: Item, found: _Found, *, by: str, repository: str) -> Context:
    found.label(repository=repository)
    return context(
        found.kind,
        SOURCE,
        message,
        title=found.title,
        state=found.state,
        failed=found.state in _FAILED,
        by=by,
        at=found.at,
        url=found.url,
        labels=found.labels,
    )


def _inside(message: Item, name: str) -> Item:
    return message.open(name) if name in message else Item({}, name, message.notes)


def _named(message: Item, field: str, name: str) -> str:
    if not message.has_object(field):
        return ""
    return Item(message.take(field), field, message.notes).text(name, longest=LONGEST_NAME)


def _forget(item: Item) -> None:
    item.drop("creator", "actor", "triggering_actor", "repository", "head_repository", "head_commit", "pull_requests")
    item.drop("app", "performed_via_github_app", "check_suite", "node_id", "referenced_workflows")
    item.drop(*[name for name in item.names() if name == "url" or name.endswith(("_url", "_node_id"))])
