"""What a runbook's file says is what happens: which step comes next, and what each outcome means."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.domain.catalogue.runbook import ApprovalRule, Effect, Kind, OnFailure, Policy, Retries
from bot.domain.errors import Misconfigured
from bot.domain.runs.approval import UNDO
from bot.domain.runs.outcome import Done, Failed, Outcome, Unknown, Waiting
from bot.domain.runs.parameters import Reference
from bot.domain.runs.run import Phase, Status, StepRun, StepState
from bot.domain.text.masking import MASK, Masker
from bot.domain.text.secret import Secret
from bot.engine import machine
from bot.engine.machine import AskApproval, AskToDo, AskWhether, Finish, Later, Sleep
from bot.engine.steps.bounds import MAX_OUTPUT, MAX_RESULT
from tests.engine.walk import T0, Walk, run_of, runbook, step, undo_of

ONCE, REPEATABLE, READ = Effect.ONCE, Effect.REPEATABLE, Effect.READ
FAILS, UNSURE = Failed("The server answered 500"), Unknown("No answer came.")
SURE = Failed("Nobody listens there.", certain=True)
TWICE_MORE = Retries(2, timedelta(seconds=5))
ANYBODY = ApprovalRule()


def over(status: Status, sentence: str = "") -> Finish:
    return Finish(status=status, sentence=sentence)


def test_one_after_the_other() -> None:
    """Steps are done in the order of the file, each once, and then the run has succeeded."""
    walk = Walk(runbook(step("a"), step("b", ONCE), step("c", REPEATABLE)))
    assert walk.go() == over(Status.SUCCEEDED)
    assert walk.path == [("a", "done"), ("b", "done"), ("c", "done")]


# --- conditions and values --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("when", "found", "path"),
    [
        ("steps.a.status == 200", {"status": 200}, ["done", "done"]),
        ("steps.a.status == 200", {"status": 201}, ["done", "skipped"]),
        ("not steps.a.ok", {}, ["done", "skipped"]),
        ("steps.a.ok", {"ok": False}, ["done", "skipped"]),
        ("params.deep", {}, ["done", "skipped"]),
        ("run.id == 'RUN-1'", {}, ["done", "done"]),
    ],
)
def test_only_what_is_needed(when: str, found: dict[str, Any], path: list[str]) -> None:
    """A step whose condition does not hold is left out, whether a parameter or an earlier result says so."""
    walk = Walk(runbook(step("a"), step("b", when=when)), {"a": [Done(found)]})
    walk.run = run_of(walk.book, parameters={"deep": False})
    assert walk.go() == over(Status.SUCCEEDED)
    assert walk.path == [("a", path[0]), ("b", path[1])]
    assert walk.progress["b"].sentence == ("Not needed." if path[1] == "skipped" else "")


def test_a_condition_on_what_is_not_there() -> None:
    """A condition that cannot be worked out fails its step, and nothing of it is done."""
    walk = Walk(runbook(step("a"), step("b", when="steps.a.count > 0"), step("c")))
    pause = walk.go()
    assert (pause.state, pause.status) == ("over", Status.FAILED)
    assert pause.sentence.startswith("Step b failed: ")
    assert walk.did == ["a"]


def test_a_condition_that_is_not_known_at_the_second_attempt_either() -> None:
    """A step that is tried again is not done while nobody can tell whether it is needed."""
    walk = Walk(runbook(step("a"), step("b", ONCE, when="steps.a.count > 0", retries=TWICE_MORE)))
    while isinstance(pause := walk.go(), Later):
        pass
    assert pause.status is Status.FAILED
    assert (walk.did, walk.path.count(("b", "failed"))) == (["a"], 3)


def test_what_is_saved_is_there_for_later_steps() -> None:
    """Results and saved values go into later arguments with their types."""
    count = step("count", save={"number": "json.count", "twice": "json.count * 2"})
    last = step("last", body={"url": "/last?n={{ steps.count.number + 1 }}", "n": "{{ steps.count.twice }}"})
    walk = Walk(runbook(count, last), {"count": [Done({"json": {"count": 4}})]})
    assert walk.go() == over(Status.SUCCEEDED)
    assert walk.progress["count"].saved == {"number": 4, "twice": 8}
    assert walk.performed[1].arguments == {"url": "/last?n=5", "n": 8}
    assert walk.performed[1].attempt.arguments == {"url": "/last?n=5", "n": 8}


def test_what_a_result_has_not() -> None:
    """A name of a result that is nothing is known to be nothing."""
    then = step("then", body={"url": "/then?at={{ steps.now.place | urlencode }}"}, when="steps.now.missing is none")
    walk = Walk(runbook(step("now"), then), {"now": [Done({"place": "now shop-7", "missing": None})]})
    assert walk.go() == over(Status.SUCCEEDED)
    assert walk.performed[1].arguments == {"url": "/then?at=now%20shop-7"}


def test_done_but_what_is_saved_is_not_there() -> None:
    """The step was done and does not say that it failed, or somebody would do it again; the run goes no further."""
    walk = Walk(runbook(step("put", ONCE, save={"x": "json.none.such"}), step("b")), {"put": [Done({"json": {}})]})
    pause = walk.go()
    assert pause.status is Status.FAILED
    assert pause.sentence.startswith("Step put failed: It was done, but ")
    assert walk.path == [("put", "done")]


def test_arguments_that_cannot_be_worked_out() -> None:
    """The step fails before anybody is asked and anything is done."""
    walk = Walk(runbook(step("a"), step("b", ONCE, body={"url": "{{ steps.a.none.such }}"}), policy=Policy()))
    assert walk.go().status is Status.FAILED
    assert walk.did == ["a"]


# --- failures ---------------------------------------------------------------------------------------------------------


def test_tried_again_and_given_up() -> None:
    """A step is tried again as often as its file says, each after its pause; then the run stops there."""
    walk = Walk(runbook(step("knock", retries=TWICE_MORE), step("after")), {"knock": [FAILS]})
    for _ in range(2):
        pause = walk.go()
        assert pause == Later(sentence="Step knock failed: The server answered 500", seconds=5.0)
        assert (walk.progress["knock"].state, walk.progress["knock"].sentence) == ("ready", "It is tried again.")
    assert walk.go() == over(Status.FAILED, "Step knock failed: The server answered 500")
    assert walk.did == ["knock"] * 3
    assert [one.attempt.attempt for one in walk.performed] == [1, 2, 3]


def test_a_retry_that_works() -> None:
    """A step that works at its second attempt lets the run go on."""
    walk = Walk(runbook(step("knock", retries=TWICE_MORE), step("after")), {"knock": [FAILS, Done()]})
    walk.go()
    assert walk.go() == over(Status.SUCCEEDED)
    assert walk.did == ["knock", "knock", "after"]


@pytest.mark.parametrize(
    ("effect", "outcome", "attempts"),
    [
        (READ, FAILS, 3),
        (READ, UNSURE, 3),
        (REPEATABLE, FAILS, 3),
        (REPEATABLE, UNSURE, 3),
        (ONCE, SURE, 3),
        (ONCE, FAILS, 1),
    ],
)
def test_what_may_be_tried_again(effect: Effect, outcome: Outcome, attempts: int) -> None:
    """A once step is tried again by itself only where nothing left the house; others whatever happened."""
    walk = Walk(runbook(step("a", effect, retries=TWICE_MORE)), {"a": [outcome]})
    while isinstance(pause := walk.go(), Later):
        pass
    assert pause.status is Status.FAILED
    assert walk.path == [("a", "failed")] * attempts


def test_on_failure_continue() -> None:
    """Where the file says so, the run goes on after a failure, and says what failed."""
    walk = Walk(runbook(step("knock", on_failure=OnFailure.CONTINUE), step("after")), {"knock": [FAILS]})
    assert walk.go() == over(Status.SUCCEEDED, "It went on after knock failed.")
    assert walk.did == ["knock", "after"]


def test_retries_come_before_going_on() -> None:
    """A step whose failure does not matter is tried again all the same."""
    knock = step("knock", on_failure=OnFailure.CONTINUE, retries=TWICE_MORE)
    walk = Walk(runbook(knock, step("after")), {"knock": [FAILS, Done()]})
    assert isinstance(walk.go(), Later)
    assert walk.go() == over(Status.SUCCEEDED)


def test_stopped_by_a_failure_and_tried_again() -> None:
    """A step that failed is done again by a person's word; those before it are not."""
    walk = Walk(runbook(step("a"), step("b", ONCE), step("c")), {"b": [FAILS, Done()]})
    assert walk.go() == over(Status.FAILED, "Step b failed: The server answered 500")
    assert walk.go() == over(Status.FAILED, "Step b failed: The server answered 500")
    assert walk.again("b").go() == over(Status.SUCCEEDED)
    assert walk.did == ["a", "b", "b", "c"]


# --- taking back ------------------------------------------------------------------------------------------------------

THERE = (
    step("first", REPEATABLE, undo=undo_of("first")),
    step("second", REPEATABLE, undo=undo_of("second")),
    step("look"),
    step("third", on_failure=OnFailure.UNDO),
)


def test_on_failure_undo() -> None:
    """Where the file says so, a failure has everything taken back, the last first, and nothing that was not done."""
    walk = Walk(runbook(*THERE, step("never", REPEATABLE, undo=undo_of("never"))), {"third": [FAILS]})
    assert walk.go() == over(Status.UNDONE, "What it did has been taken back.")
    assert walk.did == ["first", "second", "look", "third", "second.undo", "first.undo"]
    assert walk.run.phase is Phase.UNDO


def test_nothing_to_take_back() -> None:
    """Where nothing that was done can be taken back, the failure ends the run."""
    walk = Walk(runbook(step("a"), step("b", on_failure=OnFailure.UNDO)), {"b": [FAILS]})
    assert walk.go() == over(Status.FAILED, "Step b failed: The server answered 500")
    assert walk.run.phase is Phase.DO


def test_taking_back_fails() -> None:
    """The run says so and goes no further back: the file says nothing of what follows."""
    walk = Walk(runbook(*THERE), {"third": [FAILS], "second.undo": [FAILS]})
    assert walk.go() == over(Status.FAILED, "Step second.undo failed: The server answered 500")
    assert "first.undo" not in walk.did


def test_what_failed_may_have_happened() -> None:
    """A step that failed is taken back too, since some of it may have been done; one that was left out is not."""
    failing = step("a", REPEATABLE, undo=undo_of("a"), on_failure=OnFailure.UNDO)
    left_out = step("b", REPEATABLE, undo=undo_of("b"), when="false")
    walk = Walk(runbook(left_out, failing), {"a": [FAILS]})
    assert walk.go().status is Status.UNDONE
    assert walk.did == ["a", "a.undo"]


def test_taking_back_waits_for_approval() -> None:
    """Taking back something with an effect is asked for first, by its own plan, and only that plan is done."""
    walk = Walk(runbook(*THERE, policy=Policy()), {"third": [FAILS]})
    asked = walk.go()
    assert isinstance(asked, AskApproval)
    assert (asked.covers, asked.rule, asked.status) == (UNDO, ANYBODY, Status.AWAITING)
    assert asked.sentence == "Step third failed: The server answered 500 Taking back waits for approval."
    assert walk.did == ["first", "second", "look", "third"]
    assert walk.approve(asked).go() == over(Status.UNDONE, "What it did has been taken back.")
    assert walk.did[4:] == ["second.undo", "first.undo"]


def test_taking_back_by_another_plan_than_approved() -> None:
    """An approval of taking something else back counts for nothing."""
    back = undo_of("a", body={"url": "/a/{{ steps.b.number }}"})
    book = runbook(step("a", REPEATABLE, undo=back), step("b", save={"number": "n"}), policy=Policy())
    walk = Walk(book, {"b": [Done({"n": 1})]})
    assert walk.go() == over(Status.SUCCEEDED)
    walk.take_back()
    walk.progress["b"] = StepRun("b", 1, StepState.DONE, T0, saved={"number": 2})
    assert walk.go() == over(Status.FAILED, "Its plan is not the one that was asked for. Ask for the run again.")
    assert walk.did == ["a", "b"]


def test_taken_back_after_all_went_well() -> None:
    """What a run did is taken back when a person asks, the last first."""
    walk = Walk(runbook(*THERE, policy=Policy()))
    assert walk.go() == over(Status.SUCCEEDED)
    assert walk.take_back().go() == over(Status.UNDONE, "What it did has been taken back.")
    assert walk.did[4:] == ["second.undo", "first.undo"]


# --- what nobody knows ------------------------------------------------------------------------------------------------


def test_a_lost_answer_is_asked_about() -> None:
    """Where it is not known whether a once step happened, nothing is done until a person has answered."""
    walk = Walk(runbook(step("a", ONCE, retries=TWICE_MORE), step("b")), {"a": [UNSURE]})
    for _ in range(3):
        asked = walk.go()
        assert isinstance(asked, AskWhether)
        assert (asked.status, asked.sentence) == (Status.UNKNOWN, "Whether step a happened is not known.")
        assert (asked.made.attempt, asked.made.sentence) == (1, "No answer came.")
        assert walk.did == ["a"]


def test_a_person_says_that_it_happened() -> None:
    """Then the run goes on behind it, and it is not done again."""
    walk = Walk(runbook(step("a", ONCE), step("b")), {"a": [UNSURE]})
    assert walk.happened(walk.go()).go() == over(Status.SUCCEEDED)
    assert walk.did == ["a", "b"]


def test_it_did_not_happen_do_it_again() -> None:
    """A person who saw that it did not happen has it done again, as an attempt of its own."""
    walk = Walk(runbook(step("a", ONCE), step("b")), {"a": [UNSURE, Done()]})
    assert walk.redo(walk.go()).go() == over(Status.SUCCEEDED)
    assert [(one.step.id, one.attempt.attempt) for one in walk.performed] == [("a", 1), ("a", 2), ("b", 1)]


def test_unknown_again_and_asked_again() -> None:
    """Done again and lost again, it is asked about again."""
    walk = Walk(runbook(step("a", ONCE)), {"a": [UNSURE]})
    asked = walk.redo(walk.go()).go()
    assert isinstance(asked, AskWhether)
    assert asked.made.attempt == 2


@pytest.mark.parametrize("effect", [READ, REPEATABLE])
def test_what_is_repeatable_is_never_unknown(effect: Effect) -> None:
    """Where doing it twice is as good as once, an answer that was lost is a failure like any other."""
    walk = Walk(runbook(step("a", effect)), {"a": [UNSURE]})
    assert walk.go() == over(Status.FAILED, "Step a failed: No answer came.")


def test_what_is_unknown_is_taken_back_too() -> None:
    """What may have happened is taken back with the rest."""
    walk = Walk(runbook(step("a", ONCE, undo=undo_of("a"))), {"a": [UNSURE]})
    assert isinstance(walk.go(), AskWhether)
    assert walk.take_back().go().status is Status.UNDONE
    assert walk.did == ["a", "a.undo"]


# --- a worker that was lost -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("effect", [READ, REPEATABLE])
def test_a_lost_worker_and_what_may_be_done_again(effect: Effect) -> None:
    """The next worker begins the step again, as the same attempt."""
    walk = Walk(runbook(step("a", effect), step("b")), lose_at=1)
    assert walk.go() == over(Status.SUCCEEDED)
    assert [(one.step.id, one.attempt.attempt) for one in walk.performed] == [("a", 1), ("a", 1), ("b", 1)]


def test_a_lost_worker_and_a_once_step() -> None:
    """The next worker does not begin it again: a person is asked."""
    walk = Walk(runbook(step("a", ONCE), step("b")), lose_at=1)
    asked = walk.go()
    assert isinstance(asked, AskWhether)
    assert asked.made.sentence == "The worker was lost while it was under way."
    assert walk.did == ["a"]
    assert walk.happened(asked).go() == over(Status.SUCCEEDED)


def test_a_lost_worker_and_a_run_that_was_cancelled() -> None:
    """The run is over, and says that nobody knows whether the step happened."""
    walk = Walk(runbook(step("a", ONCE)), lose_at=1, cancel_at=1)
    assert walk.go() == over(Status.CANCELLED, "<@U0BEN> cancelled it.")
    said = "The worker was lost while it was under way. Whether it happened is not known."
    assert (walk.progress["a"].state, walk.progress["a"].sentence) == (StepState.INTERRUPTED, said)


@pytest.mark.parametrize(
    ("effect", "ends"), [(READ, Status.FAILED), (REPEATABLE, Status.FAILED), (ONCE, Status.UNKNOWN)]
)
def test_a_bug_on_the_way(effect: Effect, ends: Status) -> None:
    """Nothing more begins; of a once step that was under way a person is asked."""
    walk = Walk(runbook(step("a", effect)))
    begun = machine.next_move(walk.situation()).then
    assert isinstance(begun, machine.Perform)
    walk.progress["a"] = begun.attempt
    pause = machine.after_a_bug(walk.situation()).then
    assert isinstance(pause, machine.Pause)
    assert pause.status is ends


# --- cancelled, late, told to stop ------------------------------------------------------------------------------------


def test_cancelled_before_it_begins() -> None:
    """Nothing is done."""
    walk = Walk(runbook(step("a")))
    walk.cancelled_by = "U0BEN"
    assert walk.go() == over(Status.CANCELLED, "<@U0BEN> cancelled it.")
    assert walk.path == []


@pytest.mark.parametrize(
    ("effect", "outcome", "state", "said"),
    [
        (ONCE, UNSURE, "interrupted", "No answer came. Whether it happened is not known."),
        (REPEATABLE, UNSURE, "failed", "No answer came."),
        (READ, UNSURE, "failed", "No answer came."),
        (ONCE, FAILS, "failed", "The server answered 500"),
        (ONCE, Done(), "done", ""),
    ],
)
def test_cancelled_in_mid_effect(effect: Effect, outcome: Outcome, state: str, said: str) -> None:
    """What is known of the step is kept; it is not tried again, nothing is taken back, and nothing else begins."""
    cancelled = step("a", effect, retries=TWICE_MORE, on_failure=OnFailure.UNDO, undo=undo_of("a"))
    walk = Walk(runbook(cancelled, step("b")), {"a": [outcome]}, cancel_at=1)
    assert walk.go() == over(Status.CANCELLED, "<@U0BEN> cancelled it.")
    assert (walk.path, walk.progress["a"].sentence) == ([("a", state)], said)
    assert walk.did == ["a"]


@pytest.mark.parametrize(("third", "ends"), [(FAILS, Status.FAILED), (Done(), Status.SUCCEEDED)])
def test_cancelled_while_it_is_taken_back(third: Outcome, ends: Status) -> None:
    """What was taken back by then stays so, and the run ends as it had ended before."""
    walk = Walk(runbook(*THERE), {"third": [third]}, cancel_at=5)
    if walk.go().status is Status.SUCCEEDED:
        assert walk.take_back().go().status is ends
    assert walk.path[4:] == [("second.undo", "done")]


@pytest.mark.parametrize("minutes", [60, 61, 600])
def test_nothing_begins_after_the_deadline(minutes: int) -> None:
    """A run that is not over by its deadline fails, even in the midst of its attempts."""
    walk = Walk(runbook(step("a", retries=TWICE_MORE), deadline=timedelta(hours=1)), {"a": [FAILS]})
    assert isinstance(walk.go(), Later)
    assert walk.later(minutes=minutes).go() == over(Status.FAILED, "It took longer than its deadline allows.")
    assert walk.did == ["a"]


@pytest.mark.parametrize("effect", [READ, REPEATABLE])
def test_the_deadline_comes_in_mid_effect(effect: Effect) -> None:
    """A step that it ended has failed, is not tried again, and the run has failed with it."""
    walk = Walk(runbook(step("a", effect, retries=TWICE_MORE)), {"a": [UNSURE]}, late_at=1)
    assert walk.go() == over(Status.FAILED, "It took longer than its deadline allows.")
    assert walk.path == [("a", "failed")]


def test_the_deadline_comes_in_mid_effect_of_a_once_step() -> None:
    """Whether it happened is asked all the same."""
    walk = Walk(runbook(step("a", ONCE, retries=TWICE_MORE)), {"a": [UNSURE]}, late_at=1)
    assert isinstance(walk.go(), AskWhether)


def test_told_to_stop() -> None:
    """No further step begins, and the next process goes on from there."""
    walk = Walk(runbook(step("a"), step("b")))
    walk.is_stopping = True
    assert walk.go() == Later(status=Status.RUNNING)
    walk.is_stopping = False
    assert walk.go() == over(Status.SUCCEEDED)


# --- waiting ----------------------------------------------------------------------------------------------------------


def test_a_while() -> None:
    """A wait for a time is ended by a timer, and then looked at again as the same attempt."""
    walk = Walk(runbook(step("a", kind=Kind.WAIT, body={"for": "10m"})), {"a": [Waiting(600.0, "Waiting."), Done()]})
    pause = walk.go()
    assert isinstance(pause, Sleep)
    assert (pause.seconds, pause.state, pause.status, pause.sentence) == (600.0, "parked", Status.WAITING, "Waiting.")
    assert walk.later(minutes=10).go() == over(Status.SUCCEEDED)
    assert [(one.attempt.attempt, one.attempt.started_at) for one in walk.performed] == [(1, T0), (1, T0)]


def test_looked_at_again() -> None:
    """A wait for something to come true looks again and again."""
    body = {"until": {"http": {"url": "/up"}}, "every": "5s", "deadline": "1m"}
    walk = Walk(runbook(step("a", kind=Kind.WAIT, body=body)), {"a": [Waiting(5.0, "Not yet."), Done()]})
    assert walk.go() == Later(sentence="Not yet.", seconds=5.0)
    assert walk.go() == over(Status.SUCCEEDED)


def test_a_person_does_it() -> None:
    """A manual step waits for a person, however often somebody looks."""
    walk = Walk(runbook(step("a", kind=Kind.MANUAL, body={"text": "Pull"}), step("b")), {"a": [Waiting(None, "Pull")]})
    for _ in range(2):
        pause = walk.go()
        assert isinstance(pause, AskToDo)
        assert (pause.state, pause.status, pause.made.attempt) == ("parked", Status.WAITING, 1)
    assert walk.done_by_hand("a").go() == over(Status.SUCCEEDED)
    assert walk.did == ["a", "a", "b"]


# --- approvals --------------------------------------------------------------------------------------------------------

LATE = (
    step("find", save={"which": "json.path"}),
    step("end", ONCE, body={"url": "/end", "json": {"which": "{{ steps.find.which }}"}}),
)
FOUND = {"find": [Done({"json": {"path": "/oldest"}})]}


@pytest.mark.parametrize("policy", [Policy(), Policy(approval=ApprovalRule(quorum=2))])
def test_late_arguments_are_approved_when_they_are_known(policy: Policy) -> None:
    """A once step whose arguments come from an earlier result is asked about then, by the rule of the run."""
    walk = Walk(runbook(*LATE, policy=policy), FOUND)
    asked = walk.go()
    assert isinstance(asked, AskApproval)
    assert (asked.covers, asked.sentence) == ("end", "Step end waits for approval.")
    assert asked.rule == (policy.approval or ANYBODY)
    assert walk.did == ["find"]
    assert walk.approve(asked).go() == over(Status.SUCCEEDED)
    assert walk.did == ["find", "end"]


def test_approved_on_something_else() -> None:
    """An approval of what the step would have done before counts for nothing: it is asked again."""
    walk = Walk(runbook(*LATE, policy=Policy()), FOUND)
    walk.approve(walk.go())
    walk.progress["find"] = StepRun("find", 1, StepState.DONE, T0, saved={"which": "/newest"})
    assert isinstance(walk.go(), AskApproval)
    assert walk.did == ["find"]


def test_an_approval_of_its_own() -> None:
    """A step with an approval of its own is not begun without it; one approval is enough for all its attempts."""
    mine = ApprovalRule(who=("team:sre",), expires=timedelta(minutes=10))
    walk = Walk(runbook(step("a", approval=mine, retries=TWICE_MORE)), {"a": [FAILS, Done()]})
    asked = walk.go()
    assert isinstance(asked, AskApproval)
    assert (asked.rule, walk.did) == (mine, [])
    assert isinstance(walk.approve(asked).go(), Later)
    assert walk.go() == over(Status.SUCCEEDED)


def test_an_approval_that_is_too_old() -> None:
    """An approval is good for as long as its question was open for; afterwards it is asked again."""
    mine = ApprovalRule(expires=timedelta(minutes=10))
    walk = Walk(runbook(step("a", approval=mine, retries=TWICE_MORE)), {"a": [FAILS, Done()]})
    assert isinstance(walk.approve(walk.go()).go(), Later)
    assert isinstance(walk.later(minutes=10).go(), AskApproval)
    assert walk.did == ["a"]


def test_an_approval_step() -> None:
    """It asks as its body says, and what it found is who approved."""
    body = {"who": ["team:sre"], "quorum": 2, "expires": "10m", "text": "Is {{ steps.a.place }} dark?"}
    book = runbook(step("a", save={"place": "place"}), step("sure", kind=Kind.APPROVAL, body=body))
    walk = Walk(book, {"a": [Done({"place": "it"})]})
    asked = walk.go()
    assert isinstance(asked, AskApproval)
    assert asked.rule == ApprovalRule(("team:sre",), 2, timedelta(minutes=10))
    assert asked.text == "Is it dark?"
    assert walk.approve(asked).go() == over(Status.SUCCEEDED)
    assert walk.did == ["a"]
    assert (walk.progress["sure"].result, walk.progress["sure"].sentence) == ({"approved_by": ["U0BEN"]}, "Approved.")


def test_taking_back_asks_once_for_all() -> None:
    """The approvals that steps have of their own are not asked for again on the way back."""
    back = undo_of("a", ONCE, approval=ANYBODY)
    walk = Walk(runbook(step("a", REPEATABLE, undo=back), policy=Policy()))
    walk.go()
    assert walk.take_back().go().status is Status.UNDONE


def test_another_plan_than_was_asked_for() -> None:
    """A run whose plan is not the one that was approved does nothing."""
    walk = Walk(runbook(step("a", ONCE), policy=Policy()))
    walk.run = replace(walk.run, plan_hash="another")
    assert walk.go() == over(Status.FAILED, "Its plan is not the one that was asked for. Ask for the run again.")
    assert walk.did == []


# --- secrets and sizes ------------------------------------------------------------------------------------------------


def secretive(outcome: Outcome) -> Walk:
    """A step that is given a secret and says it everywhere."""
    body = {"url": "/a", "headers": {"key": "{{ params.key }}"}}
    walk = Walk(
        runbook(step("a", body=body, save={"kept": "json"}), step("b", body={"url": "/{{ steps.a.kept }}"})),
        {"a": [outcome]},
        values={"key": "hunter2secret"},
        masker=Masker([Secret("hunter2secret")]),
    )
    walk.run = run_of(walk.book, parameters={"key": Reference("env:KEY")})
    return walk


def test_a_secret_is_for_the_step_alone() -> None:
    """Arguments have it; what people see says where it comes from, and nothing that comes back has it."""
    walk = secretive(Done({"json": "hunter2secret"}, "out: hunter2secret", "said: hunter2secret"))
    assert walk.go() == over(Status.SUCCEEDED)
    first, second = walk.performed
    assert first.arguments["headers"] == {"key": "hunter2secret"}
    assert first.attempt.arguments["headers"] == {"key": "[secret env:KEY]"}
    assert second.arguments == {"url": f"/{MASK}"}
    made = walk.progress["a"]
    assert (made.result, made.saved) == ({"json": MASK}, {"kept": MASK})
    assert (made.output, made.sentence) == (f"out: {MASK}", f"said: {MASK}")


@pytest.mark.parametrize("outcome", [Failed("hunter2secret"), Unknown("hunter2secret"), Waiting(5.0, "hunter2secret")])
def test_no_sentence_has_a_secret(outcome: Outcome) -> None:
    """Whatever becomes of the step."""
    walk = secretive(outcome)
    pause = walk.go()
    assert "hunter2" not in pause.sentence + walk.progress["a"].sentence


def test_an_unknown_step_says_no_secret() -> None:
    """Nor does a once step of which nobody knows whether it happened."""
    walk = Walk(runbook(step("a", ONCE)), {"a": [Unknown("hunter2secret")]}, masker=Masker([Secret("hunter2secret")]))
    walk.go()
    assert walk.progress["a"].sentence == MASK


def test_a_secret_that_is_not_to_be_found() -> None:
    """The step fails with the sentence that says so, and nothing is done."""
    walk = secretive(Done())

    def missing() -> dict[str, Any]:
        raise Misconfigured("KEY is not set.")

    s = machine.Situation(walk.book, walk.run, {}, [], T0, walk.masker, missing)
    assert machine.next_move(s).then == over(Status.FAILED, "Step a failed: KEY is not set.")


def test_results_are_bounded() -> None:
    """Every name of a result stays; long texts and outputs are cut, and a saved value is worked out before that."""
    half = "x" * (MAX_RESULT // 2 + 10_000)
    found = Done({"one": half, "two": half, "three": half}, "y" * 2_000_000)
    walk = Walk(runbook(step("a", save={"size": "two | length"})), {"a": [found]})
    walk.go()
    made = walk.progress["a"]
    assert [len(one) for one in made.result.values()] == [len(half), MAX_RESULT - len(half), 0]
    assert made.saved == {"size": len(half)}
    assert len(made.output) == MAX_OUTPUT
