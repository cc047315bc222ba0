"""What is typed after `/runbook run`: Slack's spelling read back, and mistakes told with the rule."""

from __future__ import annotations

import pytest

from bot.domain.catalogue.runbook import Parameter, ParameterType, Runbook
from bot.domain.errors import Unclear
from bot.domain.runs import parameters
from commands.runbook import arguments

BOOKS = {
    "restart": Runbook(
        "restart", "shop", "Restart the shop", (),
        (Parameter("host", pattern="[a-z0-9.-]+", default="shop-1"), Parameter("note", default="slow")),
    ),
    "carts": Runbook(
        "carts", "shop", "Empty old carts", (),
        (
            Parameter("days", ParameterType.INTEGER, required=True, min=1, max=90),
            Parameter("mode", enum=("soft", "hard"), default="soft"),
            Parameter("key", ParameterType.SECRET, source="env:CART_KEY"),
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("restart hots=shop-2", "This runbook has no parameter “hots”. Did you mean “host”?"),
        ("restart shop-2", "“shop-2” is not a parameter. Write name=value."),
        ("restart host=a host=b", "“host” is given twice"),
        ('restart note="two words', "A quotation mark is not closed"),
        ("restart host=SHOP", "that matches [a-z0-9.-]+; it is “SHOP”."),
        ("carts days=91", "“days” must be a whole number from 1 to 90; it is “91”."),
        ("carts days=soon mode=sof", "“days” must be a whole number from 1 to 90; it is “soon”."),
        ("carts days=3 mode=sof", "“mode” must be soft or hard; it is “sof”. Did you mean “soft”?"),
        ("carts days=3 key=hunter2", "“key” is a secret from env:CART_KEY: it is never typed."),
    ],
)
def test_a_mistake_is_told_with_the_rule(text: str, said: str) -> None:
    """The nearest parameter; which value is wrong, and what it must be. A secret is not repeated."""
    with pytest.raises(Unclear) as found:
        parameters.read(BOOKS[text.partition(" ")[0]], arguments.read(text).given)
    assert said in found.value.sentence
    assert "hunter2" not in found.value.sentence


@pytest.mark.parametrize(
    ("typed", "given"),
    [
        ("host=<http://shop-2.example.com|shop-2.example.com>", {"host": "shop-2.example.com"}),
        ("host=<https://shop-2.example.com/x>", {"host": "https://shop-2.example.com/x"}),
        ("mail=<mailto:ops@example.com|ops@example.com>", {"mail": "ops@example.com"}),
        ("note=“two words” host=a", {"note": "two words", "host": "a"}),
        ("note=„two words“", {"note": "two words"}),
        ("note=it’s", {"note": "it’s"}),
        ("note=a=b", {"note": "a=b"}),
        ("note=", {"note": ""}),
    ],
)
def test_what_slack_makes_of_a_value(typed: str, given: dict[str, str]) -> None:
    """A host that Slack turned into a link is a host again, and curly quotes quote."""
    assert arguments.read(f"Restart {typed}") == arguments.Said("restart", given)


@pytest.mark.parametrize("text", ["a b", 'it\'s "so"', "it’s “so”", "<http://a.example|b> & c", "", "x=y", "\\"])
def test_a_buttons_words_are_read_back(text: str) -> None:
    """Whatever is given fits into a button and comes out of it the same; too much of it is left out whole."""
    value = arguments.value("restart", {"note": text, "force": True, "count": 3}, "why = not")
    given = {"note": text, "force": "true", "count": "3"}
    assert arguments.of_button(value) == arguments.Said("restart", given, "why = not")
    assert arguments.value("restart", {"note": text + "x" * 3_000}) == "restart"
