"""A runbook's file becomes a value, or sentences with a file and a line."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from textwrap import dedent, indent

import pytest
from hypothesis import given, strategies as st

from bot.catalogue.load import Loaded, load
from bot.catalogue.reload import CatalogueWatcher
from bot.catalogue.runbooks import read as runbook_read
from bot.catalogue.yaml.document import Document, Place, parse
from bot.deps import CurrentCatalogue
from bot.domain.catalogue.catalogue import Finding
from bot.domain.catalogue.runbook import ApprovalRule, Connection, Effect, Kind, OnFailure, Retries, Runbook, Trigger
from bot.domain.errors import Unclear
from tests.catalogue.conftest import Files

ORG = """\
teams: {sre: [U0ADA, U0BEN, U0CLEO]}
connections:
  app_db: {sql: env:APP_DATABASE_URL}
  cache: {redis: "file:/run/secrets/cache"}
  metrics: {prometheus: env:PROMETHEUS_URL}
"""

SPECIFIED = """\
title: Restart the API until healthy
service: default
guide: {overview: What it is, impact: …, diagnosis: …, resolution: …, prevention: …, escalation: …}
mttr_target: 5m
triggers:
  - {match: ['alertname="APIDown"'], severities: [high, P2], do: suggest}
parameters:
  - {name: replicas, type: integer, min: 1, max: 10, default: 2, help: How many to keep}
  - {name: host, type: string, required: true, pattern: '[a-z0-9.-]+', max_length: 100}
  - {name: mode, type: string, enum: [rolling, all], default: rolling}
  - {name: pause, type: duration, default: 90s}
  - {name: key, type: secret, from: env:DEPLOY_KEY}
  - {name: customer, type: choice, from: {connection: app_db, query: select name from customers}}
concurrency: {key: "api-{{ params.host }}", limit: 1}
deadline: 1h
policy:
  execute: [team:sre]
  approval:
    who: [team:sre, role:commander]
    quorum: 2
    expires: 30m
    reason: true
    break_glass: [role:commander]
    by_severity: {high: {quorum: 1, expires: 10m}}
steps:
  - id: before
    promql: {connection: metrics, query: 'up{host="{{ params.host }}"}', check: 'value < 1'}
    effect: read
  - id: restart
    title: Restart {{ params.host }}
    shell: {argv: [supervisorctl, restart, "{{ params.mode }}"], env: [PATH], cwd: ., expect: [0]}
    effect: once
    when: "{{ not steps.before.ok }}"
    timeout: 30s
    retries: {max: 2, backoff: 3s}
    on_failure: undo
    save: {pid: 'stdout | trim'}
    approval: {who: [team:sre], quorum: 2}
    undo: {shell: {argv: [supervisorctl, stop, "{{ steps.restart.pid }}"]}}
  - id: healthy
    wait: {until: {http: {url: "https://{{ params.host }}/health", expect: [200]}}, every: 5s, deadline: 2m}
  - id: rows
    sql: {connection: app_db, query: 'update x set y = :y', params: {y: "{{ params.customer }}"}, write: true}
  - id: told
    message: {to: "slack:#ops", text: "{{ steps.restart.pid }} of {{ incident.title }}"}
  - id: sums
    set: {twice: "{{ params.replicas * 2 }}", other: alert.labels.instance}
  - id: seen
    manual: {text: "Look at {{ steps.sums.twice }}", who: [oncall], evidence: true}
  - id: agreed
    approval: {who: [team:sre], text: "Go on?"}
  - id: forgotten
    redis: {connection: cache, command: [DEL, "key:{{ params.host }}"]}
    effect: repeatable
"""

STEP = """\
title: Try
service: default
parameters:
  - {{name: host, pattern: '[a-z0-9.-]+'}}
  - {{name: words}}
  - {{name: mode, enum: [app_db, "https://a.invalid"]}}
  - {{name: count, type: integer}}
  - {{name: key, type: secret, from: env:KEY}}
steps:
  - {{id: first, sql: {{connection: app_db, query: select 1}}, effect: read, save: {{one: 'rows[0]'}}}}
  - id: tried
{step}
  - {{id: last, wait: {{for: 1s}}}}
"""


class Runbooks:
    """One service with an org.yml to write runbooks beside."""

    def __init__(self, files: Files) -> None:
        self.files = files
        files.write("org.yml", ORG)
        self.contacts("{ops: {email: [ann@example.com, ops@company.invalid]}, desk: {pagerduty_service: PSVC123}}")

    def contacts(self, text: str) -> None:
        """Whom its service knows beyond Slack."""
        self.files.service(extra=f"\noncall: {{primary: {{who: [U0ADA]}}}}\ncontacts: {text}\n")

    def write(self, text: str, name: str = "try_it") -> Path:
        return self.files.write(f"default/{name}.yml", text)

    def step(self, text: str) -> list[str]:
        """`sentence` of each finding in a step written at line 11."""
        self.write(STEP.format(step=indent(dedent(text).strip(), "    ")))
        return [finding.sentence for finding in self.load().findings]

    def load(self) -> Loaded:
        return load([self.files.root], allow_shell=[self.files.root])

    def one(self, name: str = "try_it") -> Runbook:
        loaded = self.load()
        assert not loaded.findings, loaded.findings
        assert loaded.catalogue is not None
        return loaded.catalogue.runbook(name)

    def findings(self) -> list[str]:
        return [str(finding).removeprefix(f"{self.files.root}/default/") for finding in self.load().findings]


@pytest.fixture
def books(files: Files) -> Runbooks:
    return Runbooks(files)


def test_specified(books: Runbooks) -> None:
    """What is in the file is what the runbook is."""
    path = books.write(SPECIFIED)
    found = books.one()
    assert (found.id, found.service, found.title) == ("try_it", "default", "Restart the API until healthy")
    assert found.guide["overview"] == "What it is"
    assert (found.mttr_target, found.deadline) == (timedelta(minutes=5), timedelta(hours=1))
    assert found.triggers == (Trigger(('alertname="APIDown"',), ("P1", "P2"), "suggest"),)
    assert [one.name for one in found.parameters] == ["replicas", "host", "mode", "pause", "key", "customer"]
    assert [one.default for one in found.parameters] == [2, None, "rolling", "1m30s", None, None]
    assert found.concurrency is not None
    assert found.concurrency.key == "api-{{ params.host }}"
    assert (found.file, found.folder) == (str(path), str(books.files.root))
    assert found.has_effect


def test_whom_a_contact_means_is_part_of_the_version(books: Runbooks) -> None:
    """The same file with another address behind its contact is another version; an `email:` before it is not."""
    text = "title: Tell\nservice: default\nsteps:\n  - {id: tell, email: {to: TO, subject: s, text: t}}\n"
    books.write(text.replace("TO", "'email:ops'"))
    before = books.one()
    known = {"email": ["ann@example.com", "ops@company.invalid"]}
    assert before.steps[0].body == {"to": "ops", "subject": "s", "text": "t", "contact": known}
    books.contacts("{ops: {email: [bob@example.com]}}")
    assert books.one().version != before.version
    books.write(text.replace("TO", "U0ADA"))
    assert "contact" not in books.one().steps[0].body


def test_specified_policy(books: Runbooks) -> None:
    """A severity's rule keeps what it does not change."""
    books.write(SPECIFIED)
    policy = books.one().policy
    assert policy.execute == ("team:sre",)
    assert policy.approval is not None
    half, commander = timedelta(minutes=30), ("role:commander",)
    special = ApprovalRule(("team:sre", *commander), 1, timedelta(minutes=10), True, commander)
    assert policy.approval == ApprovalRule(("team:sre", *commander), 2, half, True, commander, {"P1": special})
    assert policy.approval.for_severity("P1") == special


def test_specified_steps(books: Runbooks) -> None:
    """Kinds, effects, gates and undo are as written; what is set is in braces, what is saved without."""
    books.write(SPECIFIED)
    found = books.one()
    kinds = ["promql", "shell", "wait", "sql", "message", "set", "manual", "approval", "redis"]
    assert [one.kind for one in found.steps] == [Kind(kind) for kind in kinds]
    read, once, again = Effect.READ, Effect.ONCE, Effect.REPEATABLE
    assert [one.effect for one in found.steps] == [read, once, read, once, again, read, read, read, again]
    restart = found.steps[1]
    assert restart.body["argv"] == ["supervisorctl", "restart", "{{ params.mode }}"]
    assert (restart.timeout, restart.retries) == (timedelta(seconds=30), Retries(2, timedelta(seconds=3)))
    assert (restart.on_failure, restart.save) == (OnFailure.UNDO, {"pid": "stdout | trim"})
    assert restart.approval == ApprovalRule(("team:sre",), 2)
    assert restart.undo is not None
    assert (restart.undo.id, restart.undo.effect) == ("restart.undo", once)
    assert found.steps[5].body == {"twice": "{{ params.replicas * 2 }}", "other": "{{ alert.labels.instance }}"}
    assert found.steps[7].approval is None


def test_connections(books: Runbooks) -> None:
    """Connections are names, kinds and references; nothing is resolved."""
    loaded = books.load()
    assert loaded.catalogue is not None
    assert loaded.catalogue.connections["cache"] == Connection("cache", "redis", "file:/run/secrets/cache")
    assert loaded.catalogue.connections["app_db"] == Connection("app_db", "sql", "env:APP_DATABASE_URL")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (
            "x: {sql: postgresql://u:p@h/d}",
            "Write env:NAME or file:/path; addresses and passwords never stand in this file.",
        ),
        ("x: {sql: env:A, redis: env:B}", "A connection is one of sql, redis and prometheus."),
        ("x: {}", "A connection is one of sql, redis and prometheus."),
        ("x: {sqll: env:A}", "There is no key “sqll” here. Did you mean “sql”?"),
        ("x: {sql: }", "This connection has no address."),
        ("X y: {sql: env:A}", "“X y” cannot name a connection."),
    ],
)
def test_wrong_connection(files: Files, line: str, sentence: str) -> None:
    """An address in org.yml is refused, as is what names nothing."""
    files.service()
    files.write("org.yml", f"connections:\n  {line}\n")
    (found,) = files.findings()
    assert found.startswith(f"org.yml:2: {sentence}")


def test_the_guide_tells_the_truth(files: Files) -> None:
    """The runbook in the guide passes the check, with the org.yml and the service of the guide."""
    guide = (Path(__file__).parents[3] / "docs" / "catalogue.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL)
    org, service, book = (next(one for one in blocks if key in one) for key in ("teams:", "severities:", "title:"))
    files.write("org.yml", org.replace("default_service: default", ""))
    files.write("checkout/service.yml", service)
    files.write("checkout/restart_api.yml", book)
    loaded = files.load()
    assert loaded.findings == ()
    assert loaded.catalogue is not None
    assert loaded.catalogue.runbook("restart_api").version


def test_version(books: Runbooks) -> None:
    """The version is of the content: layout and comments do not count, any value does."""
    books.write(SPECIFIED)
    before = books.one().version
    books.write("# ours\n" + SPECIFIED.replace("deadline: 1h", "deadline:    1h"))
    assert books.one().version == before
    assert len(before) == 64
    books.write(SPECIFIED.replace("quorum: 2", "quorum: 3", 1))
    assert books.one().version != before


def test_version_keeps_types_apart() -> None:
    """1, 1.0, true and "1" are four contents."""
    assert len({runbook_read.version({"a": one}) for one in (1, 1.0, True, "1", None)}) == 5


def test_broken_one_leaves_the_others(books: Runbooks) -> None:
    """A broken file takes no other down."""
    books.write(SPECIFIED, "good")
    books.write("title: [", "unreadable")
    books.write("title: Nothing\n", "broken")
    loaded = books.load()
    assert {Path(one.file).stem for one in loaded.findings} == {"unreadable", "broken"}
    assert loaded.catalogue is not None
    assert set(loaded.catalogue.runbooks) == {"good"}


def test_ids_are_unique(books: Runbooks, more_files: Callable[[str], Files]) -> None:
    """An id names one runbook over all folders."""
    first = books.write(SPECIFIED)
    other = more_files("other")
    other.service("checkout")
    second = other.write("checkout/try_it.yml", SPECIFIED.replace("service: default", "service: checkout"))
    found = load([books.files.root, other.root], allow_shell=[books.files.root, other.root])
    sentence = f"The runbook “try_it” is also in {first}. Ids are unique over all folders."
    assert found.findings == (Finding(str(second), 1, sentence),)


def test_connections_of_another_folder(books: Runbooks, more_files: Callable[[str], Files]) -> None:
    """A runbook may name what any folder's org.yml has."""
    other = more_files("other")
    other.service("checkout")
    other.write(
        "checkout/look.yml", STEP.replace("service: default", "service: checkout").format(step="    wait: {for: 1s}")
    )
    assert load([books.files.root, other.root]).findings == ()


def test_broken_org_is_not_blamed_on_runbooks(books: Runbooks) -> None:
    """Where org.yml cannot be read, nobody complains about its connections and teams."""
    books.write(SPECIFIED)
    books.files.write("org.yml", "connections: [\n")
    (found,) = books.load().findings
    assert found.file.endswith("org.yml")


def test_shell_needs_leave(books: Runbooks) -> None:
    """Shell steps are refused in a folder that the operator did not name, undo included."""
    books.write(SPECIFIED)
    found = load([books.files.root]).findings
    assert {one.sentence for one in found} == {
        "Shell steps are not allowed in this catalogue folder. Name the folder in TOCSIN_ALLOW_SHELL."
    }
    assert [one.line for one in found] == [31, 39]


def test_shell_is_allowed_by_place(books: Runbooks, tmp_path: Path) -> None:
    """A folder reached by another name is the same folder; its neighbour is not."""
    books.write(SPECIFIED)
    (tmp_path / "link").symlink_to(books.files.root)
    assert load([tmp_path / "link"], allow_shell=[books.files.root]).findings == ()
    assert load([books.files.root], allow_shell=[tmp_path]).findings != ()


FILES = [
    ("", "1: “title” is missing. Add it."),
    ("title: x\nservice: default", "1: “steps” is missing. Add it."),
    ("title: x\nservice: default\nsteps: []", "3: steps is empty. Add at least one."),
    (
        "title: x\nservice: checkout\nsteps: [{id: a, wait: {for: 1s}}]",
        "2: The service is “checkout” but its folder is “default”. Make them the same.",
    ),
]


@pytest.mark.parametrize(("text", "sentence"), FILES)
def test_wrong_file(books: Runbooks, text: str, sentence: str) -> None:
    """A file that lacks something says what, and where."""
    books.write(text)
    assert books.findings()[0] == f"try_it.yml:{sentence}"


LINES = [
    ("policies: {}", "There is no key “policies” here. Did you mean “policy”?"),
    ("deadline: 90", "“90” has no unit. Write for example 15m, 4h or 1h30m."),
    ("deadline: 0s", "This must be at least 1s."),
    ("guide: {overveiw: x}", "There is no key “overveiw” here. Did you mean “overview”?"),
    ("policy: {execute: [team:srre]}", "There is no team “srre” in org.yml. Did you mean “sre”?"),
    ("policy: {approval: {who: [ada]}}", "“ada” is not somebody. "),
    (
        "policy: {execute: ['oncall:second']}",
        "There is no level “second” of on-call in this service. There is primary.",
    ),
    (
        "policy: {approval: {who: [oncall], by_severity: {P1: {who: ['oncall:pirmary']}}}}",
        "There is no level “pirmary” of on-call in this service. Did you mean “primary”?",
    ),
    ("policy: {approval: {quorum: 0}}", "policy.approval.quorum: Input should be greater than or equal to 1."),
    ("policy: {approval: never}", "policy.approval must be a mapping of keys to values."),
    ("policy: {approval: {four_eyes: false}}", "There is no key “four_eyes” here. "),
    ("policy: {approval: {by_severity: {P9: {}}}}", "default has no severity “P9”. "),
    ("triggers: [{match: []}]", "triggers[1].match is empty. Add at least one."),
    ("triggers: [{match: [alertname]}]", "“alertname” is not a matcher. "),
    ("triggers: [{match: ['a=~\"(\"']}]", "“(” is not a pattern: missing ): (."),
    ("triggers: [{match: ['a=\"b\"'], severities: [P9]}]", "default has no severity “P9”. "),
    ("triggers: [{match: ['a=\"b\"'], do: start}]", "“start” is not known here. Write suggest, ask or run."),
    ("triggers: [{match: ['a=\"b\"'], do: run}]", "“do: run” needs “approval: none” under policy. "),
    ("concurrency: {key: '{{ params.x }}'}", "There is no parameter “x”. Add it under parameters."),
    ("concurrency: {key: '{{ steps.a.ok }}'}", "“a” does not come before this step. "),
    ("parameters: [{name: Host}]", "“Host” is not a name here. "),
    ("parameters: [{name: reason}]", "“reason” is asked for in every run already. "),
    ("parameters: [{name: a}, {name: a}]", "“a” is already on line 4. Choose another name."),
    ("parameters: [{name: a, pattern: '('}]", "“(” is not a pattern: missing ): (."),
    ("parameters: [{name: a, pattern: '(a)\\1'}]", "“(a)\\1” is not a pattern: "),
    ("parameters: [{name: a, type: secret}]", "A secret needs from: env:NAME or file:/path. "),
    ("parameters: [{name: a, type: secret, from: hunter2}]", "A secret needs from: env:NAME or file:/path. "),
    ("parameters: [{name: a, type: secret, from: env:A, default: x}]", "“default” means nothing for a parameter of"),
    ("parameters: [{name: a, type: choice}]", "A choice needs from: {connection: …, query: …}."),
    ("parameters: [{name: a, type: choice, from: {connection: cache, query: x}}]", "“cache” is a redis connection"),
    ("parameters: [{name: a, type: integer, pattern: x}]", "“pattern” means nothing for a parameter of type integer."),
    ("parameters: [{name: a, type: integer, min: 3, max: 2}]", "min is above max. Correct one of them."),
    ("parameters: [{name: a, type: text}]", "“text” is not known here. "),
    (
        "parameters: [{name: a, type: integer, max: 3, default: 4}]",
        "The default breaks its own rule: “a” must be a whole number, at most 3; it is “4”.",
    ),
]


@pytest.mark.parametrize(("line", "sentence"), LINES)
def test_wrong_line(books: Runbooks, line: str, sentence: str) -> None:
    """What is wrong is said with its line, and what to write."""
    books.write(f"title: x\nservice: default\nsteps: [{{id: a, wait: {{for: 1s}}}}]\n{line}\n")
    assert books.findings()[0].startswith(f"try_it.yml:4: {sentence}")


def test_file_name(books: Runbooks) -> None:
    """The file's name is the id."""
    books.write(SPECIFIED, "Try-It")
    assert books.findings()[0].startswith("Try-It.yml:1: “Try-It” is not a runbook's id. ")


def test_approval_none(books: Runbooks) -> None:
    """Nobody needs to approve only where no step is `once`, and then `do: run` may stand."""
    text = """\
        title: x
        service: default
        policy: {{approval: none}}
        triggers: [{{match: ['alertname="x"'], do: run}}]
        steps: [{{id: a, redis: {{connection: cache, command: [DEL, x]}}, effect: {effect}}}]
        """
    books.write(dedent(text).format(effect="repeatable"))
    assert books.one().policy.needs_none
    books.write(dedent(text).format(effect="once"))
    assert books.findings() == [
        "try_it.yml:3: “approval: none” is only for runbooks without a once step, and “a” has one."
    ]


def test_automatic_needs_defaults(books: Runbooks) -> None:
    """A run that nobody starts has nobody to ask for a value."""
    text = "title: x\nservice: default\npolicy: {approval: none}\ntriggers: [{match: [a=b], do: run}]\n"
    books.write(text + "parameters: [{name: host, required: true}]\nsteps: [{id: a, wait: {for: 1s}}]\n")
    assert books.findings() == ["try_it.yml:4: “do: run” starts without a person, so “host” needs a default."]


async def test_reload(books: Runbooks) -> None:
    """A good edit is in force without a restart; a broken one changes nothing and is said."""
    books.write("title: One\nservice: default\nsteps: [{id: a, wait: {for: 1s}}]\n")
    catalogue = books.load().catalogue
    assert catalogue is not None
    current_catalogue = CurrentCatalogue(catalogue)
    pinned = current_catalogue.current.runbook("try_it")
    watcher = CatalogueWatcher([books.files.root], [], current_catalogue, [books.files.root])
    await watcher.look()
    books.write("title: The second\nservice: default\nsteps: [{id: a, shell: {argv: [ls]}}]\n")
    assert await watcher.look() == []
    assert current_catalogue.current.runbook("try_it").title == "The second"
    assert pinned.title == "One"
    books.write("title: The third\nservice: default\nsteps: []\n")
    assert await watcher.look() != []
    assert current_catalogue.current.runbook("try_it").title == "The second"


def test_nearest_id(books: Runbooks) -> None:
    """An unknown runbook is answered with the nearest one."""
    catalogue = books.load().catalogue
    assert catalogue is not None
    with pytest.raises(Unclear, match="The catalogue has none yet"):
        catalogue.runbook("try_it")
    books.write(SPECIFIED)
    catalogue = books.load().catalogue
    assert catalogue is not None
    with pytest.raises(Unclear, match="Did you mean “try_it”"):
        catalogue.runbook("tri_it")


PLACES = sorted(parse("try_it.yml", SPECIFIED).lines, key=str)
SURROUNDINGS = runbook_read.Surroundings()


@given(
    st.sampled_from(PLACES),
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.lists(st.text(max_size=3)))
    | st.sampled_from(["{{", "{% if %}", "{{ params.host }}", "{{ steps }}", "env:X", "\x00", {"http": {}}, [[]]]),
)
def test_any_value_anywhere(place: Place, value: object) -> None:
    """Whatever is in a runbook, it loads or has findings with lines of the file."""
    document = parse("default/try_it.yml", SPECIFIED)
    at: object = document.data
    for part in place[:-1]:
        at = at[part]  # type: ignore[index]
    at[place[-1]] = value  # type: ignore[index]
    findings: list[Finding] = []
    found = runbook_read.read(Document(document.file, document.data, document.lines), SURROUNDINGS, findings)
    assert (found is None) == bool(findings)
    assert all(1 <= one.line <= SPECIFIED.count("\n") for one in findings)
    assert all(one.sentence.strip() for one in findings)
