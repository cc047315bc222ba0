"""Who acts at PagerDuty: named so, and never taken for somebody here."""

from __future__ import annotations

import re

from hypothesis import given, strategies as st

from bot.domain.people.access import GROUP, USER
from bot.domain.people.person import AT_PAGERDUTY, Person, at_pagerduty

ADA = Person("U0ADA", "Ada")


def test_somebody_of_this_workspace() -> None:
    """They keep their id, with where they act after it."""
    assert at_pagerduty(ADA, "Ada Lovelace").id == "U0ADA at PagerDuty"
    assert str(at_pagerduty(ADA, "Ada Lovelace")) == "Ada at PagerDuty"


@given(st.text(max_size=80) | st.from_regex(re.compile(r"[UWS][A-Z0-9]{1,10}"), fullmatch=True))
def test_a_stranger_is_nobody_here(name: str) -> None:
    """Whatever they are called there, it is no id of a person or a user group, and it fits its column."""
    found = at_pagerduty(None, name)
    who = found.id.removesuffix(AT_PAGERDUTY)
    assert not USER.fullmatch(who)
    assert not GROUP.fullmatch(who)
    assert who
    assert len(found.id) <= 64
    assert "\n" not in found.id
    assert not found.is_full_member
