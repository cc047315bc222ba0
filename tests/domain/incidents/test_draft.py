"""What a person wants to declare, from their words: in any order, any case, whatever else they typed."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations

import pytest
from hypothesis import given, strategies as st

from bot.domain.catalogue.catalogue import Catalogue
from bot.domain.catalogue.service import Service
from bot.domain.catalogue.severity import Severity
from bot.domain.errors import Unclear
from bot.domain.incidents.draft import TITLE_LIMIT, Draft, clean_title, readable


def _levels(*keys: str) -> tuple[Severity, ...]:
    return tuple(
        Severity(key, f"Level {key}", rank, update_every=timedelta(minutes=30)) for rank, key in enumerate(keys)
    )


PAYMENTS = Service("payments", "Payments", (Severity("S1", "Urgent", 0, aliases=("urgent",)), *_levels("S2")[:1]), "S2")
DEFAULT = Service(
    "default", "Default service", (Severity("P0", "Critical", 0, ("critical", "sev0")), *_levels("P1")), "P1"
)
CATALOGUE = Catalogue({"default": DEFAULT, "payments": PAYMENTS}, "default")


@pytest.mark.parametrize("words", list(permutations(["private", "drill", "S1", "payments"])))
def test_words_in_any_order(words: tuple[str, ...]) -> None:
    """Private, drill, a severity and a service mean the same in any order."""
    draft = Draft.read(" ".join((*words, "cards fail at the till")), CATALOGUE)
    assert (draft.private, draft.drill, draft.service.key, draft.severity.key) == (True, True, "payments", "S1")
    assert draft.title == "cards fail at the till"


@pytest.mark.parametrize("words", ["P0 drill default", "drill default critical", "DEFAULT Sev0 Drill"])
def test_words_in_any_case(words: str) -> None:
    """Severity, service and drill in capitals or not, the severity by key or by another name."""
    draft = Draft.read(f"{words} checkout is down", CATALOGUE)
    assert (draft.drill, draft.service.key, draft.severity.key) == (True, "default", "P0")
    assert draft.title == "checkout is down"


@pytest.mark.parametrize("word", ["p0", "P0", "CRITICAL", "Sev0"])
def test_a_severity_by_key_or_alias(word: str) -> None:
    """Key or alias, any case."""
    assert Draft.read(f"{word} checkout is down", CATALOGUE).severity.key == "P0"


def test_each_kind_of_word_once() -> None:
    """A second word of the same kind belongs to the title."""
    draft = Draft.read("drill drill P0 P1 default payments", CATALOGUE)
    assert draft.title == "drill P0 P1 default payments"
    assert draft.drill


@pytest.mark.parametrize("word", ["p9", "P7", "sev9", "SEV-4"])
def test_a_word_shaped_like_a_severity(word: str) -> None:
    """It is refused with the service's list rather than made part of the title."""
    with pytest.raises(Unclear, match="P0 and P1"):
        Draft.read(f"{word} checkout is down", CATALOGUE)


def test_a_percentile_is_no_severity() -> None:
    """p95 and p99 are what people write of latencies."""
    assert Draft.read("p95 is above 2 s", CATALOGUE).title == "p95 is above 2 s"


def test_a_severity_of_another_service() -> None:
    """A severity the chosen service does not have is refused with that service's list."""
    with pytest.raises(Unclear, match="S1 and S2"):
        Draft.read("payments P0 cards fail", CATALOGUE)


@pytest.mark.parametrize("quotes", ['"{}"', "“{}”", "„{}“"])
def test_quoted_titles(quotes: str) -> None:
    """What is in quotes is the title whole."""
    draft = Draft.read("P0 " + quotes.format("private drill p9"), CATALOGUE)
    assert draft.title == "private drill p9"
    assert not draft.private


def test_no_title() -> None:
    """Words without a title leave it open: the form asks."""
    draft = Draft.read("private P0", CATALOGUE)
    assert draft.title is None
    assert draft.private


@given(st.text(max_size=200))
def test_any_words(text: str) -> None:
    """Whatever is typed is a draft with a bounded title on one line, or unclear; nothing else happens."""
    try:
        draft = Draft.read(text, CATALOGUE)
    except Unclear:
        return
    if draft.title is not None:
        assert draft.title == " ".join(draft.title.split())
        assert 0 < len(draft.title) <= TITLE_LIMIT


@given(st.lists(st.sampled_from(["private", "drill", "P0", "S1", "payments", "default", "hot"]), max_size=6), st.text())
def test_nothing_of_the_title_is_lost(words: list[str], rest: str) -> None:
    """What is not one of the leading words is in the title."""
    try:
        draft = Draft.read(" ".join((*words, "x" + rest)), CATALOGUE)
    except Unclear:
        return
    assert draft.title is not None
    assert draft.title.endswith(" ".join(readable("x" + rest).split()))


def test_a_title_too_long() -> None:
    """One character too many is refused with both numbers."""
    with pytest.raises(Unclear, match=f"{TITLE_LIMIT + 1} characters; {TITLE_LIMIT} fit"):
        clean_title("x" * (TITLE_LIMIT + 1))


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("<@U0ADA|ada> broke <#C0OPS|ops>", "@ada broke #ops"),
        ("<@U0ADA> did", "@U0ADA did"),
        ("see <https://a.invalid/x|this>", "see https://a.invalid/x"),
        ("<http://shop.invalid|shop.invalid> is down", "shop.invalid is down"),
        ("ask <mailto:a@b.invalid|a@b.invalid>", "ask a@b.invalid"),
        ("<!channel> wake up", "@channel wake up"),
        ("<!subteam^S0SRE|@sre> please", "@sre please"),
    ],
)
def test_slacks_entities_as_people_read_them(typed: str, read: str) -> None:
    """Mentions, channels and links become words."""
    assert readable(typed) == read


def test_from_fields() -> None:
    """Fields of a form or the API: absent ones take the defaults, and a service brings its own severity."""
    draft = Draft.from_fields({"title": "  cards\nfail ", "service": "payments"}, CATALOGUE)
    assert (draft.title, draft.severity.key) == ("cards fail", "S2")
    with pytest.raises(Unclear, match="payments"):
        Draft.from_fields({"title": "x", "service": "paymnts"}, CATALOGUE)
