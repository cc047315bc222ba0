"""The arithmetic of approvals: who counts, how many it takes, until when, and what may not begin without."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, given, strategies as st

from bot.domain.catalogue.runbook import ApprovalRule, Effect, Kind, Policy, Runbook, Step
from bot.domain.errors import Conflict, Refused
from bot.domain.runs.approval import (
    UNDO,
    WHOLE_RUN,
    ApprovalRequest,
    State,
    Vote,
    is_reached,
    is_said,
    may_be_decided,
    may_break_glass,
    may_vote,
    missing,
    named_for,
    rule_of_run,
    rule_of_step,
    rule_of_undo,
)
from bot.domain.runs.plan import PlannedStep

T0 = datetime(2026, 11, 20, 9, tzinfo=UTC)
HALF_AN_HOUR = timedelta(minutes=30)

people = st.sampled_from([f"U{number}" for number in range(6)])
some = st.frozensets(people)
quorums = st.integers(1, 6)
rules = st.builds(ApprovalRule, who=st.sampled_from([(), ("U1",), ("team:sre",)]), quorum=quorums)
effects = st.sampled_from(Effect)


def asked(quorum: int = 1, **more: Any) -> ApprovalRequest:
    """An open question of RUN-7."""
    values: dict[str, Any] = {
        "id": 1, "run": 7, "covers": WHOLE_RUN, "round": 1, "plan_hash": "0", "text": "", "who": ("team:sre",),
        "quorum": quorum, "break_glass": (), "valid": HALF_AN_HOUR, "state": State.OPEN, "asked_at": T0,
        "expires_at": T0 + HALF_AN_HOUR,
    }  # fmt: skip
    return ApprovalRequest(**values | more)


# --- who counts -------------------------------------------------------------------------------------------------------


@given(quorums, st.lists(people), some, some)
def test_nobody_involved_ever_counts(
    quorum: int, voters: list[str], qualified: frozenset[str], involved: frozenset[str]
) -> None:
    """Who asked for it or changed it makes no difference, whether they voted or not."""
    without = [one for one in voters if one not in involved]
    found = is_reached(asked(quorum), voters, qualified=qualified, involved=involved)
    assert found == is_reached(asked(quorum), without, qualified=qualified, involved=involved)
    assert found == is_reached(asked(quorum), [*voters, *involved], qualified=qualified, involved=involved)
    assert not is_reached(asked(quorum), involved, qualified=qualified | involved, involved=involved)


@given(quorums, st.lists(people), some, some)
def test_a_quorum_is_that_many_different_qualified_people(
    quorum: int, voters: list[str], qualified: frozenset[str], involved: frozenset[str]
) -> None:
    """One person is one vote, however often given; who is not on the list at that moment is none."""
    different = {one for one in voters if one in qualified and one not in involved}
    assert is_reached(asked(quorum), voters, qualified=qualified, involved=involved) == (len(different) >= quorum)


@given(quorums, st.lists(people), people, some, some)
def test_a_vote_never_takes_an_approval_away(
    quorum: int, voters: list[str], one_more: str, qualified: frozenset[str], involved: frozenset[str]
) -> None:
    """With one more vote what was enough is still enough, and a higher quorum is never reached before a lower one."""
    before = is_reached(asked(quorum), voters, qualified=qualified, involved=involved)
    after = is_reached(asked(quorum), [*voters, one_more], qualified=qualified, involved=involved)
    higher = is_reached(asked(quorum + 1), voters, qualified=qualified, involved=involved)
    assert after or not before
    assert before or not higher


@given(quorums, st.lists(people), some, some)
def test_losing_a_right_never_makes_an_approval(
    quorum: int, voters: list[str], qualified: frozenset[str], lost: frozenset[str]
) -> None:
    """With fewer people on the list, or more of them involved, nothing is reached that was not."""
    before = is_reached(asked(quorum), voters, qualified=qualified, involved=())
    for after in (
        is_reached(asked(quorum), voters, qualified=qualified - lost, involved=()),
        is_reached(asked(quorum), voters, qualified=qualified, involved=lost),
    ):
        assert before or not after


@given(quorums, st.lists(people))
def test_how_many_are_missing(quorum: int, voters: list[str]) -> None:
    """None is missing exactly when it is reached; each new person makes one fewer."""
    left = missing(asked(quorum), voters)
    assert (left == 0) == is_reached(asked(quorum), voters, qualified=voters, involved=())
    assert missing(asked(quorum), [*voters, "U-new"]) == max(0, left - 1)


@given(people, some, st.booleans(), some)
def test_who_may_vote(person: str, involved: frozenset[str], is_named: bool, voted: frozenset[str]) -> None:
    """Somebody on the list who had no hand in it and has not voted yet; nobody else."""
    question = asked(3, votes=tuple(Vote(one, "approve", T0) for one in sorted(voted)))
    may = is_named and person not in involved and person not in voted
    if may:
        may_vote(question, person, involved=involved, is_named=is_named, whom="the team")
        return
    with pytest.raises(Conflict if is_named and person not in involved else Refused):
        may_vote(question, person, involved=involved, is_named=is_named, whom="the team")


@given(st.booleans(), st.booleans(), st.text(max_size=20))
def test_who_may_break_the_glass(has_glass: bool, is_named: bool, reason: str) -> None:
    """Who is named where the file names anybody, with a reason that can be seen."""
    question = asked(break_glass=("U1",) if has_glass else ())
    if has_glass and is_named and is_said(reason):
        may_break_glass(question, is_named=is_named, reason=reason)
        return
    with pytest.raises(Refused):
        may_break_glass(question, is_named=is_named, reason=reason)


@pytest.mark.parametrize("reason", ["", " ", "\n\t\r", "\u00a0", "\u200b\u200d", "\u2060\u00ad", "\ufeff", "\u3000"])
def test_a_reason_that_nobody_can_see(reason: str) -> None:
    """Blanks of any width are no reason."""
    assert not is_said(reason)
    assert is_said(f"{reason}x{reason}")


# --- until when -------------------------------------------------------------------------------------------------------


moments = st.timedeltas(timedelta(0), timedelta(hours=2)).map(lambda after: T0 + after)


@given(moments)
def test_an_open_question_is_decided_before_its_end(now: datetime) -> None:
    """At the very moment in which it expires it is over."""
    if now < T0 + HALF_AN_HOUR:
        may_be_decided(asked(), now, names={})
        return
    with pytest.raises(Conflict, match="expired at 09:30"):
        may_be_decided(asked(), now, names={})


@given(moments, st.sampled_from([state for state in State if state is not State.OPEN]))
def test_a_closed_question_is_never_decided_again(now: datetime, state: State) -> None:
    """Whatever closed it, and whenever somebody comes."""
    with pytest.raises(Conflict):
        may_be_decided(asked(state=state, decided_by="U1"), now, names={"U1": "Ben"})


@given(moments, moments, st.sampled_from(State), st.timedeltas(timedelta(minutes=1), timedelta(hours=1)))
def test_how_long_an_approval_holds(now: datetime, decided_at: datetime, state: State, valid: timedelta) -> None:
    """Only an approval, and from its decision for as long as the question was open for."""
    question = asked(state=state, decided_at=decided_at, valid=valid)
    assert question.still_holds(now) == (state is State.APPROVED and now < decided_at + valid)
    assert not replace(question, decided_at=None).still_holds(now)


# --- what needs approval ----------------------------------------------------------------------------------------------


def runbook(steps: list[Step], policy: Policy) -> Runbook:
    return Runbook("restart", "shop", "Restart", tuple(steps), policy=policy)


def step(effect: Effect, number: int = 0, undo: Effect | None = None) -> Step:
    back = Step(f"s{number}.undo", Kind.HTTP, {}, undo) if undo else None
    return Step(f"s{number}", Kind.HTTP, {}, effect, undo=back)


def planned(effect: Effect, *, approval: ApprovalRule | None = None, is_late: bool = False) -> PlannedStep:
    return PlannedStep("s0", 1, Kind.HTTP, effect, "", "", {}, approval=approval, is_late=is_late)


policies = st.one_of(
    st.just(Policy()), st.just(Policy(needs_none=True)), st.builds(Policy, approval=rules)
)  # `approval: none` beside a once step is refused with the file
severities = st.sampled_from([None, "P0", "P1", "P9"])


@given(st.lists(effects, min_size=1, max_size=4), policies, severities)
def test_a_run_with_an_effect_needs_approval(found: list[Effect], policy: Policy, severity: str | None) -> None:
    """Unless the file says that it needs none; and what the file asks for is what it needs, reading or not."""
    made = runbook([step(effect, number) for number, effect in enumerate(found)], policy)
    rule = rule_of_run(made, severity)
    if policy.needs_none:
        assert rule is None
    elif policy.approval is not None:
        assert rule == policy.approval
    else:
        assert (rule is not None) == any(effect is not Effect.READ for effect in found)
    assert rule is None or rule.quorum >= 1


@given(rules, rules, severities)
def test_by_severity_falls_back(common: ApprovalRule, severe: ApprovalRule, severity: str | None) -> None:
    """A severity with a gate of its own has that one, every other and none at all the common one."""
    common = replace(common, by_severity={"P0": severe})
    made = runbook([step(Effect.ONCE)], Policy(approval=common))
    assert rule_of_run(made, severity) == (severe if severity == "P0" else common)


@given(effects, st.none() | rules, st.booleans(), policies, severities)
def test_what_a_step_needs_when_it_comes(
    effect: Effect, own: ApprovalRule | None, is_late: bool, policy: Policy, severity: str | None
) -> None:
    """Its own gate wherever it has one; and one always where something is done once with what nobody has seen yet."""
    made = runbook([step(effect)], policy)
    rule = rule_of_step(made, replace(step(effect), approval=own), severity, is_late=is_late)
    if own is not None:
        assert rule == own
    elif effect is Effect.ONCE and is_late:
        assert rule == (rule_of_run(made, severity) or ApprovalRule())
    else:
        assert rule is None


@given(st.lists(effects, min_size=1, max_size=4), st.lists(effects, max_size=4), policies, severities)
def test_taking_back_needs_approval(
    undos: list[Effect], done: list[Effect], policy: Policy, severity: str | None
) -> None:
    """Whenever anything in it has an effect, unless the file says none and nothing in it is done once."""
    made = runbook([step(effect, number) for number, effect in enumerate(done)], policy)
    rule = rule_of_undo(made, [planned(effect) for effect in undos], severity)
    has_effect = any(effect is not Effect.READ for effect in undos)
    if Effect.ONCE in undos or (has_effect and not policy.needs_none):
        assert rule == (rule_of_run(made, severity) or ApprovalRule())
    else:
        assert rule is None


@given(st.sampled_from([WHOLE_RUN, UNDO, "s0", "sure", "gated", "nothing"]), st.sampled_from([(), ("U1",), ("S1",)]))
def test_whom_the_file_names(rule: str, common: tuple[str, ...]) -> None:
    """A step's own list, else the run's; empty where the file leaves it to those who may approve in general."""
    assume(rule != "nothing" or common)
    sure = Step("sure", Kind.APPROVAL, {"who": ["U7"]}, Effect.READ)
    gated = Step("gated", Kind.HTTP, {}, approval=ApprovalRule(("U8",)))
    made = runbook([step(Effect.ONCE), sure, gated], Policy(approval=ApprovalRule(common)))
    assert named_for(made, rule, None) == {"sure": ("U7",), "gated": ("U8",)}.get(rule, common)
