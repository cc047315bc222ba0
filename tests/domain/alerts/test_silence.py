"""How a silence is written, and which alerts it means."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from bot.domain.alerts import maintenance, silence
from bot.domain.alerts.group import silent_until
from bot.domain.alerts.silence import Silence, longest, read
from bot.domain.catalogue.matchers import Matcher, leading
from bot.domain.catalogue.severity import Severity
from bot.domain.errors import Unclear
from tests.support.clock import START
from tests.support.grouped import CATALOGUE

T0 = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
P0 = Severity("P0", "Critical", 0, aliases=("critical", "sev1"))


def made(*matchers: Matcher, hours: float = 1) -> Silence:
    until = T0 + timedelta(hours=hours)
    return Silence(id=1, matchers=matchers, reason="", made_by="U0BEN", begins_at=T0, ends_at=until)


def means(text: str, **labels: str) -> bool:
    return made(*read(f"1h {text}").matchers).covers(labels, "shop", lambda: P0)


# --- as it is written -------------------------------------------------------------------------------------------------

NAMES = st.from_regex(r"[a-z_]{1,8}", fullmatch=True)
VALUES = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="“”„‟″"), min_size=1, max_size=20)
MATCHERS = st.builds(Matcher, NAMES, st.just("="), VALUES)


@given(st.lists(MATCHERS, min_size=1, max_size=5), st.booleans(), st.sampled_from(["--", "—", "–"]), st.booleans())
def test_read_as_it_is_written(matchers: list[Matcher], is_first: bool, dashes: str, in_braces: bool) -> None:
    """Whatever is in the quotes, the duration before or after, with braces and commas or without."""
    text = "{" + ", ".join(map(str, matchers)) + "}" if in_braces else " ".join(map(str, matchers))
    wish = read(f"{f'2h {text}' if is_first else f'{text} 2h'} {dashes} new  disks -- and more")
    assert (wish.lasting, wish.matchers, wish.reason) == ("2h", tuple(matchers), "new disks -- and more")


@given(st.text(max_size=80))
def test_anything_else_is_a_sentence(text: str) -> None:
    """Whatever is typed is read or refused with a sentence."""
    for reads in (read, maintenance.read):
        try:
            reads(text)
        except Unclear as unclear:
            assert unclear.sentence  # noqa: PT017


def test_leading_matchers() -> None:
    """As many as there are, and what follows them."""
    assert leading('{a="b",c=~"d e"} rest of it') == ((Matcher("a", "=", "b"), Matcher("c", "=~", "d e")), "rest of it")
    assert leading("nothing here") == ((), "nothing here")


@pytest.mark.parametrize(
    "text",
    ['a=~".*"', 'a=~".+"', 'a!="b"', 'a=""', 'a!~"b.*" c=~".*"', 'a=~"(?s).+"', 'a=~"b|.*"', 'a!=""', 'a=~"[^x]*"'],
)
def test_what_means_everything_is_refused(text: str) -> None:
    """One matcher at least says what a label is."""
    with pytest.raises(Unclear, match="silence every alert"):
        read(f"1h {text}")
    assert read(f'1h {text} job="api"').matchers[-1] == Matcher("job", "=", "api")


def test_too_many_matchers() -> None:
    """Every alert is compared with all of them."""
    with pytest.raises(Unclear, match="at most 20"):
        read("1h " + " ".join(f'a{number}="b"' for number in range(21)))


# --- what it means ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "is_meant"),
    [
        ('severity="P0"', True),
        ('severity="critical"', True),
        ('severity="Urgent"', True),  # as it was sent
        ('severity=~"sev.*"', True),
        ('severity="P1"', False),
        ('severity!="critical" host="a"', False),
        ('severity!="P1" host="a"', True),
        ('service="shop"', True),
        ('service=~"shop-.*"', True),
        ('service="other"', False),
        ('service!="shop" host="a"', False),
        ('host="a" zone="1"', False),
        ('host="a" zone=""', True),
    ],
)
def test_service_and_severity_go_by_several_words(text: str, is_meant: bool) -> None:
    """By what was sent and by what it was routed to, aliases too; what must not be is none of them."""
    assert means(text, severity="Urgent", service="shop-eu", host="a") is is_meant


def test_the_severity_is_asked_last() -> None:
    """Routing an alert costs more than comparing labels."""

    def never() -> Severity:
        raise AssertionError

    one = made(Matcher("severity", "=", "P0"), Matcher("host", "=", "a"))
    assert not one.covers({"host": "b"}, "shop", never)


@given(st.lists(st.floats(0.1, 100), max_size=6))
def test_the_longest(hours: list[float]) -> None:
    """Of several it is the one that ends last."""
    found = longest(made(hours=one) for one in hours)
    assert (found.ends_at if found else None) == (T0 + timedelta(hours=max(hours)) if hours else None)


@pytest.mark.parametrize("module", [(silence, "SIL"), (maintenance, "MNT")])
def test_names(module: tuple[object, str]) -> None:
    """Any case, with a hyphen or without."""
    rules, characters = module
    for word in (f"{characters}-3", f"{characters.lower()}3", f" {characters}-3 "):
        assert rules.number(word) == 3  # type: ignore[attr-defined]
    for word in ("3", f"{characters}-", "ALR-3", f"{characters}-3x", f"{characters}-٣"):
        assert rules.number(word) is None  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "text", ["shop 2h new disks", "on shop 2h new disks", "shop on 2h new disks", "ON shop 2h  new  disks"]
)
def test_maintenance_as_it_is_written(text: str) -> None:
    """With `on` before the service, after it, or without."""
    assert maintenance.read(text) == maintenance.Wish("shop", timedelta(hours=2), "new disks")


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ('2h alertname=~".*"', "That would silence every alert."),
        ('2h alertname=~".+" host!="a"', "That would silence every alert."),
        ("2h", "Say for how long and what"),
        ('alertname="Slow"', "Say for how long and what"),
        ('2h alertname="Slow" soon', "I could not read “soon”."),
        ('8d alertname="Slow"', "A silence lasts between 1 second and 7 days."),
        ('2h alertname=~"("', "is not a pattern"),
        ("soon alertname=Slow", "is not a duration"),
    ],
)
def test_silences_that_are_refused(words: str, answer: str) -> None:
    """One that means everything, nothing or no time is none, and a sentence says what is missing."""
    with pytest.raises(Unclear, match=re.escape(answer)):
        silent_until(silence.read(words).lasting, START, "UTC")


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("defualt 2h", "Did you mean “default”?"),
        ("default", "Say which service and for how long"),
        ("default soon", "is not a duration"),
        ("default 8d", "Maintenance lasts between 1 second and 7 days."),
    ],
)
def test_maintenance_that_is_refused(words: str, answer: str) -> None:
    """A sentence says what is missing, and offers the service whose name is nearest."""
    with pytest.raises(Unclear, match=re.escape(answer)):
        CATALOGUE.service(maintenance.read(words).service)
