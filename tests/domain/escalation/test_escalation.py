"""An escalation policy's arithmetic: nothing early, nothing after it was stopped, nothing forgotten."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from bot.domain.catalogue.hours import Hours
from bot.domain.catalogue.policy import EscalationPolicy, EscalationStep, Unless
from bot.domain.errors import Conflict
from bot.domain.escalation.escalation import (
    EscalationStart,
    Fate,
    ResponseStatus,
    again,
    higher,
    next_step,
    plan,
    reached,
    schedule,
    stopped,
)
from tests.domain.catalogue.test_hours import some_hours

T0 = datetime(2026, 11, 20, 18, tzinfo=UTC)  # a Friday evening
BUSINESS = Hours("business", "Europe/Berlin", timedelta(hours=9), timedelta(hours=17), frozenset(range(5)))


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def step(after: float, *notify: str, unless: str = "acknowledged", during: Hours | None = None) -> EscalationStep:
    return EscalationStep(minutes(after), notify or ("slack:#ops",), Unless(unless), during)


CRITICAL = EscalationPolicy(
    "critical",
    (
        step(0, "slack:#ops-alerts", "email:ops"),
        step(15, "page:oncall"),
        step(30, "email:management"),
        step(120, "email:management", unless="resolved"),
    ),
)


def fates(
    policy: EscalationPolicy, response: ResponseStatus, after: float, start: EscalationStart | None = None
) -> str:
    """One letter for each step: Due, Waiting, Skipped."""
    planned = plan(policy, start or EscalationStart(T0), response, T0 + minutes(after))
    return "".join(one.fate.value[0] for one in planned)


def test_nobody_answers() -> None:
    """Step after step becomes due at its time."""
    seen = [fates(CRITICAL, ResponseStatus(), after) for after in (0, 14.99, 15, 30, 120)]
    assert seen == ["dwww", "dwww", "ddww", "dddw", "dddd"]


def test_acknowledged() -> None:
    """An acknowledgement stops what waits for one; two hours open is still told to management."""
    response = ResponseStatus(acknowledged_at=T0 + minutes(5))
    assert fates(CRITICAL, response, 5) == "dssw"
    assert fates(CRITICAL, response, 120) == "dssd"
    planned = plan(CRITICAL, EscalationStart(T0), response, T0 + minutes(5))
    assert planned[1].why == "It was acknowledged before this step was due."
    waiting = next_step(CRITICAL, EscalationStart(T0), response, T0 + minutes(5))
    assert waiting
    assert waiting.due_at == T0 + minutes(120)


def test_resolved() -> None:
    """Resolved ends all of it."""
    response = ResponseStatus(resolved_at=T0 + minutes(20))
    assert fates(CRITICAL, response, 20) == "ddss"
    assert next_step(CRITICAL, EscalationStart(T0), response, T0 + minutes(20)) is None


def test_quiet() -> None:
    """An alert that has ended wakes nobody; what waits for its incident's end goes on, and so does who escalates."""
    response = ResponseStatus(suppressed_at=T0 + minutes(20))
    assert fates(CRITICAL, response, 20) == "ddsw"
    assert fates(CRITICAL, response, 120) == "ddsd"
    assert fates(CRITICAL, ResponseStatus(suppressed_at=T0 + minutes(20), resolved_at=T0 + minutes(60)), 120) == "ddss"
    assert higher(CRITICAL, EscalationStart(T0), response, T0 + minutes(25)).first == 2


def test_assigned() -> None:
    """A step may wait for somebody to be assigned, no matter who has acknowledged."""
    policy = EscalationPolicy("calm", (step(10, unless="assigned"),))
    assert fates(policy, ResponseStatus(acknowledged_at=T0), 10) == "d"
    assert fates(policy, ResponseStatus(assigned_at=T0), 10) == "s"


def test_late_and_acknowledged() -> None:
    """A step that was due earlier and has not left yet does not leave after an acknowledgement."""
    due = plan(CRITICAL, EscalationStart(T0), ResponseStatus(), T0 + minutes(15))[1].due
    assert stopped(due, ResponseStatus()) is None
    assert stopped(due, ResponseStatus(acknowledged_at=T0 + minutes(15.01))) is Unless.ACKNOWLEDGED
    assert stopped(due, ResponseStatus(resolved_at=T0 + minutes(16))) is Unless.RESOLVED


@pytest.mark.parametrize(
    ("afters", "repeat", "expected"),
    [
        ((0, 15, 30), 1, (0, 15, 30, 45, 60, 75)),
        ((15,), 2, (15, 30, 45)),
        ((15, 30), 1, (15, 30, 45, 60)),
        ((0, 0, 20), 1, (0, 0, 20, 40, 40, 60)),
        ((0,), 0, (0,)),
    ],
)
def test_repeat(afters: tuple[float, ...], repeat: int, expected: tuple[float, ...]) -> None:
    """An escalation policy repeats after the gap between its last two steps."""
    policy = EscalationPolicy("again", tuple(map(step, afters)), repeat)
    assert [due.due_at for due in schedule(policy, EscalationStart(T0))] == [T0 + minutes(after) for after in expected]


def test_business_hours() -> None:
    """A step for business hours waits over the weekend, and says so."""
    policy = EscalationPolicy("calm", (step(30, during=BUSINESS),))
    (one,) = plan(policy, EscalationStart(T0), ResponseStatus(), T0)
    assert one.due.due_at == datetime(2026, 11, 23, 8, tzinfo=UTC)
    assert one.why == "It goes out unless the alert is acknowledged by then. It waits for the hours “business”."


def test_taken_back() -> None:
    """When an acknowledgement is taken back the escalation policy begins again, as an escalation of its own."""
    start = again(EscalationStart(T0), T0 + minutes(50))
    assert start == EscalationStart(T0 + minutes(50), number=2)
    assert fates(CRITICAL, ResponseStatus(), 64, start) == "dwww"


def test_escalated_by_hand() -> None:
    """The next step goes out now although it was acknowledged; those above keep their distance and their conditions."""
    now, response = T0 + minutes(5), ResponseStatus(acknowledged_at=T0 + minutes(4))
    start = higher(CRITICAL, EscalationStart(T0), response, now)
    assert (start.first, start.number) == (1, 2)
    planned = plan(CRITICAL, start, response, now)
    assert [(one.due.position, one.fate) for one in planned] == [
        (1, Fate.DUE),
        (2, Fate.SKIPPED),
        (3, Fate.WAITING),
    ]
    assert planned[0].due.due_at == now
    assert planned[2].due.due_at == now + minutes(105)
    assert higher(CRITICAL, start, response, now + minutes(1)).first == 2


def test_by_hand_does_not_wait_for_hours() -> None:
    """Who escalates at night means tonight."""
    policy = EscalationPolicy("calm", (step(30, during=BUSINESS),))
    start = higher(policy, EscalationStart(T0), ResponseStatus(), T0 + minutes(1))
    assert [due.due_at for due in schedule(policy, start)] == [T0 + minutes(1)]


def test_no_step_above() -> None:
    """Above the last step, and once it is resolved, there is a sentence that says what to do."""
    with pytest.raises(Conflict, match="no step above"):
        higher(CRITICAL, EscalationStart(T0), ResponseStatus(), T0 + minutes(120))
    with pytest.raises(Conflict, match="resolved"):
        higher(CRITICAL, EscalationStart(T0), ResponseStatus(resolved_at=T0), T0)


# --- arithmetic ---


@st.composite
def some_policy(draw: st.DrawFn) -> EscalationPolicy:
    afters = sorted(draw(st.lists(st.integers(0, 600), min_size=1, max_size=5)))
    unless, during = st.sampled_from([*Unless]), st.none() | some_hours()
    steps = tuple(step(after, unless=draw(unless), during=draw(during)) for after in afters)
    return EscalationPolicy("some", steps, draw(st.integers(0, 3)) if afters[-1] else 0)


times = st.integers(-10, 6_000).map(lambda count: T0 + minutes(count))
responses = st.builds(ResponseStatus, *(st.none() | times for _ in range(4)))


@st.composite
def some_start(draw: st.DrawFn) -> tuple[EscalationPolicy, EscalationStart]:
    policy = draw(some_policy())
    first = draw(st.sampled_from(policy.positions))
    return policy, EscalationStart(T0, first, by_hand=draw(st.booleans()))


@given(some_start())
def test_never_early(chosen: tuple[EscalationPolicy, EscalationStart]) -> None:
    """No step is due before its `after`, and none outside its hours, unless somebody asked for it."""
    policy, start = chosen
    for due in schedule(policy, start):
        assert due.due_at >= start.begins_at + due.step.after
        assert due.by_hand or due.step.during is None or due.step.during.is_open(due.due_at)


@given(some_start())
def test_every_step_once(chosen: tuple[EscalationPolicy, EscalationStart]) -> None:
    """Every position from the first on is there once, and rounds do not overtake one another."""
    policy, start = chosen
    positions = [due.position for due in schedule(policy, start)]
    assert positions == list(policy.positions)[start.first :]
    offsets = [policy.offset(position) for position in policy.positions]
    assert offsets == sorted(offsets)


@given(some_start(), responses, times)
def test_nothing_after_it_is_stopped(
    chosen: tuple[EscalationPolicy, EscalationStart], response: ResponseStatus, now: datetime
) -> None:
    """Nothing is due that was acknowledged, assigned or resolved by its time, as the step says; resolved stops all."""
    for one in plan(*chosen, response, now):
        if one.fate is Fate.SKIPPED:
            assert stopped(one.due, response)
            continue
        words = {Unless.RESOLVED} if one.due.by_hand else {one.due.step.unless, Unless.RESOLVED}
        ends = [at for at in map(response.when, words) if at]
        if response.suppressed_at and not one.due.by_hand and one.due.step.unless is not Unless.RESOLVED:
            ends.append(response.suppressed_at)
        assert all(one.due.due_at < end for end in ends)
        assert one.fate is (Fate.DUE if one.due.due_at <= now else Fate.WAITING)


@given(some_start(), responses, times)
def test_the_next_step_is_the_first_that_waits(
    chosen: tuple[EscalationPolicy, EscalationStart], response: ResponseStatus, now: datetime
) -> None:
    """A timer set for the next step, again and again, misses none that becomes due."""
    waiting = [one.due for one in plan(*chosen, response, now) if one.fate is Fate.WAITING]
    following = next_step(*chosen, response, now)
    assert (following is None) == (not waiting)
    if following:
        assert following.due_at == min(due.due_at for due in waiting)
        assert following.due_at > now


@given(some_start(), responses, times, st.integers(0, 5_000))
def test_what_was_due_stays_due(
    chosen: tuple[EscalationPolicy, EscalationStart], response: ResponseStatus, now: datetime, later: int
) -> None:
    """As time goes by, waiting becomes due and nothing else changes."""
    known = max([now, *filter(None, [*map(response.when, Unless), response.suppressed_at])])
    before, after = (plan(*chosen, response, at) for at in (known, known + minutes(later)))
    for one, then in zip(before, after, strict=True):
        assert then.due == one.due
        assert then.fate is one.fate or (one.fate, then.fate) == (Fate.WAITING, Fate.DUE)


@given(some_start(), responses, times)
def test_an_escalation_by_hand_goes_up(
    chosen: tuple[EscalationPolicy, EscalationStart], response: ResponseStatus, now: datetime
) -> None:
    """Escalating by hand sends exactly the step above, now, until there is none."""
    policy, start = chosen
    open_still = replace(response, resolved_at=None)
    before = reached(policy, start, open_still, now)
    try:
        above = higher(policy, start, open_still, now)
    except Conflict:
        assert before == policy.positions[-1]
        return
    assert above.first == (start.first if before is None else before + 1)
    first = plan(policy, above, open_still, now)[0]
    assert (first.fate, first.due.due_at) == (Fate.DUE, now)
