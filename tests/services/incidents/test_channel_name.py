"""A channel's name from an incident's number and title: always one that Slack takes."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, strategies as st

from bot.services.incidents.channel_name import LIMIT, channel_name


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Checkout is DOWN!", "inc-42-checkout-is-down"),
        ("Оплата не работает", "inc-42-oplata-ne-rabotaet"),
        ("Zahlungsausfälle überall", "inc-42-zahlungsausfalle-uberall"),
        ("Zahlung schlägt fehl – überall", "inc-42-zahlung-schlagt-fehl-uberall"),
        ("データベース停止", "inc-42-"),
        ("الدفع معطل الآن", "inc-42-"),
        ("🔥🔥🔥", "inc-42-fire"),
        ("...", "inc-42"),
        ("…", "inc-42"),
        ("", "inc-42"),
    ],
)
def test_names(title: str, name: str) -> None:
    """The title keeps its sound in other scripts; an emoji its name."""
    assert channel_name(42, title).startswith(name)


def test_a_long_title_ends_at_a_word() -> None:
    """What is cut off is cut off between words."""
    name = channel_name(42, "the payment provider answers with errors and the queue is growing")
    assert name == "inc-42-the-payment-provider-answers-with-errors-and"


@given(st.integers(min_value=1, max_value=10**9), st.text(max_size=300), st.integers(min_value=0, max_value=30))
def test_any_title_makes_a_name(number: int, title: str, attempt: int) -> None:
    """Lowercase letters, digits and single hyphens, at most 80, beginning with the number."""
    name = channel_name(number, title, attempt)
    assert re.fullmatch(r"[a-z0-9]+(?:-[a-z0-9]+)*", name), name
    assert len(name) <= LIMIT
    assert name.startswith(f"inc-{number}")


@given(st.text(max_size=100))
def test_a_taken_name_is_followed_by_others(title: str) -> None:
    """Each further attempt is another name."""
    names = [channel_name(7, title, attempt) for attempt in range(20)]
    assert len(set(names)) == 20
