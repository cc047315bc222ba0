"""A ladder's arithmetic: nothing early, nothing after it was stopped, nothing forgotten."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.catalogue.hours import Hours
from bot.domain.catalogue.policy import Ladder, LadderStep, Unless
from bot.domain.errors import Conflict
from bot.domain.escalation.escalation import (
    Climb,
    Fate,
    Standing,
    again,
    higher,
    next_step,
    plan,
    reached,
    schedule,
    stopped,
)
from tests.domain.test_hours import some_hours

T0 = datetime(2026, 11, 20, 18, tzinfo=UTC)  # a Friday evening
BUSINESS = Hours("business", "Europe/Berlin", timedelta(hours=9), timedelta(hours=17), frozenset(range(5)))


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def step(after: float, *notify: str, unless: str = "acknowledged", during: Hours | None = None) -> LadderStep:
    return LadderStep(minutes(after), notify or ("slack:#ops",), Unless(unless), during)


CRITICAL = Ladder(
    "critical",
    (
        step(0, "slack:#ops-alerts", "email:ops"),
        step(15, "page:oncall"),
        step(30, "email:management"),
        step(120, "email:management", unless="resolved"),
    ),
)


def fates(ladder: Ladder, standing: Standing, after: float, climb: Climb | None = None) -> str:
    """One letter for each step: Due, Waiting, Skipped."""
    planned = plan(ladder, climb or Climb(T0), standing, T0 + minutes(after))
    return "".join(one.fate.value[0] for one in planned)


def test_nobody_answers() -> None:
    """Step after step becomes due at its time."""
    seen = [fates(CRITICAL, Standing(), after) for after in (0, 14.99, 15, 30, 120)]
    assert seen == ["dwww", "dwww", "ddww", "dddw", "dddd"]


def test_acknowledged() -> None:
    """An acknowledgement stops what waits for one; two hours open is still told to management."""
    standing = Standing(acknowledged_at=T0 + minutes(5))
    assert fates(CRITICAL, standing, 5) == "dssw"
    assert fates(CRITICAL, standing, 120) == "dssd"
    planned = plan(CRITICAL, Climb(T0), standing, T0 + minutes(5))
    assert planned[1].why == "It was acknowledged before this step was due."
    waiting = next_step(CRITICAL, Climb(T0), standing, T0 + minutes(5))
    assert waiting
    assert waiting.due_at == T0 + minutes(120)


def test_resolved() -> None:
    """Resolved ends all of it."""
    standing = Standing(resolved_at=T0 + minutes(20))
    assert fates(CRITICAL, standing, 20) == "ddss"
    assert next_step(CRITICAL, Climb(T0), standing, T0 + minutes(20)) is None


def test_quiet() -> None:
    """An alert that has ended wakes nobody; what waits for its incident's end goes on, and so does who escalates."""
    standing = Standing(quiet_at=T0 + minutes(20))
    assert fates(CRITICAL, standing, 20) == "ddsw"
    assert fates(CRITICAL, standing, 120) == "ddsd"
    assert fates(CRITICAL, Standing(quiet_at=T0 + minutes(20), resolved_at=T0 + minutes(60)), 120) == "ddss"
    assert higher(CRITICAL, Climb(T0), standing, T0 + minutes(25)).first == 2


def test_assigned() -> None:
    """A step may wait for somebody to be assigned, whoever has acknowledged."""
    ladder = Ladder("calm", (step(10, unless="assigned"),))
    assert fates(ladder, Standing(acknowledged_at=T0), 10) == "d"
    assert fates(ladder, Standing(assigned_at=T0), 10) == "s"


def test_late_and_acknowledged() -> None:
    """A step that was due earlier and has not left yet does not leave after an acknowledgement."""
    due = plan(CRITICAL, Climb(T0), Standing(), T0 + minutes(15))[1].due
    assert stopped(due, Standing()) is None
    assert stopped(due, Standing(acknowledged_at=T0 + minutes(15.01))) is Unless.ACKNOWLEDGED
    assert stopped(due, Standing(resolved_at=T0 + minutes(16))) is Unless.RESOLVED


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
    """A ladder repeats after the gap between its last two steps."""
    ladder = Ladder("again", tuple(map(step, afters)), repeat)
    assert [due.due_at for due in schedule(ladder, Climb(T0))] == [T0 + minutes(after) for after in expected]


def test_business_hours() -> None:
    """A step for business hours waits over the weekend, and says so."""
    ladder = Ladder("calm", (step(30, during=BUSINESS),))
    (one,) = plan(ladder, Climb(T0), Standing(), T0)
    assert one.due.due_at == datetime(2026, 11, 23, 8, tzinfo=UTC)
    assert one.why == "It goes out unless the alert is acknowledged by then. It waits for the hours “business”."


def test_taken_back() -> None:
    """When an acknowledgement is taken back the ladder begins anew, as a climb of its own."""
    climb = again(Climb(T0), T0 + minutes(50))
    assert climb == Climb(T0 + minutes(50), number=2)
    assert fates(CRITICAL, Standing(), 64, climb) == "dwww"


def test_escalated_by_hand() -> None:
    """The next step goes out now although it was acknowledged; those above keep their distance and their conditions."""
    now, standing = T0 + minutes(5), Standing(acknowledged_at=T0 + minutes(4))
    climb = higher(CRITICAL, Climb(T0), standing, now)
    assert (climb.first, climb.number) == (1, 2)
    planned = plan(CRITICAL, climb, standing, now)
    assert [(one.due.position, one.fate) for one in planned] == [
        (1, Fate.DUE),
        (2, Fate.SKIPPED),
        (3, Fate.WAITING),
    ]
    assert planned[0].due.due_at == now
    assert planned[2].due.due_at == now + minutes(105)
    assert higher(CRITICAL, climb, standing, now + minutes(1)).first == 2


def test_by_hand_does_not_wait_for_hours() -> None:
    """Whoever escalates at night means tonight."""
    ladder = Ladder("calm", (step(30, during=BUSINESS),))
    climb = higher(ladder, Climb(T0), Standing(), T0 + minutes(1))
    assert [due.due_at for due in schedule(ladder, climb)] == [T0 + minutes(1)]


def test_no_step_above() -> None:
    """Above the last step, and once it is resolved, there is a sentence that says what to do."""
    with pytest.raises(Conflict, match="no step above"):
        higher(CRITICAL, Climb(T0), Standing(), T0 + minutes(120))
    with pytest.raises(Conflict, match="resolved"):
        higher(CRITICAL, Climb(T0), Standing(resolved_at=T0), T0)


# --- arithmetic ---


@st.composite
def some_ladder(draw: st.DrawFn) -> Ladder:
    afters = sorted(draw(st.lists(st.integers(0, 600), min_size=1, max_size=5)))
    unless, during = st.sampled_from([*Unless]), st.none() | some_hours()
    steps = tuple(step(after, unless=draw(unless), during=draw(during)) for after in afters)
    return Ladder("some", steps, draw(st.integers(0, 3)) if afters[-1] else 0)


times = st.integers(-10, 6_000).map(lambda count: T0 + minutes(count))
standings = st.builds(Standing, *(st.none() | times for _ in range(4)))


@st.composite
def some_climb(draw: st.DrawFn) -> tuple[Ladder, Climb]:
    ladder = draw(some_ladder())
    first = draw(st.sampled_from(ladder.positions))
    return ladder, Climb(T0, first, by_hand=draw(st.booleans()))


@given(some_climb())
def test_never_early(chosen: tuple[Ladder, Climb]) -> None:
    """No step is due before its `after`, and none outside its hours, unless somebody asked for it."""
    ladder, climb = chosen
    for due in schedule(ladder, climb):
        assert due.due_at >= climb.begins_at + due.step.after
        assert due.by_hand or due.step.during is None or due.step.during.is_open(due.due_at)


@given(some_climb())
def test_every_step_once(chosen: tuple[Ladder, Climb]) -> None:
    """Every position from the first on is there once, and rounds do not overtake one another."""
    ladder, climb = chosen
    positions = [due.position for due in schedule(ladder, climb)]
    assert positions == list(ladder.positions)[climb.first :]
    offsets = [ladder.offset(position) for position in ladder.positions]
    assert offsets == sorted(offsets)


@given(some_climb(), standings, times)
def test_nothing_after_it_is_stopped(chosen: tuple[Ladder, Climb], standing: Standing, now: datetime) -> None:
    """Nothing is due that was acknowledged, assigned or resolved by its time, as the step says; resolved stops all."""
    for one in plan(*chosen, standing, now):
        if one.fate is Fate.SKIPPED:
            assert stopped(one.due, standing)
            continue
        words = {Unless.RESOLVED} if one.due.by_hand else {one.due.step.unless, Unless.RESOLVED}
        ends = [at for at in map(standing.when, words) if at]
        if standing.quiet_at and not one.due.by_hand and one.due.step.unless is not Unless.RESOLVED:
            ends.append(standing.quiet_at)
        assert all(one.due.due_at < end for end in ends)
        assert one.fate is (Fate.DUE if one.due.due_at <= now else Fate.WAITING)


@given(some_climb(), standings, times)
def test_the_next_step_is_the_first_that_waits(chosen: tuple[Ladder, Climb], standing: Standing, now: datetime) -> None:
    """A timer set for the next step, again and again, misses none that becomes due."""
    waiting = [one.due for one in plan(*chosen, standing, now) if one.fate is Fate.WAITING]
    following = next_step(*chosen, standing, now)
    assert (following is None) == (not waiting)
    if following:
        assert following.due_at == min(due.due_at for due in waiting)
        assert following.due_at > now


@given(some_climb(), standings, times, st.integers(0, 5_000))
def test_what_was_due_stays_due(chosen: tuple[Ladder, Climb], standing: Standing, now: datetime, later: int) -> None:
    """As time goes by, waiting becomes due and nothing else changes."""
    known = max([now, *filter(None, [*map(standing.when, Unless), standing.quiet_at])])
    before, after = (plan(*chosen, standing, at) for at in (known, known + minutes(later)))
    for one, then in zip(before, after, strict=True):
        assert then.due == one.due
        assert then.fate is one.fate or (one.fate, then.fate) == (Fate.WAITING, Fate.DUE)


@given(some_climb(), standings, times)
def test_a_climb_by_hand_goes_up(chosen: tuple[Ladder, Climb], standing: Standing, now: datetime) -> None:
    """Escalating by hand sends exactly the step above, now, until there is none."""
    ladder, climb = chosen
    open_still = replace(standing, resolved_at=None)
    before = reached(ladder, climb, open_still, now)
    try:
        above = higher(ladder, climb, open_still, now)
    except Conflict:
        assert before == ladder.positions[-1]
        return
    assert above.first == (climb.first if before is None else before + 1)
    first = plan(ladder, above, open_still, now)[0]
    assert (first.fate, first.due.due_at) == (Fate.DUE, now)
