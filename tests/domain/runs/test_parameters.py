"""What is given for a runbook's parameters is held to the rule of each, and the rule is said."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, strategies as st

from bot.domain.catalogue.runbook import Parameter, ParameterType, Runbook
from bot.domain.errors import Unclear
from bot.domain.runs.parameters import Reference, pairs, problems, read, spoken

STRING, INTEGER, NUMBER = ParameterType.STRING, ParameterType.INTEGER, ParameterType.NUMBER
BOOLEAN, DURATION, CHOICE, SECRET = (
    ParameterType.BOOLEAN,
    ParameterType.DURATION,
    ParameterType.CHOICE,
    ParameterType.SECRET,
)

HOST = Parameter("host", required=True, pattern="[a-z0-9.-]+", max_length=20)
REPLICAS = Parameter("replicas", INTEGER, min=1, max=10, default=2)
MODE = Parameter("mode", enum=("rolling", "all"), default="rolling")
RATIO = Parameter("ratio", NUMBER, min=0)
FORCE = Parameter("force", BOOLEAN, default=False)
PAUSE = Parameter("pause", DURATION, default="10s")
CUSTOMER = Parameter("customer", CHOICE, source={"connection": "app_db", "query": "select 1"})
KEY = Parameter("key", SECRET, source="env:DEPLOY_KEY")
NOTE = Parameter("note")
ALL = (HOST, REPLICAS, MODE, RATIO, FORCE, PAUSE, CUSTOMER, KEY, NOTE)


def book(*parameters: Parameter) -> Runbook:
    return Runbook("try_it", "default", "Try it", (), parameters)


def test_defaults() -> None:
    """What is not given is the default, or nothing; the order is the file's; a secret stays where it is."""
    found = read(book(*ALL), {"host": "web-1"})
    assert list(found.items()) == [
        ("host", "web-1"),
        ("replicas", 2),
        ("mode", "rolling"),
        ("ratio", None),
        ("force", False),
        ("pause", "10s"),
        ("customer", None),
        ("key", Reference("env:DEPLOY_KEY")),
        ("note", None),
    ]


@pytest.mark.parametrize(
    ("parameter", "given_value", "expected"),
    [
        (REPLICAS, "7", 7),
        (REPLICAS, " +7 ", 7),
        (REPLICAS, 10, 10),
        (REPLICAS, "", 2),
        (REPLICAS, None, 2),
        (RATIO, "1.5", 1.5),
        (RATIO, "1e3", 1000.0),
        (RATIO, 3, 3.0),
        (FORCE, "Yes", True),
        (FORCE, "off", False),
        (FORCE, True, True),
        (PAUSE, "90m", "1h30m"),
        (PAUSE, " 2D ", "2d"),
        (MODE, "all", "all"),
        (MODE, "", "rolling"),
        (CUSTOMER, "Ada & Co", "Ada & Co"),
        (NOTE, "", ""),
        (NOTE, "  två  ", "  två  "),
    ],
)
def test_right(parameter: Parameter, given_value: Any, expected: Any) -> None:
    """Text from Slack and a command line, and JSON values, become values of the type."""
    found = read(book(parameter), {parameter.name: given_value})[parameter.name]
    assert found == expected
    assert type(found) is type(expected)


HOST_RULE = "“host” must be one line of at most 20 characters that matches [a-z0-9.-]+"
WRONG = [
    (HOST, None, "“host” is missing. It must be one line of at most 20 characters that matches [a-z0-9.-]+."),
    (HOST, "  ", "“host” is missing. It must be one line of at most 20 characters that matches [a-z0-9.-]+."),
    (HOST, "Web", f"{HOST_RULE}; it is “Web”."),
    (HOST, "a\n", f"{HOST_RULE}; it is “a�”."),
    (HOST, "a" * 21, f"{HOST_RULE}; it is “{'a' * 21}”."),
    (HOST, 5, f"{HOST_RULE}; it is “5”."),
    (REPLICAS, "11", "“replicas” must be a whole number from 1 to 10; it is “11”."),
    (REPLICAS, "2.0", "“replicas” must be a whole number from 1 to 10; it is “2.0”."),
    (REPLICAS, 2.0, "“replicas” must be a whole number from 1 to 10; it is “2.0”."),
    (REPLICAS, True, "“replicas” must be a whole number from 1 to 10; it is “True”."),
    (REPLICAS, "٣", "“replicas” must be a whole number from 1 to 10; it is “٣”."),
    (REPLICAS, [3], "“replicas” must be a whole number from 1 to 10; it is “[3]”."),
    (RATIO, "-1", "“ratio” must be a number, at least 0; it is “-1”."),
    (RATIO, "nan", "“ratio” must be a number, at least 0; it is “nan”."),
    (RATIO, float("nan"), "“ratio” must be a number, at least 0; it is “nan”."),
    (RATIO, float("inf"), "“ratio” must be a number, at least 0; it is “inf”."),
    (FORCE, "maybe", "“force” must be true or false; it is “maybe”."),
    (FORCE, 1, "“force” must be true or false; it is “1”."),
    (PAUSE, "10", "“pause” must be a duration, for example 30s, 15m or 1h30m; it is “10”."),
    (MODE, "roling", "“mode” must be rolling or all; it is “roling”. Did you mean “rolling”?"),
    (MODE, "ROLLING", "“mode” must be rolling or all; it is “ROLLING”. Did you mean “rolling”?"),
    (KEY, "hunter2", "“key” is a secret from env:DEPLOY_KEY: it is never typed. Leave it out."),
    (NOTE, "a\x00b", "“note” must be one line of at most 500 characters; it is “a�b”."),
    (NOTE, "\ud800", "“note” must be one line of at most 500 characters; it is “�”."),
    (NOTE, "x" * 501, f"“note” must be one line of at most 500 characters; it is “{'x' * 60}…”."),
]


@pytest.mark.parametrize(("parameter", "given_value", "sentence"), WRONG)
def test_wrong(parameter: Parameter, given_value: Any, sentence: str) -> None:
    """A wrong type, range, pattern or a missing value says which it is and shows the rule."""
    with pytest.raises(Unclear) as raised:
        read(book(parameter), {parameter.name: given_value})
    assert raised.value.sentence == sentence


def test_endless_number() -> None:
    """A number that Python itself refuses to print is refused like any other."""
    (sentence,) = problems(book(REPLICAS), {"replicas": 10**5000}).values()
    assert sentence.endswith("it is “a number of more than 60 digits”.")


def test_a_secret_is_not_repeated() -> None:
    """Somebody who types a secret all the same does not see it come back."""
    assert "hunter2" not in str(problems(book(KEY), {"key": "hunter2"}))


def test_unknown() -> None:
    """An unknown name is answered with the nearest one."""
    found = problems(book(HOST), {"hots": "x", "host": "x"})
    assert found == {"hots": "This runbook has no parameter “hots”. Did you mean “host”?"}
    assert problems(book(), {"host": "x"}) == {"host": "This runbook has no parameters. Leave out “host”."}


def test_all_problems() -> None:
    """A form is told of all its fields at once."""
    found = problems(book(HOST, REPLICAS, MODE), {"replicas": "x", "mode": "all", "colour": "red"})
    assert set(found) == {"host", "replicas", "colour"}


def test_pairs() -> None:
    """Words of a command line are names and values; a value may hold an equals sign."""
    assert pairs(["a=1", "b=x=y", "c="]) == {"a": "1", "b": "x=y", "c": ""}
    for words, sentence in (
        (["host"], "“host” is not a parameter. Write name=value."),
        (["=x"], "“=x” is not a parameter. Write name=value."),
        (["a=1", "a=2"], "“a” is given twice. Keep one of them."),
    ):
        with pytest.raises(Unclear) as raised:
            pairs(words)
        assert raised.value.sentence == sentence


@pytest.mark.parametrize(
    ("parameter", "words"),
    [
        (Parameter("x", INTEGER), "a whole number"),
        (Parameter("x", INTEGER, max=3), "a whole number, at most 3"),
        (Parameter("x", NUMBER, min=0.5, max=1), "a number from 0.5 to 1"),
        (CUSTOMER, "one of the choices that app_db has"),
        (KEY, "a secret from env:DEPLOY_KEY, which is never typed"),
    ],
)
def test_spoken(parameter: Parameter, words: str) -> None:
    """The rule in words, for a help text and for a form's hint."""
    assert spoken(parameter) == words


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=2)
)


@given(st.sampled_from(ALL), JSON)
def test_any_value(parameter: Parameter, value: Any) -> None:
    """Whatever is given, it becomes a value that keeps the rule, or a sentence of one bounded line."""
    wrong = problems(book(parameter), {parameter.name: value})
    if wrong:
        assert len(wrong[parameter.name].splitlines()) == 1
        assert len(wrong[parameter.name]) < 300
        return
    found = read(book(parameter), {parameter.name: value})[parameter.name]
    if not isinstance(found, Reference):
        json.dumps(found, allow_nan=False)
        assert read(book(parameter), {parameter.name: found})[parameter.name] == found


@given(st.integers(-(10**15), 10**15), st.integers(-100, 100), st.integers(0, 100))
def test_bounds(value: int, low: int, width: int) -> None:
    """A number is accepted exactly within its bounds, as text and as a number."""
    parameter = Parameter("x", INTEGER, min=low, max=low + width)
    for given_value in (value, str(value)):
        accepted = not problems(book(parameter), {"x": given_value})
        assert accepted is (low <= value <= low + width)


@given(st.text(alphabet="ab.-", max_size=8))
def test_a_pattern_holds_for_the_whole_text(text: str) -> None:
    """A pattern is anchored at both ends."""
    parameter = Parameter("x", pattern="[a.]+")
    accepted = not problems(book(parameter), {"x": text})
    assert accepted is (bool(text) and set(text) <= {"a", "."}) or not text


def test_a_hostile_pattern_costs_nothing() -> None:
    """Nested quantifiers that take other engines years are answered at once."""
    parameter = Parameter("x", pattern="(a+)+(a|aa)*", max_length=3_000)
    begun = time.thread_time()
    assert problems(book(parameter), {"x": "a" * 2_999 + "!"})
    assert time.thread_time() - begun < 1
