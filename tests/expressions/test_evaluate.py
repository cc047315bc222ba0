"""Expressions: plain data in, plain data out, and nothing else within reach."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, strategies as st

from bot.domain.errors import Unclear
from bot.domain.text.secret import Secret
from bot.expressions.evaluate import evaluate, holds, render, render_all
from tests.engine.steps.support import NASTY

VALUES: dict[str, Any] = {
    "params": {"host": "api.example", "n": 3, "items": [1, 2], "flag": False},
    "steps": {"before": {"ok": True, "value": 0.5, "values": [1, 2], "count": 9}},
    "stdout": " 4711\n",
}


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("stdout | trim", "4711"),
        ("stdout | trim | int + 1", 4712),
        ("{{ not steps.before.ok }}", False),
        ("steps.before.value < 1 and params.n >= 3", True),
        ("steps.before.values", [1, 2]),
        ("steps.before.count + params['items'][1]", 11),
        ("params.host ~ ':' ~ params.n ~ none", "api.example:3"),
        ("params.missing | default('x')", "x"),
        ("steps.gone is defined", False),
        ("params['items'] | map('string') | join(',')", "1,2"),
        ("'a,b' | split(',') | last", "b"),
        ("'a' if params.flag else 'b'", "b"),
        ("{'a': [1, (2, 3)]}", {"a": [1, [2, 3]]}),
        ("[{'n': 1}, {'n': 2}] | selectattr('n', 'gt', 1) | map(attribute='n') | list", [2]),
        ("'4711' in stdout", True),
        ("stdout[1:3]", "47"),
        ("'a b&c?' | urlencode", "a%20b%26c%3F"),
        ("7 // 2 + 7 % 2 - -1", 5),
    ],
)
def test_values(source: str, value: Any) -> None:
    """What operators need works, and comes with its type; a dot reads a key, whatever it is called."""
    assert evaluate(source, VALUES) == value


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("{{ params.n }}", 3),
        ("{{ params['items'] }}", [1, 2]),
        ("n={{ params.n }} {{ params.flag }}", "n=3 false"),
        ("a", "a"),
    ],
)
def test_arguments(source: str, value: Any) -> None:
    """One expression alone keeps its type; with words around it, it becomes a text."""
    assert render(source, VALUES) == value


@pytest.mark.parametrize("text", NASTY)
def test_one_argument_stays_one(text: str) -> None:
    """A value is data: it is neither split nor read as a template again."""
    argv = render_all(["echo", "{{ params.x }}", "pre-{{ params.x }}"], {"params": {"x": text}})
    assert argv == ["echo", text, f"pre-{text}"]


@pytest.mark.parametrize(
    "source",
    [
        "''.__class__",
        "''['__class__']",
        "params.__class__.__mro__",
        "params|attr('__class__')",
        "[1]|map('attr', 'x')",
        "[params]|map(attribute='__class__')|list",
        "[params]|map(attribute='__class__.__mro__')|list",
        "self",
        "dict",
        "range(10)",
        "range(10**9)",
        "cycler('a')",
        "namespace()",
        "lipsum()",
        "params.get('host')",
        "''.join(['a'])",
        "'{0.__class__}'.format(1)",
        "'%s' % 1",
        "'%1000000000d' % 1",
        "'{:>999999999}'|format(1)",
        "'a'*1000000000",
        "[1]*1000000000",
        "9**9**9",
        "2**1000000",
        "1.5|round(400000000)",
        "'a'|center(1000000000)",
        "''|indent(999999)",
        "params.host.upper()",
        "steps.gone.ok",
        "nothing",
        "1 if false",
        "1e999",
        "'x'|tojson",
        "'x'|safe",
        "'x'|xmlattr",
        "params|pprint",
        "(1).real",
        "().__class__.__base__.__subclasses__()",
        "loop",
        "caller()",
        "a.b.c",
        "1/0",
        "'a'+1",
        "{{ 1 }}{{ 2 }}",
        "{% for x in y %}{% endfor %}",
        "1 }} {{ 2",
        "x=1",
        "",
        "not " * 400 + "1",
        "(" * 900 + ")" * 900,
        "9" * 300 + "*9" * 80,
        "[" * 90 + "]" * 90,
        "'\\x00'.__len__()",
        "params is callable",
        "1 is sameas(1)",
        "[]|sum(start=params)|attr('x')",
        "'a'|list|groupby('__class__')|list",
        "joiner()",
        "_left",
        "environment",
    ],
)
def test_nothing_else_is_within_reach(source: str) -> None:
    """Attributes, calls, formats, growth and statements are a sentence, for next to no CPU time."""
    began = time.thread_time()
    with pytest.raises(Unclear) as caught:
        evaluate(source, VALUES)
    assert caught.value.sentence.endswith(".")
    assert time.thread_time() - began < 2


@pytest.mark.parametrize(
    "source",
    [
        " ~ ".join(["big"] * 30),
        "big|replace('a', big)",
        "[" + ",".join(["big"] * 200) + "]",
        "big|list|map('upper')|list",
        "[big, big, big]|map('list')|list",
        "big|list|join(big)",
        " + ".join(["big"] * 30),
        "[big]|join|replace('', big)",
        "(big|list|sort|unique|list) ~ (big|list|reverse|list)",
    ],
)
def test_work_is_bounded(source: str) -> None:
    """A value of a megabyte cannot be blown up, nor be worked on without end."""
    with pytest.raises(Unclear):
        evaluate(source, {"big": "a" * 900_000})


def test_objects_do_not_come_in() -> None:
    """A value that is no plain data is its text, and a secret is stars."""
    assert evaluate("x", {"x": Secret("hunter22")}) == "***"
    with pytest.raises(Unclear):
        evaluate("x._value", {"x": Secret("hunter22")})


def test_values_are_not_changed() -> None:
    """What an expression gives is a copy: changing it changes nothing."""
    values = {"a": [1]}
    evaluate("a", values).append(2)
    assert values == {"a": [1]}


def test_conditions() -> None:
    """`when` and `check` ask for truth, with or without braces."""
    assert holds("{{ params.n == 3 }}", VALUES)
    assert not holds("params.flag", VALUES)


@given(st.text(max_size=60))
def test_any_text_is_answered(source: str) -> None:
    """Whatever is in a file, the answer is plain data or a sentence."""
    _answered(source)


@given(
    st.lists(
        st.sampled_from(
            [
                "params",
                ".",
                "__class__",
                "host",
                "|",
                "map",
                "(",
                ")",
                "'",
                "attr",
                "[",
                "]",
                "n",
                "+",
                "*",
                "~",
                "{{",
                "}}",
                "1",
                "if",
                "else",
                "not",
                "is",
                "in",
                "list",
                ",",
                "{",
                "}",
                ":",
                "steps",
                "default",
                "join",
                "sum",
                "-",
                "round",
            ]
        ),
        max_size=14,
    )
)
def test_any_words_are_answered(words: list[str]) -> None:
    """The same for texts that look like expressions."""
    _answered(" ".join(words))


def _answered(source: str) -> None:
    for work in (evaluate, render):
        try:
            value = work(source, VALUES)
        except Unclear:
            continue
        json.dumps(value, allow_nan=False)
        assert "<" not in repr(value) or "<" in source
