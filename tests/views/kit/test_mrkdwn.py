"""Text for Slack is harmless unless it is meant."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, strategies as st

from bot.views.kit import mrkdwn
from bot.views.kit.mrkdwn import JOINER, Safe, escape, literal

AT = datetime(2026, 3, 2, 15, 30, tzinfo=timezone(timedelta(hours=1)))


@given(st.text(alphabet=st.sampled_from("<>&!@#here channel*_~`|U0^\n;lt"), max_size=40))
def test_no_markup_survives(text: str) -> None:
    """Whatever is typed, no control sequence and no broadcast is left, and Slack's decoding gives it back."""
    for made in (escape(text), literal(text)):
        assert "<" not in made
        assert ">" not in made
        assert not re.search(r"@(here|channel)\b", made)
        decoded = made.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
        assert decoded.replace(JOINER, "") == text


def test_safe_stays() -> None:
    """What is markup already is not escaped again."""
    assert escape(mrkdwn.mention("U0ADA")) == "<@U0ADA>"
    assert literal(Safe("*x*")) == "*x*"
    assert isinstance(str(Safe("x")), Safe)


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("*bold*", f"{JOINER}*bold*"),
        ("a *b c* d", f"a {JOINER}*b c* d"),
        ("snake_case_name", "snake_case_name"),
        ("2 * 3 * 4", "2 * 3 * 4"),
        ("*_~", "*_~"),
        ("```code```", f"{JOINER}```code```"),
        ("> quoted\n> again", f"{JOINER}&gt; quoted\n{JOINER}&gt; again"),
    ],
)
def test_literal(text: str, made: str) -> None:
    """Formatting is taken out only where there would be some."""
    assert literal(text) == made


@pytest.mark.parametrize("text", ["*" * 100_000, "*a " * 30_000, "*_" * 50_000 + "x", "a" + "~`" * 50_000])
def test_marks_alone(text: str) -> None:
    """A text that is nothing but marks is read once from end to end, whatever its length."""
    assert literal(text).replace(JOINER, "") == text


def test_escape_keeps_formatting() -> None:
    """People's own prose keeps its formatting."""
    assert escape("*bold* <x>") == "*bold* &lt;x&gt;"


def test_pieces() -> None:
    """Mentions, channels, links and times are markup; what does not look like one stays text."""
    assert mrkdwn.mention("S0SRE") == "<!subteam^S0SRE>"
    assert mrkdwn.mention("ada <x>") == "ada &lt;x&gt;"
    assert mrkdwn.mention("U0ADA at PagerDuty") == "<@U0ADA> at PagerDuty"
    assert mrkdwn.mention("Eve <!here> at PagerDuty") == "Eve &lt;!here&gt; at PagerDuty"
    assert mrkdwn.mention("U0ADA at PagerDuty <x>") == "U0ADA at PagerDuty &lt;x&gt;"
    assert mrkdwn.channel("C0INC") == "<#C0INC>"
    assert mrkdwn.channel("#inc") == "#inc"
    assert mrkdwn.link("https://x/?a|b&c", "a|b <c>") == "<https://x/?a%7Cb&amp;c|a¦b &lt;c&gt;>"
    assert mrkdwn.link("javascript:alert(1)", "x") == "x"


def test_times() -> None:
    """A time is a token with a fallback in UTC."""
    epoch = int(AT.timestamp())
    assert mrkdwn.clock(AT) == f"<!date^{epoch}^{{time}}|14:30 UTC>"
    assert mrkdwn.moment(AT.astimezone(UTC)) == f"<!date^{epoch}^{{date_short_pretty}}, {{time}}|02 Mar, 14:30 UTC>"


@given(st.lists(st.sampled_from(["<@U0ADA>", "&amp;", "word ", "x"]), max_size=30), st.integers(5, 60))
def test_clip(pieces: list[str], limit: int) -> None:
    """A clipped text is short enough and holds no half of a mention or of an entity."""
    made = mrkdwn.clip("".join(pieces), limit)
    assert len(made) <= limit
    assert made.count("<") == made.count(">")
    assert made.count("&") == made.count("&amp;")
