"""Alertmanager's matchers are read as Alertmanager reads them."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, strategies as st

from bot.domain.catalogue.matchers import Matcher, parse
from bot.domain.errors import Unclear


@pytest.mark.parametrize(
    ("text", "matcher"),
    [
        ('alertname="APIDown"', Matcher("alertname", "=", "APIDown")),
        ("alertname = APIDown", Matcher("alertname", "=", "APIDown")),
        ('severity=~"crit.*"', Matcher("severity", "=~", "crit.*")),
        ('severity!~"a|b"', Matcher("severity", "!~", "a|b")),
        ('x!=""', Matcher("x", "!=", "")),
        ("x=", Matcher("x", "=", "")),
        (r'x="a\"b\\c\nd"', Matcher("x", "=", 'a"b\\c\nd')),
        ('"my label"="1"', Matcher("my label", "=", "1")),
    ],
)
def test_read(text: str, matcher: Matcher) -> None:
    """Quoted and unquoted, with any of the four operators."""
    assert parse(text) == matcher


@pytest.mark.parametrize(
    "text", ["", "alertname", 'a="b', 'a="b" c', "a==b", '{a="b"}', '1a="b"', 'a="b",c="d"', 'a=~"("']
)
def test_refused(text: str) -> None:
    """What is none says how one is written."""
    with pytest.raises(Unclear):
        parse(text)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ('severity=~"crit.*"', True),
        ('severity=~"crit"', False),
        ('severity!~"crit"', True),
        ('severity="critical"', True),
        ('severity!="critical"', False),
        ('absent=""', True),
        ('absent!=""', False),
        ('absent=~".+"', False),
    ],
)
def test_holds(text: str, holds: bool) -> None:
    """Patterns are anchored, and an absent label is empty."""
    assert parse(text).holds({"severity": "critical"}) is holds


@given(st.text(max_size=60))
def test_any_text(text: str) -> None:
    """Whatever is there, it is a matcher or is refused as unclear."""
    with contextlib.suppress(Unclear):
        assert parse(text).name.strip() or '"' in text


@given(st.text(max_size=60))
def test_written_as_read(text: str) -> None:
    """What a matcher says of itself is read back the same."""
    with contextlib.suppress(Unclear):
        found = parse(text)
        assert parse(str(found)) == found


@pytest.mark.parametrize("text", ['alertname="APIDown"', r'"my \"label\""=~"a\\.b\n"', 'x!=""'])
def test_spelling(text: str) -> None:
    """Quoted as Alertmanager writes them."""
    assert str(parse(text)) == text


def test_half_a_character() -> None:
    """Half of a surrogate pair, which JSON can spell, matches what it can and breaks nothing."""
    assert parse('job=~".+"').holds({"job": "\ud800"})
    with pytest.raises(Unclear):
        parse('job=~"\ud800"')
