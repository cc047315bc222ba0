"""What is on an alert's card, whatever its labels hold."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import example, given, strategies as st

from bot.domain.alerts.alert import Links, Status
from bot.domain.alerts.group import AlertGroup, Single
from bot.domain.catalogue.service import Service
from bot.domain.catalogue.severity import Severity
from bot.views import alert as view
from bot.views.kit.mrkdwn import JOINER

T0 = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
LEVEL = Severity("P1", "High", 1)
SERVICE = Service("shop", "Shop", (LEVEL,), "P1")
OURS = re.compile(r"<!date\^\d+\^[^<>]*>|<https://graph/1\|Graph>|<https://slack/1\|INC-1>|<@U0BEN>")
NASTY = st.sampled_from(
    ["<!channel>", "<@U0ADA>", "<https://evil|x>", "@here", "*b*", "~s~", "`c`", "&lt;", "\n", "\n> q", "|", "é", "🚨"]
)
TEXT = st.lists(NASTY | st.text(max_size=8), max_size=8).map("".join)


def group(text: str, *, is_over: bool) -> AlertGroup:
    return AlertGroup(
        id=1,
        key="k",
        name=text,
        labels=(("service", "shop"), (text or "x", text)),
        service="shop",
        severity="P1",
        rank=1,
        channel_name="ops-alerts",
        why=(text,),
        noticed=(text,),
        status=Status.RESOLVED if is_over else Status.FIRING,
        since=T0,
        opened_at=T0,
        opened_wall=0.0,
        firing=1,
        total=2,
        acknowledged_at=T0,
        acknowledged_by="U0BEN",
        resolved_at=T0 + timedelta(minutes=5) if is_over else None,
    )


def shown(text: str, *, is_over: bool) -> view.Card:
    labels, links = {text or "x": text, "host": text}, Links(graph="https://graph/1")
    single = Single(1, "f", Status.FIRING, text, labels, {"summary": text}, links)
    found = group(text, is_over=is_over)
    return view.Card(found, SERVICE, LEVEL, [single], T0, "INC-1", "https://slack/1", ("restart", text or "x"))


def _marked(value: Any) -> Iterator[str]:
    """Every text in which Slack reads markup."""
    if isinstance(value, list):
        for one in value:
            yield from _marked(one)
    elif isinstance(value, dict):
        if value.get("type") == "mrkdwn":
            yield value["text"]
            assert value["verbatim"]
        for one in value.values():
            yield from _marked(one)


@given(TEXT, st.booleans())
@example("<https://evil|x>@here0000@here*b*&lt;\n00", False)  # cut short after @here
def test_no_markup_comes_out_of_labels(text: str, is_over: bool) -> None:
    """The only mentions, links and dates are ours; broadcasts are broken up; no name ends what is struck through."""
    card = shown(text, is_over=is_over)
    line = view.Line("P1", 1, text, text, 1, 1, 1)
    storm = view.storm_card(view.StormCard(T0, [line], [group(text, is_over=False)]))
    texts = [*_marked(view.card(card)), *_marked(storm), view.fallback(card.group), view.why(card, "#ops-alerts")]
    for found in texts:
        rest = OURS.sub("", found)
        assert "<" not in rest
        assert ">" not in rest
        assert not re.search(r"@(here|channel|everyone)\b", rest)
    if is_over:
        assert texts[0].splitlines()[0].replace(JOINER, "").count("~") == 2


@given(TEXT, st.booleans())
def test_within_slacks_limits(text: str, is_over: bool) -> None:
    """Whatever is in it, a card is no longer than Slack takes."""
    blocks = view.card(shown(text * 200, is_over=is_over))
    assert len(blocks) <= 50
    assert all(len(found) <= 3000 for found in _marked(blocks))
    json.dumps(blocks)
