"""Requests that nobody would send: for every route, strategies of odd paths, queries, headers and bodies."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx
from hypothesis import strategies as st

from bot.http.app import make_app
from bot.http.door import HttpDoor
from bot.intake import VENDORS

HTTP_METHODS = ("get", "post", "put", "patch", "delete", "options", "head")


@dataclass(frozen=True)
class Odd:
    """One request as it goes over the wire."""

    method: str
    path: str
    headers: Sequence[tuple[bytes, bytes]] = ()
    content: bytes = b""

    async def send(self, api: httpx.AsyncClient, own: Mapping[str, str]) -> httpx.Response:
        """With the headers of a token that may do everything, unless it brings its own."""
        theirs = {name.lower() for name, _ in self.headers}
        kept = [(name.encode(), value.encode()) for name, value in own.items() if name.lower().encode() not in theirs]
        return await api.request(self.method, self.path, headers=[*kept, *self.headers], content=self.content)


def routes(door: HttpDoor) -> list[tuple[str, str]]:
    """Method and path of every documented route, and of those that are not."""
    paths = make_app(door).openapi()["paths"]
    documented = [(method, path) for path, methods in paths.items() for method in methods]
    others = [("post", "/slack/events"), ("get", "/docs"), ("get", "/openapi.json"), ("get", "/{id}")]
    return [(method.upper(), path) for method, path in [*documented, *others]]


# --- values -----------------------------------------------------------------------------------------------------------

TEXTS = st.text(max_size=30) | st.sampled_from(
    [
        "",
        "\0",
        "a\0b",
        "\ud800",
        "\udfff\ud800",
        "\U0010ffff",
        "‮",
        "<!channel>",
        "'; --",
        "%s",
        "{{ 7 * 7 }}",
        "x" * 5000,
    ]
)
NUMBERS = st.integers() | st.floats() | st.sampled_from([10**400, -(10**30), 2**63, 1e308, float("nan"), float("inf")])
PLAIN = st.none() | st.booleans() | NUMBERS | TEXTS
NAMES = st.sampled_from(
    [
        *("title", "severity", "service", "impact", "private", "drill", "fix", "parameters", "reason"),
        *("alerts", "labels", "annotations", "status", "startsAt", "endsAt", "fingerprint", "alertname", "groupKey"),
        *("event", "data", "id", "type", "Type", "Message", "MessageId", "TopicArn", "SubscribeURL", "SigningCertURL"),
        *("Signature", "SignatureVersion", "Timestamp", "Token", "action", "alert", "incident", "agent", "html_url"),
    ]
)
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | TEXTS, inner, max_size=5),
    max_leaves=15,
)
DEEP = st.builds(
    lambda depth, pair: pair[0] * depth + b"1" + pair[1] * depth,
    st.integers(1, 20_000),
    st.sampled_from([(b"[", b"]"), (b'{"a":', b"}"), (b'{"alerts":[', b"]}"), (b"[", b"")]),
)
JSON = st.dictionaries(NAMES, VALUES, max_size=6).map(lambda value: json.dumps(value).encode()) | VALUES.map(
    lambda value: json.dumps(value).encode()
)
BODIES = JSON | JSON.map(lambda text: text[: len(text) // 2]) | st.binary(max_size=80) | DEEP | st.just(b"")

# --- requests ---------------------------------------------------------------------------------------------------------

SEGMENTS = st.sampled_from(
    [
        *(
            "INC-1",
            "inc-1",
            "INC-0",
            "INC-99999999999999999999",
            "ALR-1",
            "alr1",
            "ALR--1",
            "RUN-1",
            "practice",
            *VENDORS,
        ),
        *("%00", "%ff", "%ed%a0%80", "..", "%2e%2e%2f", "a%2Fb", "%", "x" * 3000, "%0d%0aX: y", "٤٢", "INC-٤٢"),
    ]
) | st.text(max_size=12).map(lambda text: quote(text, safe="", errors="replace"))
QUERIES = st.lists(
    st.tuples(
        st.sampled_from(["severity", "service", "source", "status", "limit", "filter", "hours", "x"]),
        TEXTS
        | NUMBERS.map(lambda number: f"{number!r:.400}")
        | st.sampled_from(["P1", "critical", "open", "firing", "default"]),
    ),
    max_size=4,
).map(lambda pairs: "&".join(f"{name}={quote(value, safe='', errors='replace')}" for name, value in pairs))
# What a client may send in a header: anything but ends of lines and NUL.
HEADER_VALUES = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=40
).map(lambda text: text.strip().encode("latin-1"))
HEADERS = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from([b"content-type"]),
            st.sampled_from(
                [
                    b"application/json",
                    b"text/plain",
                    b"application/x-www-form-urlencoded",
                    b"multipart/form-data",
                    b"multipart/form-data; boundary=",
                    b"application/json; charset=utf-16",
                    b"application/problem+json",
                    b"",
                ]
            ),
        ),
        st.tuples(
            st.sampled_from(
                [
                    b"idempotency-key",
                    b"accept",
                    b"expect",
                    b"content-encoding",
                    b"x-github-event",
                    b"x-github-delivery",
                    b"sentry-hook-resource",
                    b"x-amz-sns-message-type",
                    b"x-amz-sns-message-id",
                    b"x-pagerduty-signature",
                    b"x-hub-signature-256",
                    b"sentry-hook-signature",
                    b"x-slack-signature",
                    b"x-slack-request-timestamp",
                    b"x-forwarded-for",
                    b"cookie",
                ]
            ),
            HEADER_VALUES,
        ),
        st.tuples(
            st.just(b"authorization"),
            HEADER_VALUES
            | st.sampled_from([b"Bearer", b"Bearer ", b"Basic Og==", b"Basic \xff", b"Bearer tocsin_\xe9"]),
        ),
    ),
    max_size=3,
)


@st.composite
def odd(draw: st.DrawFn, known: Sequence[tuple[str, str]]) -> Odd:
    method, path = draw(st.sampled_from(known))
    while "{" in path:
        head, _, tail = path.partition("{")
        path = head + draw(SEGMENTS) + tail.partition("}")[2]
    query = draw(QUERIES)
    if draw(st.integers(0, 15)) == 0:
        method = draw(st.sampled_from(HTTP_METHODS)).upper()
    return Odd(method, f"{path}?{query}" if query else path, draw(HEADERS), draw(BODIES))


# --- alerts -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mixed:
    """A message of Alertmanager with well-formed alerts among whatever else. `fingerprints` are theirs."""

    body: dict[str, Any] = field(repr=False)
    fingerprints: frozenset[str]


@st.composite
def mixed(draw: st.DrawFn) -> Mixed:
    """Every other field of the message, and every other alert in it, may be anything."""
    numbers = draw(st.sets(st.integers(0, 2**64 - 1), min_size=1, max_size=4))
    prints = [f"{number:016x}" for number in sorted(numbers)]
    alerts: list[Any] = [_good(draw, one) for one in prints] + draw(st.lists(VALUES | _like_alerts(), max_size=4))
    around = draw(st.dictionaries(NAMES | TEXTS, VALUES, max_size=4))
    return Mixed({**around, "alerts": draw(st.permutations(alerts))}, frozenset(prints))


def _good(draw: st.DrawFn, fingerprint: str) -> dict[str, Any]:
    name = draw(st.sampled_from(["Slow", "APIDown", "Full"]))
    labels = {"alertname": name, "severity": draw(st.sampled_from(["high", "warning", "info"])), "host": fingerprint}
    return {"status": "firing", "labels": labels, "startsAt": "2026-11-20T09:00:00.123Z", "fingerprint": fingerprint}


def _like_alerts() -> st.SearchStrategy[Any]:
    names = st.sampled_from(["status", "labels", "annotations", "startsAt", "endsAt", "generatorURL", "fingerprint"])
    times = st.sampled_from(["2026-11-20T09:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "now"])
    return st.dictionaries(names, VALUES | times | st.sampled_from(["firing", "resolved"]), max_size=7)
