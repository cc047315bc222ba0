"""A runbook's own tests: read, walked without the world, and what came otherwise said."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import indent
from typing import Any

import jsonschema
import pytest
from sqlalchemy import select

from bot.catalogue.check import schemas
from bot.catalogue.load import load
from bot.catalogue.runbook_tests.read import RunbookCase, ScriptedResult, read
from bot.catalogue.yaml.document import parse
from bot.domain.catalogue.catalogue import Finding
from bot.domain.catalogue.runbook import Effect, Kind, Runbook, Step
from bot.domain.runs.outcome import Done, Failed
from bot.domain.text.secret import Secret
from bot.engine.steps import STEPS, Connections, ShellRules, StepContext
from bot.engine.testing import scripted
from bot.engine.testing.runner import differences, try_all
from bot.engine.testing.simulate import ASKS, Simulated, simulate
from bot.paths import data
from bot.ports import Database
from bot.store.runs import runs as store
from bot.store.tables.audit import audit_log
from tests.catalogue.conftest import Files
from tests.cli.conftest import Run, clean_environment, run  # noqa: F401 - the command line as people call it
from tests.support.clock import HandClock
from tests.support.runbooks import Target, opened_shop, shop
from tests.support.story import Story

OPS = "ops-alerts"
GUIDE = Path(__file__).parents[3] / "docs" / "catalogue.md"


# --- a walk without the world -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scene:
    """A runbook, what its target does, what people do, and the case that says all of it beforehand."""

    steps: str
    case: str
    people: tuple[str, ...] = ()  # approve reject happened redo stop tick, in the order of the questions
    status: Mapping[str, int] = field(default_factory=dict)
    cut: frozenset[str] = frozenset()
    head: str = ""


LOOK = '- {id: look, http: {url: "{url}/look"}, effect: read, save: {n: json.count}, on_failure: continue}'
RESTART = (
    '- {id: restart, http: {method: POST, url: "{url}/restart"}, undo: {http: {url: "{url}/back"}, effect: repeatable}}'
)
COUNTED = "look: {json: {count: 1}}"

SCENES = {
    "all goes well": Scene(
        f"{LOOK}\n{RESTART}",
        f"results: {{{COUNTED}, restart: ok}}\npath: [run: asks, look, restart]\nends: succeeded\nundo: [restart.undo]",
        ("approve",),
    ),
    "nobody approves": Scene(RESTART, "answers: {run: wait}\npath: [run: asks]\nends: awaiting_approval"),
    "somebody rejects": Scene(RESTART, "answers: {run: reject}\npath: [run: asks]\nends: rejected", ("reject",)),
    "a condition": Scene(
        f'{LOOK}\n{RESTART.replace("id: restart", "id: restart, when: steps.look.ok")}\n'
        '- {id: down, http: {url: "{url}/down"}, effect: read, when: not steps.look.ok}',
        "results: {look: {status: 404}, down: ok}\n"
        "path: [run: asks, look: failed, restart: skipped, down]\nends: succeeded\nundo: []",
        ("approve",),
        {"/look": 404},
    ),
    "a condition on what is not there": Scene(
        f'{LOOK}\n- {{id: then, http: {{url: "{{url}}/then"}}, effect: read, when: steps.look.n > 0}}',
        "results: {look: {status: 500}}\npath: [look: failed, then: failed]\nends: failed",
        (),
        {"/look": 500},
    ),
    "a failure stops it": Scene(
        f'{RESTART}\n- {{id: after, http: {{url: "{{url}}/after"}}, effect: read}}',
        "results: {restart: {status: 500}}\npath: [run: asks, restart: failed]\nends: failed\nundo: [restart.undo]\n"
        "says: 'Step restart failed: The server answered 500'",
        ("approve",),
        {"/restart": 500},
    ),
    "a read is tried again": Scene(
        '- {id: look, http: {url: "{url}/look"}, effect: read, retries: {max: 2, backoff: 1s}}',
        "results: {look: {status: 503}}\npath: [look: failed, look: failed, look: failed]\nends: failed",
        (),
        {"/look": 503},
    ),
    "a once step is tried again only when nothing left": Scene(
        "- {id: restart, http: {method: POST, url: 'http://127.0.0.1:1/'}, retries: {max: 1, backoff: 1s}}",
        "results: {restart: {fails: refused, certain: true}}\n"
        "path: [run: asks, restart: failed, restart: failed]\nends: failed",
        ("approve",),
    ),
    "a once step that was refused is not tried again": Scene(
        RESTART.replace("id: restart", "id: restart, retries: {max: 2, backoff: 1s}"),
        "results: {restart: {status: 500}}\npath: [run: asks, restart: failed]\nends: failed",
        ("approve",),
        {"/restart": 500},
    ),
    "taken back by itself": Scene(
        f'{RESTART}\n- {{id: check, http: {{url: "{{url}}/check"}}, effect: read, on_failure: undo}}',
        "results: {restart: ok, check: {status: 500}, restart.undo: ok}\n"
        "path: [run: asks, restart, check: failed, undo: asks, restart.undo]\nends: undone",
        ("approve", "approve"),
        {"/check": 500},
    ),
    "taking back fails": Scene(
        f'{RESTART}\n- {{id: check, http: {{url: "{{url}}/check"}}, effect: read, on_failure: undo}}',
        "results: {restart: ok, check: {status: 500}, restart.undo: {status: 500}}\n"
        "path: [run: asks, restart, check: failed, undo: asks, restart.undo: failed]\nends: failed",
        ("approve", "approve"),
        {"/check": 500, "/back": 500},
    ),
    "taking back without a question": Scene(
        '- {id: a, http: {url: "{url}/a"}, effect: read, on_failure: undo,'
        ' undo: {http: {url: "{url}/b"}, effect: read}}',
        "results: {a: {status: 500}, a.undo: ok}\npath: [a: failed, a.undo]\nends: undone",
        (),
        {"/a": 500},
        head="policy: {approval: none}",
    ),
    "a late once step asks, on what it would do": Scene(
        f'{LOOK}\n- {{id: restart, http: {{method: POST, url: "{{url}}/restart",'
        ' json: {n: "{{ steps.look.n }}"}}}',
        f"results: {{{COUNTED}, restart: ok}}\npath: [run: asks, look, restart: asks, restart]\n"
        "arguments: {restart: {json: {n: 1}}}\nsaved: {look: {n: 1}}\nends: succeeded",
        ("approve", "approve"),
    ),
    "a gate of its own, once for all attempts": Scene(
        '- {id: look, http: {url: "{url}/look"}, effect: read, retries: {max: 1, backoff: 1s}, approval: {quorum: 1}}',
        "results: {look: {status: 503}}\npath: [look: asks, look: failed, look: failed]\nends: failed",
        ("approve",),
        {"/look": 503},
    ),
    "nobody knows": Scene(
        RESTART, "results: {restart: unknown}\npath: [run: asks, restart: unknown]\nends: unknown", ("approve",),
        cut=frozenset({"/restart"}),
    ),
    "it happened": Scene(
        f'{RESTART}\n- {{id: after, http: {{url: "{{url}}/after"}}, effect: read}}',
        "results: {restart: unknown, after: ok}\nanswers: {restart: happened}\n"
        "path: [run: asks, restart: unknown, after]\nends: succeeded",
        ("approve", "happened"),
        cut=frozenset({"/restart"}),
    ),
    "done again, and stopped": Scene(
        RESTART,
        "results: {restart: unknown}\nanswers: {restart: [redo, stop]}\n"
        "path: [run: asks, restart: unknown, restart: unknown]\nends: failed",
        ("approve", "redo", "stop"),
        cut=frozenset({"/restart"}),
    ),
    "what is repeatable is never unknown": Scene(
        '- {id: put, http: {method: PUT, url: "{url}/put"}, effect: repeatable}',
        "results: {put: unknown}\npath: [run: asks, put: failed]\nends: failed",
        ("approve",),
        cut=frozenset({"/put"}),
    ),
    "done, but what is saved is not there": Scene(
        f'- {{id: put, http: {{url: "{{url}}/put"}}, effect: read, save: {{x: json.none.such}}}}\n{LOOK}',
        "results: {put: {json: {count: 1}}}\npath: [put]\nends: failed\nsays: It was done, but",
    ),
    "an argument that cannot be worked out": Scene(
        f'{LOOK}\n- {{id: then, http: {{url: "{{url}}/{{{{ steps.look.n }}}}"}}, effect: read}}',
        "results: {look: {status: 500}}\npath: [look: failed, then: failed]\nends: failed",
        (),
        {"/look": 500},
    ),
    "values and words": Scene(
        f'{LOOK}\n- {{id: sums, set: {{twice: steps.look.n * 2}}}}\n'
        '- {id: tell, message: {to: "slack:#general", text: "{{ steps.sums.twice }} for {{ run.id }}"}}',
        f"results: {{{COUNTED}}}\npath: [look, sums, tell]\nsaved: {{sums: {{twice: 2}}}}\n"
        "arguments: {tell: {text: 2 for RUN-1}}\nends: succeeded",
        head="policy: {approval: none}",
    ),
    "people's steps": Scene(
        "- {id: pull, manual: {text: Pull the plug, evidence: true}, save: {seen: evidence}}\n"
        "- {id: sure, approval: {who: [team:sre]}}\n- {id: end, set: {seen: steps.pull.seen}}",
        "results: {pull: {evidence: dark}}\npath: [pull, sure: asks, sure, end]\nsaved: {end: {seen: dark}}\n"
        "ends: succeeded",
        ("tick", "approve"),
        head="policy: {approval: none}",
    ),
    "nobody ticks": Scene(
        "- {id: pull, manual: {text: Pull the plug}}", "results: {pull: waits}\npath: [pull: waits]\nends: waiting"
    ),
    "a wait that does not come true": Scene(
        '- {id: up, wait: {until: {http: {url: "{url}/up"}}, every: 1s, deadline: 3s}}',
        "results: {up: {status: 503}}\npath: [up: failed]\nends: failed\nsays: It did not come true within 3 seconds",
        (),
        {"/up": 503},
    ),
    "a wait that comes true": Scene(
        '- {id: up, wait: {until: {http: {url: "{url}/up"}}, every: 1s, deadline: 3s}, save: {n: json.count}}',
        "results: {up: {json: {count: 1}}}\npath: [up]\nsaved: {up: {n: 1}}\nends: succeeded",
    ),
    "a while": Scene("- {id: pause, wait: {for: 2s}}", "path: [pause]\nends: succeeded"),
}  # fmt: skip


@pytest.mark.parametrize("name", SCENES)
def test_a_case_comes_as_it_says(name: str, tmp_path: Path) -> None:
    """Each scene takes the path, saves the values, takes back the steps and ends as its case says."""
    text = _text(SCENES[name]).replace("{url}", "http://127.0.0.1:8080")
    catalogue = load([shop(tmp_path, org=ORG, trip=text)]).catalogue
    assert catalogue
    runbook = catalogue.runbook("trip")
    case = _case(SCENES[name].case, runbook)
    assert list(differences(runbook, case, catalogue.services["shop"], catalogue.connections)) == []


REAL = (
    "all goes well", "somebody rejects", "a condition", "a read is tried again", "taken back by itself",
    "a late once step asks, on what it would do", "it happened", "done again, and stopped", "people's steps",
    "a wait that comes true",
)  # fmt: skip


@pytest.mark.parametrize("name", REAL)
async def test_one_path(name: str, database: Database, clock: HandClock, tmp_path: Path) -> None:
    """What a simulated run shows is what is written down of a real one: its path, its values and its end."""
    scene = SCENES[name]
    async with opened_shop(database, clock, tmp_path, org=ORG, trip=_text(scene)) as (story, there):
        there.status.update(scene.status)
        there.cut.update(scene.cut)
        catalogue = story.deps.catalogue
        runbook, case = catalogue.runbook("trip"), _case(scene.case, catalogue.runbook("trip"))
        service = catalogue.services["shop"]
        simulated = simulate(runbook, case, service, catalogue.connections)
        assert not there.counts

        await _walked(story, scene)

        assert list(differences(runbook, case, service, catalogue.connections)) == []
        await _same(story.deps.database, simulated, there)


ORG = """
default_service: shop
teams: {sre: [U0ADA, U0BEN, U0CLEO]}
access: {execute: [team:sre], approve: [team:sre]}
"""


def _text(scene: Scene) -> str:
    return f"title: A trip\nservice: shop\n{scene.head}\nsteps:\n{indent(scene.steps, '  ')}\n"


def _case(text: str, runbook: Runbook) -> RunbookCase:
    findings: list[Finding] = []
    written = f"cases:\n  - name: One\n{indent(text, '    ')}"
    suite = read(parse("trip.test.yml", written), runbook, findings)
    assert findings == []
    assert suite
    return suite.cases[0]


async def _walked(story: Story, scene: Scene) -> None:
    """What people do, for real."""
    await story.types("Ada", "/runbook run trip", OPS)
    for attempted in scene.people:
        action = {"tick": "step.done"}.get(
            attempted, f"{'approval' if attempted in ('approve', 'reject') else 'step'}.{attempted}"
        )
        question = await story.asked("RUN-1", action)
        if attempted in ("reject", "tick"):
            view = await story.opens_by_click("Ben", OPS, question, action)
            if attempted == "tick":
                await story.submits("Ben", view, evidence="dark")
            else:
                await story.submits("Ben", view, reason="not now")
        else:
            await story.clicks("Ben", OPS, question, action)


async def _same(database: Database, simulated: Simulated, there: Target) -> None:
    async with database.reading() as tx:
        run = await store.get(tx, 1)
        progress = await store.progress(tx, 1)
        attempts = await store.attempts(tx, 1)
        noted = list(await tx.execute(select(audit_log).where(audit_log.c.subject == "RUN-1").order_by(audit_log.c.id)))
    path = [_noted(row.action, row.detail) for row in noted]
    assert [one for one in path if one] == [
        (one.step, one.fate) for one in simulated.path if one.fate not in ("skipped", "waits")
    ]
    last = {one.step: one.fate for one in simulated.path if one.fate != ASKS}
    assert {one.step for one in attempts} == set(last)
    done_after_all = {row.detail["step"] for row in noted if row.action == "step.happened"}
    states = {"waiting": "waits"}
    assert last | dict.fromkeys(done_after_all, "done") == {
        name: states.get(one.state.value, one.state.value) for name, one in progress.items()
    }
    assert simulated.ends == run.status.value
    for name, made in progress.items():
        if not name.endswith(".undo"):
            seen = simulated.seen["steps"][name]
            assert {**made.saved, "ok": made.ok} == {one: seen[one] for one in [*made.saved, "ok"]}
        if made.arguments:
            assert simulated.arguments[name] == made.arguments
    why = {one.step: one.why for one in simulated.path if one.fate == "failed"}
    said = {name: made.sentence for name, made in progress.items() if made.sentence.startswith("The server answered")}
    assert said.items() <= why.items()
    walked = sum(1 for one in simulated.path if one.fate not in (ASKS, "skipped", "waits"))
    assert sum(there.counts.values()) <= walked or "/up" in there.counts


_ENDED = {"step.done": "done", "step.failed": "failed", "step.unknown": "unknown", "step.ticked": "done"}


def _noted(action: str, detail: Any) -> tuple[str, str] | None:
    """An entry of the audit log as an entry of a path."""
    if action == "approval.asked":
        gate = str(detail["covers"])
        return (gate.removeprefix("@"), ASKS)
    return (str(detail["step"]), _ENDED[action]) if action in _ENDED else None


@pytest.mark.parametrize(("program", "code"), [("true", 0), ("false", 1)])
async def test_a_program_is_judged_as_its_step_judges(
    program: str, code: int, clock: HandClock, tmp_path: Path
) -> None:
    """What a program ends with comes to the same as when it really runs."""
    arguments = {"argv": [f"/bin/{program}"]}
    step = Step("a", Kind.SHELL, arguments, Effect.READ)
    rules = ShellRules(tmp_path)
    context = StepContext("key", 10.0, clock, Connections({}, Secret), shell=rules)
    real = await STEPS[Kind.SHELL](arguments, context)
    assert isinstance(real, Done | Failed)
    simulated = scripted.outcome(step, arguments, scripted.Script([ScriptedResult(values={"exit_code": code})]))
    assert isinstance(simulated, Done | Failed)
    assert type(simulated) is type(real)
    assert simulated.result == real.result
    assert getattr(simulated, "sentence", "") == getattr(real, "sentence", "")


# --- what is said where it comes otherwise ----------------------------------------------------------------------------

BOOK = """\
title: A trip
service: default
parameters:
  - {name: seconds, type: integer, min: 5, default: 60}
  - {name: key, type: secret, from: env:KEY}
steps:
  - id: blocked
    sql: {connection: app_db, query: "select :s", params: {s: "{{ params.seconds }}"}}
    effect: read
    save: {count: rows | length}
  - id: end
    http: {method: POST, url: "https://db.example/end", headers: {Authorization: "Bearer {{ params.key }}"}}
    when: steps.blocked.count > 0
    undo: {http: {method: POST, url: https://db.example/begin}}
  - id: rate
    promql: {connection: metrics, query: up, check: value < 1}
  - id: free
    wait: {until: {sql: {connection: app_db, query: select true}}, every: 5s, deadline: 1m}
"""
ORG_WITH_CONNECTIONS = """\
connections: {app_db: {sql: env:APP_DATABASE_URL}, metrics: {prometheus: env:PROMETHEUS_URL}}
"""
GOOD = """\
cases:
  - name: Three block
    results: {blocked: {rows: [{}, {}, {}]}, end: ok, rate: {value: 0}, free: ok}
    path: [run: asks, blocked, end, rate, free]
"""


@pytest.fixture
def book(files: Files) -> Files:
    """A catalogue with one runbook to be tested."""
    files.service()
    files.write("org.yml", ORG_WITH_CONNECTIONS)
    files.write("default/trip.yml", BOOK)
    return files


def tried(files: Files, text: str) -> list[str]:
    """`line: sentence` of each finding."""
    files.write("default/trip.test.yml", text)
    found = try_all([files.root]).findings
    assert {Path(one.file).name for one in found} <= {"trip.test.yml"}
    return [f"{one.line}: {one.sentence}" for one in found]


def test_a_good_case_passes(book: Files) -> None:
    """What comes as expected is counted, and nothing else is said."""
    assert tried(book, GOOD) == []
    assert str(try_all([book.root])) == "1 case of 1 runbook passed."


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "end, rate",
            "end: skipped, rate",
            ("4: “Three block”: expected step end to be skipped; it was done, since steps.blocked.count is 3."),
        ),
        (
            "[{}, {}, {}]",
            "[]",
            ("4: “Three block”: expected step end to be done; it was skipped, since steps.blocked.count is 0."),
        ),
        (
            "run: asks, ",
            "",
            (
                "4: “Three block”: expected step blocked to be done; the run asked for approval, since a "
                "step has an effect."
            ),
        ),
        (
            "blocked, end, rate",
            "blocked, rate",
            ("4: “Three block”: expected step rate to be done; step end was done, since steps.blocked.count is 3."),
        ),
        (", free]", "]", "4: “Three block”: expected nothing more; step free was done, since it has no condition."),
        (
            "end: ok",
            "end: {status: 503}",
            ("4: “Three block”: expected step end to be done; it failed: The server answered 503; expected was 200."),
        ),
        (
            "end: ok",
            "end: unknown",
            ("4: “Three block”: expected step end to be done; it is unknown: It may have happened."),
        ),
        (
            "rate, free]",
            "rate, free, end]",
            ("4: “Three block”: expected step end to be done; the run ended before that: it succeeded."),
        ),
        ("free]\n", "free]\n    ends: failed\n", "5: “Three block”: expected the run to fail; it succeeded."),
        (
            "free]\n",
            "free]\n    undo: []\n",
            ("5: “Three block”: expected taking back to do nothing; it would do end.undo."),
        ),
        ("free]\n", "free]\n    says: so\n", "5: “Three block”: expected its last sentence to say “so”; it says “”."),
        (
            "free]\n",
            "free]\n    saved: {blocked: {count: 2}}\n",
            ("5: “Three block”: expected steps.blocked.count to be 2; it is 3."),
        ),
        (
            "free]\n",
            "free]\n    arguments:\n      blocked: {params: {s: true, t: 1}}\n",
            ("6: “Three block”: expected step blocked's params.s to be true; it is 60."),
        ),
        (
            "    results",
            "    parameters: {seconds: 3}\n    results",
            (
                "5: “Three block”: expected the run to ask for "
                "approval; the run ended before that: “seconds” must be a whole number, at least 5; it is “3”."
            ),
        ),
        (
            ", free: ok",
            "",
            "3: “Three block”: step free comes, and nothing says what it meets. Add free: ok under results.",
        ),
        (
            "end: ok, rate: {value: 0}, free: ok}\n    path: [run: asks, blocked, end,",
            "rate: {value: 0}, free: ok}\n    path: [run: asks, blocked, end: skipped,",
            "4: “Three block”: expected step end to be skipped; it came, since steps.blocked.count is 3.",
        ),
        (
            "value: 0",
            "value: 0, ok: false",
            "3: “Three block”: with these values the check comes to yes, and ok says otherwise. Leave ok out.",
        ),
    ],
)
def test_what_came_otherwise_is_said(book: Files, old: str, new: str, said: str) -> None:
    """Each difference is a sentence with its line, and says what came instead and why."""
    assert tried(book, GOOD.replace(old, new))[0] == said


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("blocked: {rows", "blockd: {rows", "3: There is no step “blockd” in this runbook. Did you mean “blocked”?"),
        ("end, rate", "ende, rate", "4: There is no step “ende” in this runbook. Did you mean “end”?"),
        ("{rows: [{}, {}, {}]}", "{status: 200}", "3: A sql step cannot give “status”. It gives rows and rowcount."),
        (
            "end: ok",
            "end: waits",
            ("3: Only a manual step waits for a person. For a http step write ok, fails or unknown."),
        ),
        ("value: 0", "value: low", "3: The value of a promql step is a number, or null where nothing was found."),
        ("free: ok", "free: unknown", "3: What became of a wait step is always known. Write {fails: why}."),
        (
            "end: ok",
            "end: okay",
            ("3: “okay” is not a result. Write ok, waits or unknown, or a mapping such as {fails: why}."),
        ),
        ("end: ok", "end: {fails: a, unknown: true}", "3: A step has one fate; this has fails and unknown. Keep one."),
        ("end: ok", "end: {rowz: []}", "3: There is no key “rowz” here. Did you mean “rows”?"),
        ("end, rate", "end: skiped, rate", "4: “skiped” is nothing that becomes of a step. Did you mean “skipped”?"),
        ("    path: [run: asks, blocked, end, rate, free]\n", "", "2: This case expects nothing. Add path or ends."),
        (
            "    path",
            "    answers: {blocked: redo}\n    path",
            ("4: “redo” answers a question about a once step, and “blocked” is read."),
        ),
        (
            "    path",
            "    answers: {run: happened}\n    path",
            ("4: “run” asks for approval. Write approve, reject or wait."),
        ),
    ],
)
def test_what_cannot_be_is_a_finding(book: Files, old: str, new: str, said: str) -> None:
    """A test that names what does not exist, or says what a step cannot come to, is not run."""
    assert tried(book, GOOD.replace(old, new)) == [said]
    assert try_all([book.root]).passed == 0


def test_a_test_without_its_runbook(book: Files) -> None:
    """A test belongs to the runbook beside it; the nearest name is said."""
    book.write("default/tripp.test.yml", GOOD)
    (found,) = try_all([book.root]).findings
    assert str(found).endswith("tripp.test.yml:1: There is no runbook “tripp” beside this file. Did you mean “trip”?")


def test_a_broken_runbook_is_found_once(book: Files) -> None:
    """The tests of a runbook that has findings are left out: it is `check` that says what is wrong with it."""
    book.write("default/trip.yml", BOOK.replace("effect: read", "effect: reed"))
    assert tried(book, GOOD) == []
    assert try_all([book.root]).runbooks == 0
    assert len(book.findings()) == 1


def test_secrets_stay_references(book: Files) -> None:
    """A simulated run needs no secret: an argument shows where it would come from."""
    book.write("default/trip.yml", BOOK.replace("db.example/end", "db.example/{{ params.key }}"))
    text = f"{GOOD}    arguments: {{end: {{headers: {{Authorization: 'Bearer [secret env:KEY]'}}}}}}\n"
    assert tried(book, text) == []


def test_looks_of_a_wait(book: Files) -> None:
    """The results of a wait are its looks: the first that holds ends it, and without one its time is over."""
    looks = "[{rows: [{free: false}]}, {fails: no answer}, {rows: [{free: true}]}]"
    assert tried(book, GOOD.replace("free: ok", f"free: {looks}")) == []
    late = ", ".join(["{fails: no answer}"] * 13)  # a minute has room for 13 looks, one each 5 seconds
    assert "did not come true" in tried(book, GOOD.replace("free: ok", f"free: [{late}, ok]"))[0]
    never = tried(book, GOOD.replace("free: ok", "free: {rows: [{free: false}]}"))
    assert "it failed: It did not come true within 1 minute: " in never[0]


def test_the_severity_of_the_incident_counts(book: Files) -> None:
    """The approval that a severity wants is the one that is asked for, whatever it is called."""
    gate = "policy: {approval: {by_severity: {high: {quorum: 2}}}}\nsteps:"
    title = '"{{ incident.severity }} {{ alert.labels.zone }}"'
    book.write("default/trip.yml", f"title: T\nservice: default\n{gate}\n  - {{id: a, set: {{b: {title}}}}}\n")
    text = """\
    cases:
      - name: In an incident
        incident: {severity: high}
        alert: {labels: {zone: north}}
        path: [run: asks, a]
        saved: {a: {b: P1 north}}
    """
    assert tried(book, text.replace('"', "")) == []


def test_the_schema_knows_the_short_forms() -> None:
    """An editor accepts what is read, in its short and its long form, and refuses an unknown key."""
    validator = jsonschema.Draft202012Validator(schemas()["test.yml"])
    jsonschema.Draft202012Validator.check_schema(schemas()["test.yml"])
    long = {"results": {"a": [{"fails": "why"}, "ok"]}, "path": ["a", {"b": "skipped"}], "answers": {"a": ["redo"]}}
    short = {"results": {"a": "ok"}, "answers": {"a": "redo"}, "ends": "failed"}
    assert list(validator.iter_errors({"cases": [{"name": "x", **one} for one in (long, short)]})) == []
    assert list(validator.iter_errors({"cases": [{"name": "x", "pth": []}]}))
    assert list(validator.iter_errors({"cases": [{"name": "x", "path": [{"a": "gone"}]}]}))


def test_the_example_of_the_guide_passes(files: Files) -> None:
    """What docs/catalogue.md shows is what passes, and its first case is what the guide says when it does not."""
    blocks = re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    runbook = next(one for one in blocks if one.startswith("title: Restart the API"))
    cases = next(one for one in blocks if "\ncases:" in one)
    files.service("checkout")
    files.write("org.yml", "teams: {sre: [U0ADA]}\nconnections: {metrics: {prometheus: env:PROMETHEUS_URL}}\n")
    files.write("checkout/restart_api.yml", runbook)
    files.write("checkout/restart_api.test.yml", cases)
    report = try_all([files.root])
    assert (report.findings, str(report)) == ((), "2 cases of 1 runbook passed.")
    files.write("checkout/restart_api.test.yml", cases.replace("before: {value: 1}", "before: {value: 0}"))
    (found,) = try_all([files.root]).findings
    assert found.sentence in " ".join(GUIDE.read_text(encoding="utf-8").split())


# --- on the command line ----------------------------------------------------------------------------------------------


def test_packaged_runbooks_pass_their_tests(run: Run) -> None:  # noqa: F811 - the fixture
    """The packaged examples have tests of their own, and pass them."""
    outcome = run("check", "--tests")
    assert (outcome.code, outcome.err) == (0, "")
    tested = {path.name.removesuffix(".test.yml") for path in data("runbooks").glob("*/*.test.yml")}
    assert {"blocked_sessions", "certificate_expiry", "error_rate", "practice", "redis_memory", "restart_api"} <= tested
    assert f"of {len(tested)} runbooks passed." in outcome.out


def test_findings_of_tests_end_with_1(run: Run, book: Files) -> None:  # noqa: F811 - the fixture
    """A case that comes otherwise is a finding like any other; without --tests nobody looks."""
    book.write("default/trip.test.yml", GOOD.replace("end, rate", "end: skipped, rate"))
    outcome = run("check", "--tests", str(book.root))
    assert outcome.code == 1
    assert "trip.test.yml:4: “Three block”: expected step end to be skipped" in outcome.out
    assert "0 of 1 case of 1 runbook passed." in outcome.out
    assert run("check", str(book.root)).code == 0
