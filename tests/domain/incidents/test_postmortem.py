"""The post-mortem draft as Markdown: sections, people's words over the template's, and when to remind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, strategies as st

from bot.domain.incidents.postmortem import EDITABLE_LIMIT, next_reminder, sections, with_edits, written

DRAFT = "# INC-1: x\n\n| a | b |\n\n## Summary\n\n_Say it._\n\n## Root cause\n\n_Why._\n\n### Detail\n\nmore\n"
DUE = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
HEADINGS = st.text(alphabet="abc def", min_size=1, max_size=12).map(str.strip).filter(bool)
BODIES = st.text(alphabet=st.characters(blacklist_characters="#\r", blacklist_categories=["Cs"]), max_size=80)


def test_sections() -> None:
    """What is before the first heading, and each section with its body; a third-level heading belongs to it."""
    intro, found = sections(DRAFT)
    assert intro == "# INC-1: x\n\n| a | b |"
    assert [one.heading for one in found] == ["Summary", "Root cause"]
    assert found[1].body == "_Why._\n\n### Detail\n\nmore"


def test_edits_stand_over_the_template() -> None:
    """An edited section has people's words, the others the template's; an edit whose section is gone is kept."""
    text = with_edits(DRAFT, {"Root cause": "A migration.", "Old heading": "Kept."})
    assert "## Root cause\n\nA migration.\n\n## Old heading\n\nKept.\n" in text
    assert "_Say it._" in text
    assert "_Why._" not in text


@given(st.dictionaries(HEADINGS, BODIES, max_size=5))
def test_what_is_written_is_read_back(edits: dict[str, str]) -> None:
    """Every edit is a section of the draft again, with the same words."""
    found = {one.heading: one.body for one in sections(with_edits(DRAFT, edits))[1]}
    for heading, body in edits.items():
        assert found[heading] == body.strip()


@given(st.dictionaries(HEADINGS, BODIES, max_size=5))
def test_writing_twice_is_writing_once(edits: dict[str, str]) -> None:
    """Edits over a draft that holds them already change nothing."""
    once = with_edits(DRAFT, edits)
    assert with_edits(once, edits) == once


def test_a_heading_in_peoples_words() -> None:
    """It stays within the section they wrote it in."""
    text = with_edits(DRAFT, {"Root cause": written("First.\n## Then\nSecond.")})
    assert [one.heading for one in sections(text)[1]] == ["Summary", "Root cause"]


def test_what_a_form_cannot_hold() -> None:
    """A section longer than an input of a form is not offered there."""
    _, found = sections(f"## Long\n\n{'x' * (EDITABLE_LIMIT + 1)}\n\n## Short\n\nx\n")
    assert [one.is_editable for one in found] == [False, True]


@given(st.integers(min_value=-200, max_value=400))
def test_reminders(hours: int) -> None:
    """Always later than now, never more than a day later once it is due, and on the day before at the latest."""
    now = DUE + timedelta(hours=hours)
    at = next_reminder(DUE, now)
    assert at > now
    assert at in (DUE - timedelta(hours=24), DUE) or at == now + timedelta(hours=24)
    assert now >= DUE or at <= DUE
