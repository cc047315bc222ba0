"""Runbooks as blocks: within Slack's limits however large they are, and nothing in them is markup by accident."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, strategies as st

from bot.domain.catalogue.catalogue import Access, Catalogue
from bot.domain.catalogue.runbook import ApprovalRule, Effect, Kind, Parameter, ParameterType, Runbook, Step, Trigger
from bot.domain.runs import parameters
from bot.domain.runs.plan import Plan
from bot.engine import planning
from bot.services.runs.queries import Record
from bot.simulator.content.blocks import check_blocks, check_view
from bot.views import runbook as view
from bot.views.runbook import Form

HUGE = "<!channel> *all* `down` & so on, " * 60
EVERYBODY = Access(execute=("everyone",), approve=tuple(f"U{number:08}" for number in range(200)))
NUMBERS = (ParameterType.INTEGER, ParameterType.NUMBER)


def parameter(number: int) -> Parameter:
    kind = list(ParameterType)[number % len(ParameterType)]
    return Parameter(
        name=f"p{number:02}" + "x" * 37,
        type=kind,
        required=number % 2 == 0,
        help=HUGE[:500],
        enum=tuple(f"{one} {HUGE}"[:200] for one in range(100)) if number == 0 else (),
        min=-1e15 if kind in NUMBERS else None,
        max=1e15 if kind in NUMBERS else None,
        max_length=3_000,
        source="env:" + "X" * 200 if kind is ParameterType.SECRET else {"connection": "c" * 200, "query": "select 1"},
    )


GATE = ApprovalRule(
    who=EVERYBODY.approve, reason=True, by_severity={f"P{number}": ApprovalRule(quorum=20) for number in range(20)}
)
MONSTER = Runbook(
    id="m" * 60,
    service="s" * 40,
    title=HUGE[:200],
    steps=tuple(
        Step(f"s{number}", Kind.HTTP, {"url": "http://x/" + "y" * 4_000, "body": HUGE}, title=HUGE[:200], when="1 == 1")
        for number in range(100)
    ),
    parameters=tuple(map(parameter, range(40))),
    guide=dict.fromkeys(view.GUIDE, HUGE * 10),
    triggers=tuple(Trigger((HUGE[:200],) * 50, ("P0", "P1"), "run") for _ in range(100)),
    mttr_target=timedelta(minutes=5),
    version="0" * 64,
)
MANY = [Runbook(f"r{number}", f"s{number % 3}", HUGE[:200], ()) for number in range(500)]
RECORD = Record(9, 7, 240.0)


def plan_of(runbook: Runbook, **problems: str) -> Plan:
    made = planning.make(runbook, {}, {}, {})
    return Plan(made.runbook, made.version, made.parameters, made.subject, made.steps, problems)


def test_a_monster_fits() -> None:
    """The largest runbook that a catalogue takes is shown, planned and offered as a form within Slack's limits."""
    catalogue = Catalogue({}, "s", access=EVERYBODY)
    problems = dict.fromkeys((f"s{number}" for number in range(100)), HUGE)
    for blocks in (
        view.whole(MONSTER, catalogue, GATE, RECORD),
        view.plan(MONSTER, plan_of(MONSTER, **problems), view.may_approve(GATE, EVERYBODY, MONSTER), "m"),
        view.plan(MONSTER, plan_of(MONSTER), view.may_approve(GATE, EVERYBODY, MONSTER), "m" * 2_000),
        view.listed("500:", [(one, "only reads") for one in MANY]),
        view.listed("20:", [(one, "only reads") for one in MANY[:20]]),
        view.suggested("INC-1", [(one, RECORD) for one in MANY], here=True),
    ):
        assert check_blocks(blocks, "message") == []


@pytest.mark.parametrize("chosen", [None, MANY[0], MONSTER])
def test_a_form_to_choose_from_many_fits(chosen: Runbook | None) -> None:
    """Hundreds of runbooks to choose from, and the largest of them chosen, make a form that Slack takes."""
    notes = [view.may_approve(GATE, EVERYBODY, MONSTER)]
    shown = Form(chosen, reason=HUGE[:500], notes=notes if chosen else (), pick_from=[MONSTER, *MANY])
    assert check_view(view.form(shown)) == []


VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20))


@given(st.sampled_from(list(ParameterType)), VALUES, VALUES, st.booleans())
def test_whatever_is_given_makes_a_form(kind: ParameterType, default: Any, given_value: Any, required: bool) -> None:
    """Whatever is behind a button or was given before, the form is one that Slack takes."""
    one = Parameter("p", kind, required=required, min=-5.0 if kind in NUMBERS else None, source="env:X")
    kept = None if default is None or parameters.problems(_with(one), {"p": default}) else default
    one = Parameter("p", kind, required=required, default=kept, min=one.min, source="env:X")
    assert check_view(view.form(Form(_with(one), given={"p": given_value}))) == []


def _with(one: Parameter) -> Runbook:
    return Runbook("r", "s", "R", (), (one,))


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (Record(0, 0, None), "not run to its end yet"),
        (Record(9, 7, 240.0), "fixed this 7 of 9 times, median 4 min"),
        (Record(1, 1, 0.2), "fixed this 1 of 1 time, median 1 s"),
        (Record(3, 0, None), "fixed this 0 of 3 times"),
        (Record(2, 2, 59.7), "fixed this 2 of 2 times, median 1 min"),
        (Record(2, 2, 7_500.0), "fixed this 2 of 2 times, median 2 hours 5 minutes"),
    ],
)
def test_a_record_in_words(record: Record, said: str) -> None:
    """How often it helped, and how long that took."""
    assert view.record_words(record) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "# Look\n**first** at [it](https://a.example/?a=1&b=2)",
            "*Look*\n*first* at <https://a.example/?a=1&amp;b=2|it>",
        ),
        ("- one\n  * two", "• one\n  • two"),
        ("<!channel> [bad](javascript:alert(1))", "&lt;!channel&gt; [bad](javascript:alert(1))"),
        ("a * b ** c", "a * b ** c"),
    ],
)
def test_markdown_as_slack_writes_it(text: str, said: str) -> None:
    """Headings, bold, lists and links of a guide are theirs; nothing in it calls anybody."""
    assert view.from_markdown(text) == said


def test_an_emptied_field() -> None:
    """Where an empty text is one, an emptied field says so; elsewhere it says nothing."""
    free = Parameter("note", default="slow")
    narrow = Parameter("host", default="a", pattern="[a-z]+")
    plain = Parameter("mail")
    assert [view.may_be_empty(one) for one in (free, narrow, plain)] == [True, False, True]
    runbook = Runbook("r", "s", "R", (), (free, narrow, plain))
    assert view.given_in(runbook, {"note": "", "host": "", "mail": ""}) == {"note": ""}


def test_what_stands_before_it() -> None:
    """A runbook says in its list whether it reads, changes things, or asks: at the beginning or on the way."""
    reads = Step("a", Kind.HTTP, {}, Effect.READ)
    own = Step("b", Kind.HTTP, {}, Effect.READ, approval=ApprovalRule())
    said = [
        view.needs(Runbook("r", "s", "R", steps), None) for steps in ((reads,), (own,), (Step("c", Kind.HTTP, {}),))
    ]
    assert said == ["only reads", "asks for approval on the way", "changes things, without approval"]
    assert view.may_approve(None, EVERYBODY, Runbook("r", "s", "R", (own,))) == "Approve: its steps ask on the way."
    assert view.needs(MONSTER, ApprovalRule(quorum=2)) == "needs 2 approvals"
