"""Whatever is in whatever place of a payload: nothing is raised, and nothing else is lost."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from bot.domain.alerts.alert import Alert, Intake, Status
from bot.intake import VENDORS
from bot.intake.building import LONGEST_LABEL, MOST_ALSO, MOST_ANNOTATIONS, MOST_LABELS
from bot.intake.reading import LONGEST_NAME, LONGEST_TEXT, LONGEST_URL, MOST_NOTES
from tests.intake.payloads import NOW, Payload, every, one

Place = tuple[str | int, ...]

TEXTS = st.one_of(
    st.text(max_size=40),
    st.sampled_from(["\x00", "\ud800", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59", "javascript:alert(1)"]),
    st.sampled_from(
        ["http://[", "https://user:pw@example.com/", "1e999", "9" * 400, "x" * 5_000, "$ALERT_ID", "{", "[]"]
    ),
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from([2**63, -(2**63), 10**300, 1e300, float("inf"), float("nan")]),
    TEXTS,
)
ANY_JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(TEXTS, inner, max_size=5)),
    max_leaves=12,
)


def _places(value: object, here: Place = ()) -> Iterator[Place]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield (*here, name)
            yield from _places(inner, (*here, name))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield (*here, number)
            yield from _places(inner, (*here, number))


def _with(body: dict[str, Any], place: Place, value: object) -> dict[str, Any]:
    changed = copy.deepcopy(body)
    holder: Any = changed
    for step in place[:-1]:
        holder = holder[step]
    holder[place[-1]] = value
    return changed


PAYLOADS = every()
EVERY_PLACE = [(payload, place) for payload in PAYLOADS for place in _places(payload.body)]
ODD = [None, True, 7, -1.5, "", "odd", [], [[]], {}, {"odd": {"odd": ["odd"]}}, ["odd", None, {}]]


def _is_sound(found: Intake) -> None:
    """Everything kept is bounded and can be stored."""
    for alert in found.alerts:
        assert alert.fingerprint
        assert alert.status in Status
        _is_bounded(alert)
    kept = [[alert.extra, dict(alert.labels), dict(alert.annotations), alert.name] for alert in found.alerts]
    told = [[context.extra, dict(context.labels), context.title, context.by] for context in found.contexts]
    stored = json.dumps([kept, told, found.group.extra, found.noticed], allow_nan=False, ensure_ascii=False)
    assert "\x00" not in stored
    assert "\\u0000" not in stored
    stored.encode("utf-8")


def _is_bounded(alert: Alert) -> None:
    assert len(alert.labels) <= MOST_LABELS + 5
    assert len(alert.annotations) <= MOST_ANNOTATIONS + 5
    assert all(len(name) <= LONGEST_NAME and len(text) <= LONGEST_LABEL for name, text in alert.labels.items())
    assert all(len(name) <= LONGEST_NAME and len(text) <= LONGEST_TEXT for name, text in alert.annotations.items())
    assert len(alert.name) <= LONGEST_NAME
    assert len(alert.fingerprint) <= 250
    assert len(alert.also) <= MOST_ALSO
    assert len(json.dumps(alert.extra)) < 150_000
    for link in (alert.links.graph, alert.links.dashboard, alert.links.runbook, alert.links.source):
        assert not link or (link.startswith(("http://", "https://")) and len(link) <= LONGEST_URL)


def _identity(alert: Alert) -> tuple[object, ...]:
    return alert.fingerprint, alert.name, dict(alert.labels), dict(alert.annotations), alert.starts_at


@pytest.mark.parametrize("payload", PAYLOADS, ids=str)
def test_an_odd_value_in_every_place_loses_no_alert(payload: Payload) -> None:
    """Each field of each payload in turn is each odd thing: as many alerts come out, and the others are unchanged."""
    plain = payload.read()
    for place in _places(payload.body):
        for odd in ODD:
            found = payload.read(_with(payload.body, place, odd))
            _is_sound(found)
            _keeps_the_others(payload, plain, found, place)


@settings(max_examples=400)
@given(where=st.sampled_from(EVERY_PLACE), value=ANY_JSON)
def test_any_json_in_any_place_loses_no_alert(where: tuple[Payload, Place], value: object) -> None:
    """The same with whatever can be thought of."""
    payload, place = where
    found = payload.read(_with(payload.body, place, value))
    _is_sound(found)
    _keeps_the_others(payload, payload.read(), found, place)


@settings(max_examples=300)
@given(vendor=st.sampled_from(sorted(VENDORS)), body=st.dictionaries(TEXTS, ANY_JSON, max_size=6))
def test_any_object_is_read(vendor: str, body: dict[str, Any]) -> None:
    """A body that no vendor ever sent raises nothing."""
    _is_sound(VENDORS[vendor](body, received_at=NOW))


@pytest.mark.parametrize(
    "place", sorted({place for payload, place in EVERY_PLACE if len(place) == 1}, key=str), ids=str
)
def test_a_missing_field_loses_no_alert(place: Place) -> None:
    """What is simply not there is not missed, except for the alerts themselves."""
    for payload in PAYLOADS:
        if place[0] not in payload.body:
            continue
        body = {name: value for name, value in payload.body.items() if name != place[0]}
        found = payload.read(body)
        _is_sound(found)
        if place[0] not in _HOLD_ALL and len(body) > 0:
            assert len(found.alerts) >= len(payload.read().alerts)


# Where these are replaced, what they held is gone with them.
_HOLD_ALL = frozenset({"alerts", "messages", "event", "events", "alert", "data", "payload"})


def _keeps_the_others(payload: Payload, plain: Intake, found: Intake, place: Place) -> None:
    """As many alerts as before, and those elsewhere in the payload as they were."""
    if place in (("alerts",), ("messages",), ("events",)):
        return
    # A mapping's expression leaves out what is null; the others stay.
    gone = 1 if payload.mapping and len(place) == 2 else 0
    assert len(found.alerts) >= len(plain.alerts) - gone, place
    if len(plain.alerts) < 2 or len(place) < 2 or not isinstance(place[1], int):
        return
    after = [(_identity(alert), alert.status) for alert in found.alerts]
    for number, before in enumerate(plain.alerts):
        assert number == place[1] or (_identity(before), before.status) in after


@settings(max_examples=200)
@given(payload=st.sampled_from(PAYLOADS), seed=st.integers(0, 2**32))
def test_the_order_of_keys_changes_nothing(payload: Payload, seed: int) -> None:
    """A fingerprint is of what is said, not of how it is written."""
    shuffled = _shuffled(payload.body, random.Random(seed))  # noqa: S311 - an order, not a secret
    before, after = payload.read(), payload.read(shuffled)
    assert [alert.fingerprint for alert in before.alerts] == [alert.fingerprint for alert in after.alerts]
    assert [_identity(alert) for alert in before.alerts] == [_identity(alert) for alert in after.alerts]


def _shuffled(value: Any, order: random.Random) -> Any:
    if isinstance(value, list):
        return [_shuffled(one, order) for one in value]
    if not isinstance(value, dict):
        return value
    names = list(value)
    order.shuffle(names)
    return {name: _shuffled(value[name], order) for name in names}


LABELS = st.dictionaries(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20), min_size=1, max_size=5)


@settings(max_examples=200)
@given(first=LABELS, second=LABELS)
def test_other_labels_are_another_alert(first: dict[str, str], second: dict[str, str]) -> None:
    """Two sets of labels have one fingerprint only if they are the same set, no matter who sends them."""
    for vendor in ("alertmanager", "generic"):
        body = {"alerts": [{"labels": first}, {"labels": second}]}
        one_alert, other = VENDORS[vendor](body, received_at=NOW).alerts
        alike = dict(one_alert.labels) == dict(other.labels)
        assert (one_alert.fingerprint == other.fingerprint) is alike


def test_labels_beyond_the_bound_still_tell_alerts_apart() -> None:
    """What is cut from view is not cut from the fingerprint."""
    many = {f"label_{number:03}": "x" for number in range(200)}
    body = {"alerts": [{"labels": {**many, "zzz": place}} for place in ("a", "b")]}
    for vendor in ("alertmanager", "generic"):
        found = VENDORS[vendor](body, received_at=NOW)
        assert found.alerts[0].fingerprint != found.alerts[1].fingerprint
        assert any("200" in sentence or "201" in sentence for sentence in found.noticed)
        _is_sound(found)


def test_an_alert_without_anything_is_kept_and_told_apart() -> None:
    """No name, no labels, no times: each is an alert, and two different ones stay two."""
    body = {"alerts": [{"annotations": {"summary": "one"}}, {"odd": 1}, {"odd": 2}, {}, None, "text", 7]}
    for vendor in ("alertmanager", "grafana", "generic"):
        found = VENDORS[vendor](body, received_at=NOW)
        assert len(found.alerts) == 7
        assert len({alert.fingerprint for alert in found.alerts}) == 6  # of {} and null nothing is known alike
        assert all(alert.status is Status.FIRING and alert.starts_at is None for alert in found.alerts)
        assert found.alerts[5].extra == {"value": "text"}


def test_firing_and_resolved_are_the_same_alert_without_a_fingerprint() -> None:
    """Neither status nor times are part of what an alert is known by."""
    for labels in ({"a": "b"}, {}):
        body = {
            "alerts": [
                {"status": "firing", "labels": labels, "annotations": {"x": "y"}, "startsAt": "2026-11-20T18:00:00Z"},
                {"status": "resolved", "labels": labels, "annotations": {"x": "y"}, "endsAt": "2026-11-20T19:00:00Z"},
            ]
        }
        for vendor in ("alertmanager", "grafana", "generic"):
            firing, resolved = VENDORS[vendor](body, received_at=NOW).alerts
            assert firing.fingerprint == resolved.fingerprint
            assert (firing.status, resolved.status) == (Status.FIRING, Status.RESOLVED)


def test_one_alert_by_several_routes_has_one_fingerprint() -> None:
    """Alertmanager, its old versions, Grafana, PagerDuty and a generic sender that repeat its hash."""
    labels = one("alertmanager", "01").body["alerts"][0]["labels"]
    grafana = {"alerts": [{"status": "firing", "labels": labels}], "orgId": 1}
    opsgenie = {"action": "Create", "alert": {"alias": "26dfd15b3d689add", "message": "x"}}
    generic = {"title": "x", "fingerprint": "26dfd15b3d689add"}
    found = [
        one("alertmanager", "01").read().alerts[0],
        one("alertmanager", "version 3").read().alerts[0],
        one("pagerduty", "incident.acknowledged").read().alerts[0],
        VENDORS["grafana"](grafana, received_at=NOW).alerts[0],
        VENDORS["opsgenie"](opsgenie, received_at=NOW).alerts[0],
        VENDORS["generic"](generic, received_at=NOW).alerts[0],
    ]
    assert {alert.fingerprint for alert in found} == {"26dfd15b3d689add"}


def test_two_senders_may_both_have_a_number_seven() -> None:
    """A number is the sender's own."""
    opsgenie = VENDORS["opsgenie"]({"action": "Create", "alert": {"alias": "7"}}, received_at=NOW).alerts[0]
    generic = VENDORS["generic"]({"title": "x", "fingerprint": 7}, received_at=NOW).alerts[0]
    assert (opsgenie.fingerprint, generic.fingerprint) == ("opsgenie:7", "generic:7")


def test_keys_that_differ_at_their_ends_are_two() -> None:
    """However long a sender's key is, all of it counts."""
    for vendor, field in (("alertmanager", "fingerprint"), ("generic", "dedup_key")):
        body = {"alerts": [{"labels": {"a": "b"}, field: "x" * 5_000 + end} for end in "12"]}
        found = VENDORS[vendor](body, received_at=NOW)
        assert found.alerts[0].fingerprint != found.alerts[1].fingerprint
        _is_sound(found)


def test_a_large_message_is_read_whole() -> None:
    """Thousands of alerts with long texts: each comes out, cut to size, and the sentences stay few."""
    labels = {"alertname": "A", "job": "x"}
    alerts = [
        {
            "status": "firing",
            "labels": {**labels, "n": str(number)},
            "annotations": {"text": "é" * 6_000},
            "odd": [[[]]],
        }
        for number in range(1_000)
    ]
    found = VENDORS["alertmanager"]({"alerts": alerts, "groupKey": "x"}, received_at=NOW)
    assert len({alert.fingerprint for alert in found.alerts}) == 1_000
    assert all(len(alert.annotations["text"]) == LONGEST_TEXT for alert in found.alerts)
    assert len(found.noticed) == MOST_NOTES + 1


def test_a_deep_message_is_bounded() -> None:
    """What is nested without end is kept as far as it is bearable."""
    deep: dict[str, Any] = {}
    for _ in range(500):
        deep = {"deeper": deep, "list": [deep]} if _ < 3 else {"deeper": deep}
    for vendor in VENDORS:
        body: dict[str, Any] = {"alerts": [{"labels": {"a": deep}, "odd": deep}], "alert": deep, "event": deep}
        _is_sound(VENDORS[vendor]({**body, "data": deep, "Message": deep, "detail": deep}, received_at=NOW))


def test_links_that_are_not_for_people_are_not_links() -> None:
    """Other schemes, names and passwords, and markup stay text."""
    for url in (
        "javascript:alert(1)",
        "ftp://x/",
        "https://u:p@x/",
        "https://x/<y>",
        "https://x/a b",
        "//x",
        "https://",
    ):
        body = {"alerts": [{"labels": {"a": "b"}, "generatorURL": url, "annotations": {"runbook_url": url}}]}
        found = VENDORS["alertmanager"](body, received_at=NOW)
        assert found.alerts[0].links.graph == found.alerts[0].links.runbook == ""
        assert found.alerts[0].extra["generatorURL"] == url
        assert any("generatorURL" in sentence for sentence in found.noticed)


def test_a_start_in_the_far_future_is_not_believed() -> None:
    """A clock that is years ahead would make everything after it look old."""
    body = {"alerts": [{"labels": {"a": "b"}, "startsAt": "2031-01-01T00:00:00Z"}]}
    found = VENDORS["alertmanager"](body, received_at=NOW)
    assert found.alerts[0].starts_at is None
    assert any("future" in sentence for sentence in found.noticed)


def test_an_unknown_status_fires() -> None:
    """In doubt somebody looks, and is told why."""
    body = {"alerts": [{"labels": {"a": "b"}, "status": "melting"}]}
    found = VENDORS["alertmanager"](body, received_at=NOW)
    assert found.alerts[0].status is Status.FIRING
    assert any("melting" in sentence for sentence in found.noticed)


def test_an_empty_message_holds_no_alert() -> None:
    """Nothing comes of nothing, and that is said."""
    for vendor, read in VENDORS.items():
        found = read({}, received_at=NOW)
        assert found.alerts == ()
        assert vendor == "github" or found.noticed == ("The message holds no alert.",)


def test_a_message_of_no_known_shape_is_one_alert() -> None:
    """It came to the alerts' door, so somebody shall see it."""
    for vendor in set(VENDORS) - {"github"}:
        found = VENDORS[vendor]({"hello": ["world"]}, received_at=NOW)
        assert [alert.extra for alert in found.alerts] == [{"hello": ["world"]}]
        assert vendor == "generic" or found.noticed
