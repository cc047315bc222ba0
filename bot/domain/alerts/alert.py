"""One alert as understood, whatever its sender; what came in one message; and what makes two alerts the same."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any

NOTHING: Mapping[str, Any] = MappingProxyType({})
LONGEST_FINGERPRINT = 200

_OF_PROMETHEUS = re.compile(r"[0-9a-f]{16}", re.ASCII)


class Status(StrEnum):
    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True)
class Links:
    """http or https, or empty."""

    graph: str = ""
    dashboard: str = ""
    runbook: str = ""
    source: str = ""


@dataclass(frozen=True)
class Alert:
    """A single alert. What nobody named or dated has an empty name or no time, and is an alert all the same.

    `labels` always hold `alertname` where a name is known. `said_at` is when the sender says that this was so: it puts
    messages in order that arrive out of it. `also` are other fingerprints under which the sender may speak of this
    alert. `group` is the key under which the sender groups it, as Alertmanager's PagerDuty receiver would send it.
    `extra` is what we did not understand, as JSON of bounded size.
    """

    fingerprint: str
    status: Status
    source: str
    name: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    said_at: datetime | None = None
    links: Links = Links()
    also: tuple[str, ...] = ()
    group: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)


class Happening(StrEnum):
    DEPLOYMENT = "deployment"
    WORKFLOW = "workflow"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    UNACKNOWLEDGED = "unacknowledged"
    ESCALATED = "escalated"
    ASSIGNED = "assigned"
    NOTE = "note"
    PING = "ping"
    OTHER = "other"


@dataclass(frozen=True)
class Context:
    """Something that is no alert: a deployment, a failed workflow, or what people did to an alert elsewhere.

    `state` is the sender's own word (`success`, `failure`); `failed` whether that is bad news. `about` is the
    fingerprint of the alert it belongs to, or empty.
    """

    kind: Happening
    source: str
    title: str = ""
    state: str = ""
    failed: bool = False
    about: str = ""
    by: str = ""
    at: datetime | None = None
    url: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    by_id: str = ""  # the sender's own id of who did it


@dataclass(frozen=True)
class Group:
    """What the sender said of all the alerts in one message. `left_out` is how many more it says there are."""

    key: str = ""
    left_out: int = 0
    extra: Mapping[str, Any] = field(default_factory=dict)


class SubscriptionChange(StrEnum):
    CONFIRM_SUBSCRIPTION = "confirm_subscription"
    SUBSCRIPTION_ENDED = "subscription_ended"


@dataclass(frozen=True)
class SubscriptionRequest:
    """`url` is empty where it leads anywhere but to the sender's own service."""

    change: SubscriptionChange
    subject: str = ""
    url: str = ""


@dataclass(frozen=True)
class Intake:
    """`noticed` says in sentences what was odd or had to be cut."""

    alerts: tuple[Alert, ...] = ()
    contexts: tuple[Context, ...] = ()
    subscription_requests: tuple[SubscriptionRequest, ...] = ()
    group: Group = Group()
    noticed: tuple[str, ...] = ()


def own_fingerprint(source: str, key: str) -> str:
    """The sender's own key for an alert. Empty: it has none.

    Sixteen hexadecimal digits are Prometheus' hash of the labels, which Prometheus, Alertmanager, Mimir and Grafana
    all compute alike. It stays as it is, so that one alert has one fingerprint:

    * from Alertmanager directly and from Grafana's Alertmanager to which the same rule sends;
    * from PagerDuty or Opsgenie, where the page gave that hash as `dedup_key` or `alias` (as this bot does);
    * from a generic source whose mapping names it.

    It is not one alert, since the messages do not allow it:

    * from Alertmanager's own PagerDuty and Opsgenie receivers: their key is the hash of a whole group. It is kept as
      `Alert.group`, equal on both routes where both receivers are in the same Alertmanager route;
    * a rule that Grafana evaluates itself, against the same expression in Prometheus: Grafana adds labels of its own;
    * with external labels or relabelling that differ between the routes, since the hash is over all labels;
    * Datadog, Sentry, CloudWatch: they number their alerts themselves, and PagerDuty numbers what it was told of them
      where no key came along. Those begin with the sender's name: two senders may both have a number 7.
    """
    if not key:
        return ""
    if _OF_PROMETHEUS.fullmatch(key):
        return key
    whole = f"{source}:{key}"
    return whole if len(whole) <= LONGEST_FINGERPRINT else f"{source}:{_sha256(key)}"


def fingerprint_of(source: str, name: str, labels: Mapping[str, str], rest: object) -> str:
    """For an alert whose sender has no key for it: over its labels, in any order.

    Without labels it is the sender's name and the alert's; without either, all that is left, so that two nameless
    things stay two.
    """
    if labels:
        return _sha256(sorted(labels.items()))
    return _sha256([source, name] if name else [source, rest])


def group_key_hash(key: str) -> str:
    """SHA-256 of the group's own key, as Alertmanager's PagerDuty and Opsgenie receivers send it."""
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest() if key else ""


def prometheus_fingerprint(labels: Mapping[str, str]) -> str:
    """FNV-1a, 64 bits, names in order: what Prometheus and Alertmanager compute for a set of labels."""
    digest = 0xCBF29CE484222325
    for name, value in sorted((name.encode(), value.encode()) for name, value in labels.items()):
        for byte in name + b"\xff" + value + b"\xff":
            digest = (digest ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{digest:016x}"


def _sha256(value: object) -> str:
    """Of any JSON. Keys are sorted, and the text is ASCII, whatever the value holds."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")).hexdigest()


HOOK = "hook"  # an item's kind is `hook:` and the vendor
