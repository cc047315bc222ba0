"""Silences and maintenance in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.domain.alerts.maintenance import Window
from bot.domain.alerts.silence import Silence
from bot.domain.catalogue.matchers import Matcher
from bot.views import silence

T0 = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
EVIL = "<!channel> <@U0ADA> *b* `c` @here"
HOUR: dict[str, Any] = {"id": 1, "made_by": "U0BEN", "begins_at": T0, "ends_at": T0 + timedelta(hours=1)}
SILENCE = Silence(matchers=(Matcher("host", "=", EVIL * 10),), reason=EVIL * 4, **HOUR)
WINDOW = Window(service="shop", reason=EVIL, **HOUR)


def test_a_long_list_fits_into_one_message() -> None:
    """Whole lines as far as there is room, and how many more there are; the way to end one is always said."""
    found = [replace(SILENCE, id=number) for number in range(1, 31)]
    text = silence.silences(found, {1: 2})
    assert len(text) < 4_000
    assert "more" in text
    assert text.endswith("`/incident silence end SIL-1`.")
    assert "holds 2 groups of alerts" in text


def test_nothing_comes_out_of_what_was_typed() -> None:
    """Mentions, links and markup in matchers and reasons are text."""
    ended = replace(SILENCE, ended_by="U0ADA")
    texts = [
        silence.made(SILENCE, ["ALR-1"], 1),
        silence.began(SILENCE),
        silence.ended(ended),
        silence.silences([SILENCE], {}),
    ]
    texts += [
        silence.window_began(WINDOW, EVIL),
        silence.windows([WINDOW], {}, {1: 1}),
        silence.on_incident(WINDOW, EVIL),
    ]
    texts += [silence.begun(WINDOW, EVIL, 2, is_new=True), silence.window_moved(WINDOW, EVIL, "U0BEN")]
    texts += [
        silence.window_over(replace(WINDOW, ended_by="U0BEN"), EVIL, 1),
        silence.on_storm(replace(WINDOW, service=EVIL)),
    ]
    for text in texts:
        for bad in ("<!channel", "<@U0ADA> *b", " *b*", " `c`", " @here"):
            assert bad not in text.replace("\N{WORD JOINER}", "J"), text


def test_how_many_are_named() -> None:
    """Ten by name, the rest by number."""
    names = [f"ALR-{number}" for number in range(1, 11)]
    assert silence.groups(names[:1], 1) == "ALR-1"
    assert silence.groups(names, 12).endswith("ALR-10 and 2 more")
