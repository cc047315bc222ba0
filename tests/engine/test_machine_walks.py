"""Whatever runbooks say and steps come to: the machine's walk is the one that a plain reading of the rules gives."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from hypothesis import HealthCheck, given, settings, strategies as st

from bot.domain.catalogue.runbook import ApprovalRule, Effect, OnFailure, Policy, Retries, Runbook, Step
from bot.domain.runs.approval import UNDO
from bot.domain.runs.outcome import Done, Failed, Outcome, Unknown, Waiting
from bot.engine.machine import AskApproval, AskToDo, AskWhether, Finish, Pause
from tests.engine.walk import Walk, runbook, step

MOST = 300  # moves: no walk of these is longer

fates = [
    Done({"n": 1}), Done({"n": 2, "ok": False}), Failed("It failed."), Failed("Nothing left.", certain=True),
    Unknown("No answer."), Waiting(None, "Somebody has to."),
]  # fmt: skip
looks = st.lists(st.sampled_from([*fates, Waiting(5.0, "Not yet.")]), max_size=2)
scripts = st.builds(lambda first, last: [*first, last], looks, st.sampled_from(fates))  # nobody looks for ever
effects = st.sampled_from(Effect)
retries = st.integers(0, 2).map(lambda most: Retries(most, timedelta(seconds=5)))
numbers = st.none() | st.integers(1, 6)
slowly = settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])  # on a busy machine


@st.composite
def steps(draw: st.DrawFn, number: int) -> Step:
    name, before = f"s{number}", [f"steps.s{one}.ok" for one in range(number)]
    undo = st.builds(step, st.just(f"{name}.undo"), effects, retries=retries, on_failure=st.sampled_from(OnFailure))
    return step(
        name,
        draw(effects),
        body={"url": f"/{name}", "n": draw(st.sampled_from(["1", *(f"{{{{ {one} }}}}" for one in before)]))},
        when=draw(st.sampled_from([None, None, "true", "false", *before])),
        retries=draw(retries),
        on_failure=draw(st.sampled_from(OnFailure)),
        approval=draw(st.sampled_from([None, None, ApprovalRule()])),
        undo=draw(st.none() | undo),
    )


@dataclass(frozen=True)
class Case:
    """What a walk meets. `answers` are given to whatever is asked, in order; the last counts for the rest."""

    book: Runbook
    outcomes: dict[str, list[Outcome]]
    answers: list[str]
    cancel_at: int | None
    late_at: int | None
    lose_at: int | None


@st.composite
def cases(draw: st.DrawFn) -> Case:
    some = [draw(steps(number)) for number in range(draw(st.integers(1, 4)))]
    book = runbook(*some, policy=draw(st.sampled_from([Policy(), Policy(needs_none=True)])))
    found = {one.id: draw(scripts) for each in some for one in (each, each.undo) if one}
    answers = draw(st.lists(st.sampled_from(["yes", "yes", "again", "no"]), max_size=3))
    last = draw(st.sampled_from(["yes", "no"]))
    return Case(book, found, [*answers, last], draw(numbers), draw(numbers), draw(numbers))


class Answers:
    def __init__(self, given: list[str]) -> None:
        self._left = list(given)

    def next(self) -> str:
        return self._left.pop(0) if len(self._left) > 1 else self._left[0]


# --- the machine's walk -----------------------------------------------------------------------------------------------


def walked(case: Case) -> tuple[Walk, list[tuple[str, str]], str]:
    """The walk, its path with the questions in it, and how it ended."""
    walk = Walk(case.book, case.outcomes, case.cancel_at, case.late_at, case.lose_at)
    answers = Answers(case.answers)
    for _ in range(MOST):
        pause = walk.go()
        if ends := _answered(walk, pause, answers):
            return walk, walk.path, ends
    raise AssertionError("the walk does not end")


def _answered(walk: Walk, pause: Pause, answers: Answers) -> str:
    """How it ends; nothing where it goes on."""
    match pause:
        case Finish():
            return pause.status.value
        case AskApproval():
            walk.path.append((pause.covers, "asks"))
            if answers.next() == "no":
                return "no"
            walk.approve(pause)
        case AskWhether():
            match answers.next():
                case "yes":
                    walk.happened(pause)
                case "again":
                    walk.redo(pause)
                case _:
                    return "unknown"
        case AskToDo(made=made):
            if walk.cancelled_by or walk.is_late:
                return ""  # which the next move says
            if answers.next() == "no":
                return "waiting"
            walk.done_by_hand(made.step)
    return ""


# --- a plain reading of the rules, which knows nothing of the machine -------------------------------------------------


class Reading:
    """`path` fills as it reads. What a step's function returns is how the run ends, or nothing where it goes on."""

    def __init__(self, case: Case) -> None:
        self.book = case.book
        self.case = case
        self.scripts = {name: list(ones) for name, ones in case.outcomes.items()}
        self.answers = Answers(case.answers)
        self.path: list[tuple[str, str]] = []
        self.performed = 0
        self.is_cancelled = self.is_late = self.is_undo = False
        self.states: dict[str, str] = {}
        self.oks: dict[str, bool] = {}

    def read(self) -> str:
        for one in self.book.steps:
            ends = self.step(one)
            if ends == "undo":
                return self.take_back()
            if ends:
                return ends
        return self.interrupted() or "succeeded"

    def take_back(self) -> str:
        back = [one.undo for one in reversed(self.book.steps) if one.undo and self.states.get(one.id) in _HAPPENED]
        if not back:
            return "failed"
        effects = {one.effect for one in back}
        if Effect.ONCE in effects or (Effect.REPEATABLE in effects and not self.book.policy.needs_none):
            self.path.append((UNDO, "asks"))
            if self.answers.next() == "no":
                return "no"
        self.is_undo = True
        for one in back:
            if ends := self.step(one):
                return ends
        return self.interrupted() or "undone"

    def interrupted(self) -> str:
        if self.is_cancelled and self.is_undo:
            return "failed" if set(self.states.values()) & {"failed", "unknown", "interrupted"} else "succeeded"
        return "cancelled" if self.is_cancelled else "failed" if self.is_late else ""

    def step(self, one: Step) -> str:
        number, is_approved = 1, False
        while True:
            if ends := self.interrupted():
                return ends
            if self.value(one.when) is False:
                self.note(one, "skipped")
                return ""
            if self.value(one.when) is None or self.value(one.body.get("n")) is None:
                ends = self.failed(one, number, certain=True)
            elif self.asks(one) and not is_approved:
                self.path.append((one.id, "asks"))
                if self.answers.next() == "no":
                    return "no"
                is_approved = True
                continue
            else:
                ends = self.attempt(one, number)
            if ends == "again":
                number += 1
            elif ends != "look":
                return ends

    def value(self, text: str | None) -> bool | None:
        """Of a condition, or of what an argument is made of. None: nobody can tell."""
        if text is None or "steps." not in text:
            return text != "false"
        return self.oks.get(text.strip("{} ").removeprefix("steps.").removesuffix(".ok"))

    def asks(self, one: Step) -> bool:
        late = "{{" in one.body.get("n", "")
        return not self.is_undo and (one.approval is not None or (one.effect is Effect.ONCE and late))

    def attempt(self, one: Step, number: int) -> str:
        self.performed += 1
        self.is_cancelled |= self.performed == self.case.cancel_at
        self.is_late |= self.performed == self.case.late_at
        if self.performed == self.case.lose_at:
            return self.unknown(one) if one.effect is Effect.ONCE else "look"
        left = self.scripts[one.id]
        match left.pop(0) if len(left) > 1 else left[0]:
            case Done(result=result):
                self.note(one, "done", ok=result.get("ok") is not False)
                return ""
            case Waiting(seconds=seconds):
                self.note(one, "waiting")
                return "look" if seconds else self.by_hand(one)
            case Unknown() if one.effect is Effect.ONCE:
                return self.unknown(one)
            case Failed(certain=True):
                return self.failed(one, number, certain=True)
        return self.failed(one, number, certain=False)

    def unknown(self, one: Step) -> str:
        if self.is_cancelled:
            self.note(one, "interrupted")
            return self.interrupted()
        self.note(one, "unknown")
        answer = self.answers.next()
        if answer == "yes":
            self.states[one.id], self.oks[one.id] = "done", True
        return {"yes": "", "again": "again"}.get(answer, "unknown")

    def by_hand(self, one: Step) -> str:
        if self.interrupted():
            return "look"
        if self.answers.next() == "no":
            return "waiting"
        self.states[one.id], self.oks[one.id] = "done", True
        return ""

    def failed(self, one: Step, number: int, *, certain: bool) -> str:
        self.note(one, "failed")
        if ends := self.interrupted():
            return ends
        if number <= one.retries.max and (certain or one.effect is not Effect.ONCE):
            return "again"
        if one.on_failure is OnFailure.CONTINUE:
            return ""
        return "undo" if one.on_failure is OnFailure.UNDO and not self.is_undo else "failed"

    def note(self, one: Step, state: str, *, ok: bool = False) -> None:
        self.path.append((one.id, state))
        self.states[one.id], self.oks[one.id] = state, ok


_HAPPENED = ("done", "unknown", "interrupted", "failed")


@settings(slowly, max_examples=150)
@given(cases())
def test_the_walk_is_what_the_rules_say(case: Case) -> None:
    """The machine and the plain reading take the same path and end alike."""
    reading = Reading(case)
    ends = reading.read()
    _, path, found = walked(case)
    assert (path, found) == (reading.path, ends)


# --- what holds of every walk -----------------------------------------------------------------------------------------


def every_step(book: Runbook) -> dict[str, Step]:
    return {one.id: one for some in book.steps for one in (some, some.undo) if one}


@slowly
@given(cases())
def test_a_once_step_is_never_begun_twice_by_itself(case: Case) -> None:
    """Each attempt at it is begun once, and a further one only for a person or where nothing had left."""
    walk, path, _ = walked(case)
    for name, one in every_step(case.book).items():
        begun = [each.attempt.attempt for each in walk.performed if each.step.id == name]
        if one.effect is Effect.ONCE and not any(isinstance(fate, Waiting) for fate in case.outcomes[name]):
            assert len(begun) == len(set(begun))
            may_follow = walk.redone.count(name) + path.count((name, "failed"))
            assert len(begun) <= 1 + may_follow


@slowly
@given(cases())
def test_nothing_is_done_after_its_end(case: Case) -> None:
    """Cancelled or late, a run begins nothing more."""
    walk, _, _ = walked(case)
    assert len(walk.performed) <= min(case.cancel_at or MOST, case.late_at or MOST)


@slowly
@given(cases())
def test_back_over_what_was_done(case: Case) -> None:
    """Taking back goes over what has happened or may have, each once unless tried again, the newest first."""
    walk, path, _ = walked(case)
    back = [one.step.id for one in walk.performed if one.step.id.endswith(".undo")]
    order = [one.undo.id for one in reversed(case.book.steps) if one.undo]
    assert [order.index(name) for name in back] == sorted(order.index(name) for name in back)
    for name in back:
        assert walk.progress[name.removesuffix(".undo")].state in _HAPPENED
    begins = next((at for at, (name, _) in enumerate(path) if name.endswith(".undo")), len(path))
    assert all(name.endswith(".undo") for name, _ in path[begins:])


@slowly
@given(cases())
def test_as_often_as_the_file_says(case: Case) -> None:
    """No step fails more often than its retries allow, a person's word aside."""
    walk, path, _ = walked(case)
    for name, one in every_step(case.book).items():
        assert path.count((name, "failed")) <= 1 + one.retries.max + walk.redone.count(name)


@slowly
@given(cases())
def test_nothing_without_its_approval(case: Case) -> None:
    """What has to be approved is asked about before it is done: a step, and taking back."""
    walk, path, _ = walked(case)
    for one in walk.performed:
        step = one.step
        if step.id.endswith(".undo"):
            effects = {each.effect for each in _taken_back(walk)}
            needs = Effect.ONCE in effects or (effects != {Effect.READ} and not case.book.policy.needs_none)
            assert not needs or (UNDO, "asks") in path
        elif step.approval or (step.effect is Effect.ONCE and "{{" in step.body["n"]):
            assert (step.id, "asks") in path


def _taken_back(walk: Walk) -> list[Step]:
    made = walk.progress
    return [one.undo for one in walk.book.steps if one.undo and one.id in made and made[one.id].state in _HAPPENED]


@slowly
@given(cases())
def test_where_the_path_ends(case: Case) -> None:
    """A run that has succeeded has settled every step; one that was taken back has taken back all there was."""
    walk, _, ends = walked(case)
    if ends == "succeeded":
        for one in case.book.steps:
            state = walk.progress[one.id].state
            assert state in ("done", "skipped") or (state == "failed" and one.on_failure is OnFailure.CONTINUE)
    if ends == "undone":
        settled = {name: made.state for name, made in walk.progress.items() if name.endswith(".undo")}
        assert settled.keys() == {one.id for one in _taken_back(walk)}
