"""The hash that an approval is bound to: the same for the same plan, another for anything that would differ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given, strategies as st

from bot.domain.catalogue.runbook import ApprovalRule, Connection, Effect, Kind, Parameter, ParameterType, Runbook, Step
from bot.domain.runs.parameters import Reference
from bot.domain.runs.plan import LATE, NO, YES, Late, Plan, PlannedStep, digest
from bot.engine import planning

names = st.text("abcdefgh_", min_size=1, max_size=5)
numbers = st.integers(-(10**15), 10**15) | st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | numbers | st.text(max_size=8)
lates = st.builds(Late, st.sampled_from(["{{ steps.a.value }}", "{{ steps.b.value }}"]), st.just(("a",)))
values = st.recursive(
    scalars | lates, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=6
)
parameters = scalars | st.builds(Reference, st.sampled_from(["env:KEY", "env:OTHER", "file:/key"]))


def _steps(undo: st.SearchStrategy[PlannedStep | None]) -> st.SearchStrategy[PlannedStep]:
    return st.builds(
        PlannedStep,
        id=names,
        number=st.just(1),
        kind=st.sampled_from(Kind),
        effect=st.sampled_from(Effect),
        title=st.text(max_size=5),
        target=st.sampled_from(["shop-1", "shop-2", "db (sql, env:DB)"]),
        arguments=st.dictionaries(names, values, max_size=3),
        runs=st.sampled_from([YES, NO, LATE]),
        condition=st.sampled_from(["", "{{ params.a }}", "{{ not params.a }}"]),
        undo=undo,
    )


steps = _steps(st.none() | _steps(st.none()))
plans = st.builds(
    Plan,
    runbook=names,
    version=st.sampled_from(["5f0c", "9c56"]),
    parameters=st.dictionaries(names, parameters, max_size=3),
    subject=st.fixed_dictionaries({"incident": st.dictionaries(names, scalars, max_size=2)}),
    steps=st.lists(steps, min_size=1, max_size=3).map(tuple),
)


def turned(value: Any) -> Any:
    """The same with every mapping written the other way round."""
    if isinstance(value, dict):
        return {key: turned(one) for key, one in reversed(value.items())}
    return [turned(one) for one in value] if isinstance(value, list) else value


def _turned_step(step: PlannedStep) -> PlannedStep:
    undo = _turned_step(step.undo) if step.undo else None
    return replace(step, arguments=turned(step.arguments), undo=undo)


@given(plans)
def test_the_order_of_keys_is_no_difference(plan: Plan) -> None:
    """Two plans that say the same have one hash, in whichever order they say it."""
    other = replace(
        plan,
        parameters=turned(plan.parameters),
        subject=turned(plan.subject),
        steps=tuple(_turned_step(step) for step in plan.steps),
    )
    assert other.hash == plan.hash


@given(plans, st.dictionaries(names, st.text()), st.text())
def test_what_is_only_shown_is_no_difference(plan: Plan, problems: dict[str, str], title: str) -> None:
    """A title is for reading, and a problem of today is no part of what was approved."""
    first = replace(plan.steps[0], title=title)
    assert replace(plan, problems=problems, steps=(first, *plan.steps[1:])).hash == plan.hash


def _kinds(value: Any) -> Any:
    """A value with the type of everything in it, to compare where Python says that 1, 1.0 and True are equal."""
    if isinstance(value, dict):
        return {key: _kinds(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_kinds(one) for one in value]
    return (type(value).__name__, repr(value))


CHANGES: dict[str, Callable[[Plan], Plan]] = {
    "runbook": lambda plan: replace(plan, runbook=f"{plan.runbook}x"),
    "version": lambda plan: replace(plan, version=f"{plan.version}0"),
    "one parameter more": lambda plan: replace(plan, parameters={**plan.parameters, "zz": None}),
    "the incident": lambda plan: replace(plan, subject={**plan.subject, "alert": {}}),
    "one step more": lambda plan: replace(plan, steps=(*plan.steps, plan.steps[0])),
    "no step": lambda plan: replace(plan, steps=()),
}
STEP_CHANGES: dict[str, Callable[[PlannedStep], PlannedStep]] = {
    "id": lambda step: replace(step, id=f"{step.id}x"),
    "kind": lambda step: replace(step, kind=Kind.SQL if step.kind is not Kind.SQL else Kind.HTTP),
    "effect": lambda step: replace(step, effect=Effect.READ if step.effect is not Effect.READ else Effect.ONCE),
    "target": lambda step: replace(step, target=f"{step.target}."),
    "one argument more": lambda step: replace(step, arguments={**step.arguments, "zz": None}),
    "runs": lambda step: replace(step, runs=NO if step.runs != NO else YES),
    "condition": lambda step: replace(step, condition=f"{step.condition} "),
    "undo": lambda step: replace(step, undo=None if step.undo else replace(step, id="back")),
}


@given(plans, st.sampled_from(sorted(CHANGES)))
def test_whatever_changes_the_plan_changes_the_hash(plan: Plan, change: str) -> None:
    """Another runbook, version, parameter, incident, or number of steps is another plan."""
    assert CHANGES[change](plan).hash != plan.hash


@given(plans, st.sampled_from(sorted(STEP_CHANGES)), st.data())
def test_whatever_changes_a_step_changes_the_hash(plan: Plan, change: str, data: st.DataObject) -> None:
    """So is one in which any step, or what would take it back, differs in anything that is done."""
    at = data.draw(st.integers(0, len(plan.steps) - 1))
    step = plan.steps[at]
    changed = STEP_CHANGES[change](step)
    if step.undo and data.draw(st.booleans()):
        changed = replace(step, undo=STEP_CHANGES[change](step.undo))
    assert replace(plan, steps=(*plan.steps[:at], changed, *plan.steps[at + 1 :])).hash != plan.hash


@given(plans, plans)
def test_the_order_of_steps_is_a_difference(plan: Plan, other: Plan) -> None:
    """The same steps in another order are another plan."""
    first, second = plan.steps[0], replace(other.steps[0], id=f"{plan.steps[0].id}x")
    assert replace(plan, steps=(first, second)).hash != replace(plan, steps=(second, first)).hash


@given(plans, names, scalars, scalars)
def test_a_parameters_value_and_type(plan: Plan, name: str, one: Any, other: Any) -> None:
    """Another value of a parameter is another plan, and so is the same one as another type."""
    assume(_kinds(one) != _kinds(other))
    assert (
        replace(plan, parameters={**plan.parameters, name: one}).hash
        != replace(plan, parameters={**plan.parameters, name: other}).hash
    )


@given(values, values)
def test_two_arguments_have_one_hash_only_if_they_are_the_same(one: Any, other: Any) -> None:
    """1, 1.0, true, "1", [1] and a late source of that text are six different things."""
    assert (digest(one) == digest(other)) == (_kinds(one) == _kinds(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, True), (1, 1.0), (1, "1"), (0, False), (None, "None"), (None, ""), ([], {}), ([1], 1), (["ab"], ["a", "b"]),
        ({"a": 1}, ["a", 1]), ({"a": 1}, [["a", 1]]), (0.0, -0.0), (Late("x", ()), "x"), (Late("x", ()), ["late", "x"]),
        ("a", ["text", "a"]), (Late("x", ()), Late("y", ())), ("é", "e\u0301"), ("a", "a\x00"), ("", " "),
        ({"a": {"b": 1}}, {"a": {}, "b": 1}), (10**15, float(10**15)), ("\ud800", "?"), ([None], []),
    ],
    ids=repr,
)  # fmt: skip
def test_look_alikes(one: Any, other: Any) -> None:
    """What looks alike in JSON or to the eye is told apart."""
    assert digest(one) != digest(other)
    assert digest({"deep": [one]}) != digest({"deep": [other]})


def test_a_late_argument_is_its_source() -> None:
    """What is not known yet counts as where it comes from, not as whose results those are called."""
    assert digest(Late("{{ steps.a.value }}", ("a",))) == digest(Late("{{ steps.a.value }}", ()))


def test_what_has_no_place_in_a_plan() -> None:
    """A value of an unknown type is an error, not a hash that means nothing."""
    for value in (object(), {1, 2}, b"x"):
        with pytest.raises(TypeError):
            digest({"deep": [value]})


# --- secrets, as the plan is really made ------------------------------------------------------------------------------

RESTART = Runbook(
    "restart",
    "shop",
    "Restart",
    (
        Step("look", Kind.SQL, {"connection": "db", "query": "select 1"}, Effect.READ),
        Step("restart", Kind.HTTP, {"url": "https://shop.invalid", "headers": {"X-Key": "{{ params.key }}"}}),
    ),
    parameters=(Parameter("key", ParameterType.SECRET, source="env:KEY"),),
    version="5f0c",
)  # fmt: skip


def made(source: str = "env:KEY", database: str = "env:DB", **more: Any) -> Plan:
    connections = {"db": Connection("db", "sql", database)}
    return planning.make(replace(RESTART, **more), {"key": Reference(source)}, {}, connections)


secrets = st.text("abcXYZ019+/= {}'\"", min_size=1, max_size=30)


@given(secrets, secrets)
def test_a_secrets_value_is_no_part_of_it(one: str, other: str) -> None:
    """Whatever the secret is at the moment, the plan and its hash are those of where it is to be found."""
    with pytest.MonkeyPatch.context() as environment:
        hashes = set()
        for value in (one, other):
            environment.setenv("KEY", value)
            hashes.add(made().hash)
    assert len(hashes) == 1
    assert "[secret env:KEY]" in str(made().steps[1].arguments)


def test_where_a_secret_comes_from_is_part_of_it() -> None:
    """Another place of a secret, or of a connection's address, is another plan."""
    assert len({made().hash, made("env:OTHER").hash, made("file:/key").hash, made(database="env:DB2").hash}) == 4


def test_a_text_that_looks_like_a_secret_is_none() -> None:
    """Words that read like a secret's place are not that secret's hash."""
    plain = replace(RESTART, parameters=(Parameter("key"),))
    typed = planning.make(plain, {"key": "[secret env:KEY]"}, {}, {"db": Connection("db", "sql", "env:DB")})
    assert typed.hash != made().hash


def test_a_gate_comes_with_the_version() -> None:
    """Who must approve is part of the file, whose version is part of the hash."""
    gated = replace(RESTART.steps[1], approval=ApprovalRule(("U1",)))
    assert made(steps=(RESTART.steps[0], gated), version="9c56").hash != made().hash
