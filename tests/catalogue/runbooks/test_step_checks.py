"""Each kind of step: what it may say, what it may name, and what people's words may never become."""

from __future__ import annotations

import pytest

from bot.domain.catalogue.runbook import Effect
from bot.expressions import evaluate, language
from tests.catalogue.conftest import Files
from tests.catalogue.runbooks.test_read import Runbooks


@pytest.fixture
def books(files: Files) -> Runbooks:
    return Runbooks(files)


RIGHT = [
    "http: {url: 'https://a.invalid:8443/x?y={{ params.words }}', method: POST, json: {a: ['{{ params.words }}', 1]}}",
    "http: {url: 'http://{{ params.host }}:{{ params.count }}/'}",
    "http: {url: 'http://[::1]/'}",
    "http: {url: 'https://a.invalid', headers: {Authorization: 'Bearer {{ params.key }}'}}",
    "sql: {connection: app_db, query: 'x :a {{ params.count }}', params: {a: '{{ params.words }}', b: null}}",
    "redis: {connection: cache, command: [SET, '{{ params.words }}', 1, 1.5]}",
    "redis: {connection: cache, command: [memory, usage, x]}\neffect: read",
    "promql: {connection: metrics, query: 'up{a=\"{{ params.host }}\"}', range: 1h, step: '{{ params.words }}'}",
    "promql: {connection: metrics, query: up, check: 'value > {{ params.count }} and labels.job'}",
    "shell: {argv: [echo, '{{ params.words }}'], stdin: '{{ steps.first.one }}', expect: [0, 1]}",
    "wait: {for: '{{ params.words }}'}",
    "wait: {until: {redis: {connection: cache, command: [GET, x]}}, every: 1s, deadline: 1m}\nsave: {x: value}",
    'manual: {text: \'{{ "yes" if steps.first.ok else "no" }}\'}\nsave: {seen: evidence}',
    "message: {to: 'dm:team:sre', text: '{{ incident.severity }} {{ alert.labels[\"x\"] }} {{ run.id }}'}",
    "email: {to: ops, subject: '{{ params.words }}', text: 'x {{ run.id }}'}\nsave: {who: reached}",
    "email: {to: 'email:team:sre', subject: x, text: y}\neffect: repeatable",
    "page: {to: desk, text: '{{ alert.labels.host }}'}\neffect: repeatable",
    "page: {to: page:oncall, text: x}",
    "set: {a: 'steps.first.one', b: '[params.words, 1]'}\nwhen: steps.first.ok",
    "approval: {who: [team:sre], quorum: 2, text: 'Really {{ params.words }}?'}",
]


@pytest.mark.parametrize("step", RIGHT)
def test_right(books: Runbooks, step: str) -> None:
    """What is right has no finding."""
    assert books.step(step) == []


WRONG = [
    ("title: x", "This step has no kind. Add one of "),
    ("wait: {for: 1s}\nset: {a: '1'}", "A step has one kind; this one has wait and set. Make a step of each."),
    ("wait:", "wait has no value. Say what the step does."),
    ("htp: {}", "There is no key “htp” here. Did you mean “http”?"),
    ("statuspage: {}", "Steps of this kind are not available in this release. Remove the step."),
    ("parallel: {steps: []}", "Steps of this kind are not available in this release. Remove the step."),
    ("runbook: {id: x}", "Steps of this kind are not available in this release. Remove the step."),
    ("wait: {for: 1s}\ntimeout: 30", "“30” has no unit. "),
    ("wait: {for: 1s}\nretries: {max: 11}", "steps[2].retries.max: Input should be less than or equal to 10."),
    ("wait: {for: 1s}\non_failure: retry", "“retry” is not known here. Write stop, continue or undo."),
    ("wait: {for: 1s}\non_failure: undo", "Nothing could be undone: neither this step nor an earlier one has undo."),
    ("wait: {for: 1s}\neffect: once", "A wait step is always read. Remove this line."),
    ("message: {to: 'slack:#a', text: x}\neffect: read", "A message step is always repeatable. Remove this line."),
    ("wait: {for: 1s}\nsave: {a: value}", "A wait step has no result to save. Remove this."),
    ("wait: {for: 1s}\nundo: {approval: {}}", "An undo is approved as a whole. Remove this."),
    ("wait: {for: 1s}\napproval: {text: x}", "text belongs to a step that is an approval. "),
    ("wait: {for: 1s}\nundo: {id: x, wait: {for: 1s}}", "There is no key “id” here. "),
    ("http: {url: 'ftp://a.invalid/'}", "A URL begins with http:// or https:// and a host"),
    ("http: {url: 'https://u:p@a.invalid/'}", "A URL begins with http:// or https:// and a host"),
    ("http: {url: '/x'}", "A URL begins with http:// or https:// and a host"),
    ("http: {url: 'https://a.invalid', json: {}, body: x}", "A request has one body. Keep one of json, form and body."),
    ("http: {url: 'https://a.invalid', method: get}", "“get” is not known here. "),
    ("http: {url: 'https://a.invalid', method: DELETE}\neffect: read", "A DELETE request is not a read. "),
    ("http: {url: 'https://a.invalid', json: {a: 2026-01-01}}", "“2026-01-01” is neither text nor a number. "),
    ("http: {url: 'https://a.invalid', json: {a: .nan}}", "This is not a number. Write one."),
    (
        "http: {url: 'https://a.invalid', json: {'{{ run.id }}': 1}}",
        "“{{ run.id }}” is a key, and keys are not templates.",
    ),
    ("sql: {connection: app_db, query: x, write: true}\neffect: read", "A query with write: true is not a read. "),
    ("sql: {connection: app_dbs, query: x}", "There is no connection “app_dbs” in org.yml. Did you mean “app_db”?"),
    ("sql: {connection: cache, query: x}", "“cache” is a redis connection, and this needs a sql one."),
    ("redis: {connection: cache, command: []}", "steps[2].redis.command is empty. Add at least one."),
    (
        "redis: {connection: cache, command: [DEL, x]}\neffect: read",
        "“DEL” is not known as a command that only reads. ",
    ),
    ("promql: {connection: metrics, query: up, step: 1m}", "step needs a range. Add range, or remove step."),
    ("promql: {connection: metrics, query: up, range: soon}", "“soon” is not a duration. "),
    (
        "promql: {connection: metrics, query: up, check: 'valeu < 1'}",
        "There is no value “valeu” here. Did you mean “value”?",
    ),
    ("shell: {argv: []}", "steps[2].shell.argv is empty. Add at least one."),
    ("shell: {argv: ['']}", "The first argument is the program. Name it."),
    ('shell: {argv: [a, "\\0"]}', "An argument holds no NUL character. Remove it."),
    ("shell: {argv: ls -l}", "steps[2].shell.argv must be a list, like [a, b]."),
    ("shell: {argv: [ls], cwd: '{{ params.host }}'}", "“cwd” is not a template. Write it out."),
    ("shell: {argv: [ls], env: ['A B']}", "“A B” is not a variable's name. "),
    ("wait: {}", "A wait has either for, or until with every and deadline."),
    ("wait: {for: 0s}", "This must be at least 1s."),
    ("wait: {until: {redis: {connection: cache, command: [GET, x]}}}", "A wait has either for, or until with"),
    ("wait: {until: {}, every: 1s, deadline: 1m}", "until has exactly one check: "),
    (
        "wait: {until: {redis: {connection: cache, command: [DEL, x]}}, every: 1s, deadline: 1m}",
        "“DEL” is not known as",
    ),
    (
        "wait: {until: {http: {url: 'http://a', method: POST}}, every: 1s, deadline: 1m}",
        "A POST may change something. ",
    ),
    (
        "wait: {until: {http: {url: 'http://{{ params.words }}'}}, every: 1s, deadline: 1m}",
        "“params.words” may be any text",
    ),
    ("manual: {text: x, who: [team:web]}", "There is no team “web” in org.yml. "),
    (
        "manual: {text: x, who: ['oncall:primry']}",
        "There is no level “primry” of on-call in this service. Did you mean “primary”?",
    ),
    ("message: {to: 'dm:oncall:nights', text: x}", "There is no level “nights” of on-call in this service. "),
    ("message: {to: 'email:ops', text: x}", "A message is posted in Slack. “email:ops” takes an e-mail step"),
    ("message: {to: 'page:ops', text: x}", "A message is posted in Slack. “page:ops” takes a page step"),
    ("email: {to: ops, text: x}", "“subject” is missing. Add it."),
    ("email: {to: opps, subject: x, text: x}", "There is no contact “opps” in this service. Did you mean “ops”?"),
    ("email: {to: 'opps@a.invalid', subject: x, text: x}", "There is no contact “opps@a.invalid” in this service. "),
    ("email: {to: 'page:ops', subject: x, text: x}", "“page:ops” is not somebody. "),
    ('email: {to: "ops\\nBcc: x", subject: x, text: x}', "“ops\nBcc: x” is not somebody. "),
    ("email: {to: '{{ params.words }}', subject: x, text: x}", "“to” is not a template. Write it out."),
    ("email: {to: everyone, subject: x, text: x}", "“everyone” is nobody in particular. "),
    ("email: {to: desk, subject: x, text: x}", "The contact “desk” has no address. Add email or who to it."),
    ("email: {to: ops, subject: x, text: x}\neffect: read", "It reaches people, so it is not a read. "),
    ("page: {to: ops, text: x}", "The contact “ops” cannot be paged. Add pagerduty_service or who to it."),
    ("page: {to: 'oncall:primry', text: x}", "There is no level “primry” of on-call in this service. "),
    ("page: {to: desk}", "“text” is missing. Add it."),
    ("message: {to: 'slack:#{{ params.host }}', text: x}", "“to” is not a template. Write it out."),
    ("message: {to: '#ops', text: x}", "“#ops” is not a target. "),
    ("set: {ok: '1'}", "Every step has “ok” already. Choose another name."),
    ("set: {a: 'params.'}", "This expression does not parse: "),
    ("approval: {quorum: 21}", "steps[2].approval.quorum: Input should be less than or equal to 20."),
    ("manual: {text: '{{ params.words }'}", "This expression does not parse: "),
    ("manual: {text: '{{ params.wrods }}'}", "There is no parameter “wrods”. Did you mean “words”?"),
    ("manual: {text: '{{ params }}'}", "“params” is not a value by itself. Write params.NAME."),
    ("manual: {text: '{{ params[params.words] }}'}", "“params” is not a value by itself. "),
    ("manual: {text: '{{ steps.last.ok }}'}", "“last” does not come before this step. Only earlier results are known."),
    ("manual: {text: '{{ steps.tried.ok }}'}", "“tried” does not come before this step. "),
    ("manual: {text: '{{ steps.frist.ok }}'}", "There is no step “frist”. Did you mean “first”?"),
    ("manual: {text: '{{ steps.first.two }}'}", "The step “first” has ok, value and one, not “two”. "),
    ("manual: {text: '{{ steps.first }}'}", "“steps.first” is not a value by itself. "),
    ("manual: {text: '{{ incident.owner }}'}", "“incident” has no “owner”. "),
    ("manual: {text: '{{ alert.name }}'}", "“alert” has no “name”. "),
    ("manual: {text: '{{ env.HOME }}'}", "There is no value “env” here. "),
    ("manual: {text: '{{ params.words | safe }}'}", "There is no filter “safe” here."),
    ("manual: {text: '{% if 1 %}x{% endif %}'}", "Statements ({% … %}) have no place in an argument. "),
    ("manual: {text: '{{ params.words.upper() }}'}", "Nothing is called in an expression. "),
    ("manual: {text: '{{ 1 if params.words }}'}", "An if in an expression needs its else."),
    ("manual: {text: '{{ 1 is callable }}'}", "There is no test “callable” here."),
    ("manual: {text: '{{ 2 ** 9 }}'}", "“pow” is not available in an expression."),
    ("manual: {text: x}\nwhen: '{{ 1 }} and {{ 0 }}'", "This expression does not parse: "),
    ("promql: {connection: metrics, query: up, check: 'value > {{ params.words }}'}", "“params.words” may be any text"),
    (
        "promql: {connection: metrics, query: up, check: 'value > {{ params.count }} 1'}",
        "This expression does not parse",
    ),
    ("set: {a: '" + "(" * 5000 + "'}", "This expression is nested too deeply. "),
    ("manual: {text: '{% include \"x\" %}'}", "Statements ({% … %}) have no place"),
    ("manual: {text: x}\nwhen: 'not steps.first.okay'", "The step “first” has ok, value and one, not “okay”. "),
    ("manual: {text: x}\ntitle: '{{ nobody }}'", "There is no value “nobody” here. "),
]


@pytest.mark.parametrize(("step", "sentence"), WRONG)
def test_wrong(books: Runbooks, step: str, sentence: str) -> None:
    """What is wrong is one sentence that says what to write."""
    found = books.step(step)
    assert len(found) == 1
    assert found[0].startswith(sentence)


# What people type, what came from a step or an alert, and a secret.
LOOSE = ["params.words", "params.key", "steps.first.one", "incident.title", "alert.labels.x"]
PLACES = [
    "sql: {connection: app_db, query: \"select '{{ NAME }}'\"}",
    "promql: {connection: metrics, query: 'up{a=\"{{ NAME }}\"}'}",
    "redis: {connection: cache, command: ['{{ NAME }}']}",
    "shell: {argv: ['{{ NAME }}']}",
    "http: {url: 'https://{{ NAME }}/'}",
    "http: {url: 'https://a.{{ NAME }}'}",
    "http: {url: 'https://a.invalid{{ NAME }}/x'}",
    "http: {url: 'https://a.invalid:{{ NAME }}'}",
    "http: {url: 'https://{{ \"a\" if params.count else NAME }}/'}",
    "wait: {until: {sql: {connection: app_db, query: 'x {{ NAME }}'}}, every: 1s, deadline: 1m}",
]


@pytest.mark.parametrize("name", LOOSE)
@pytest.mark.parametrize("place", PLACES)
def test_loose_text_decides_nothing(books: Runbooks, place: str, name: str) -> None:
    """No free text becomes a query, a command, a program or a host."""
    found = books.step(place.replace("NAME", name))
    assert len(found) == 1
    assert found[0].startswith(f"“{name}” may be any text, so it is never part of ")


@pytest.mark.parametrize(
    "step",
    [
        "http: {url: '{{ params.words }}'}",
        "http: {url: '{{ params.host }}://a.invalid'}",
        "http: {url: 'https:{{ params.words }}'}",
        "http: {url: '{{ params.mode ~ params.words }}'}",
    ],
)
def test_scheme(books: Runbooks, step: str) -> None:
    """A scheme is written out, or is an enum's."""
    (found,) = books.step(step)
    assert found.startswith("A URL begins with http:// or https:// and a host")


@pytest.mark.parametrize(
    ("pattern", "narrow"),
    [
        ("[a-z0-9.-]+", True),
        (r"\w+(\.\w+)*", True),
        ("(?:web|api)-[0-9]{1,3}", True),
        (".*", False),
        ("[^/]+", False),
        ("[.-_]+", False),
        ("[a-z ]+", False),
        ("(?i)k", False),
        (r"\S+", False),
        ("[[:alpha:]]+", False),
        ('a"b', False),
        ("^a$|.", False),
    ],
)
def test_narrow_patterns(books: Runbooks, pattern: str, narrow: bool) -> None:
    """A pattern lets a text into a host only where it admits nothing but letters, digits, `_`, `.` and `-`."""
    text = f"title: x\nservice: default\nparameters: [{{name: host, pattern: '{pattern}'}}]\n"
    books.write(text + "steps: [{id: a, http: {url: 'https://{{ params.host }}/'}}]\n")
    assert (books.findings() == []) is narrow


def test_narrow_text_is_no_query(books: Runbooks) -> None:
    """Two dashes are a comment: a query of SQL, a command and a program take an enum or a number."""
    for place in (PLACES[0], PLACES[2], PLACES[3]):
        (found,) = books.step(place.replace("NAME", "params.host"))
        assert found.startswith("“params.host” may be any text")
        assert books.step(place.replace("NAME", "params.mode")) == []


def test_connection_by_enum(books: Runbooks) -> None:
    """A connection may be chosen from an enum, and each of its values must be one."""
    text = "title: x\nservice: default\nparameters: [{name: where, enum: [app_db, %s]}]\n"
    step = "steps: [{id: a, sql: {connection: '{{ params.where }}', query: x}}]\n"
    books.write(text % "app_db" + step)
    assert books.findings() == []
    books.write(text % "cache" + step)
    assert books.findings() == ["try_it.yml:4: “cache” is a redis connection, and this needs a sql one."]
    (found,) = books.step("sql: {connection: 'app_{{ params.host }}', query: x}")
    assert found == "A connection is written out, or {{ params.NAME }} of a parameter with an enum."


def test_url_by_enum(books: Runbooks) -> None:
    """A whole base may come from an enum; what follows may not stretch its host."""
    text = "title: x\nservice: default\nparameters: [{name: base, enum: ['https://a.invalid', '%s']}, {name: words}]\n"
    step = "steps: [{id: a, http: {url: '{{ params.base }}%s'}}]\n"
    books.write(text % "http://b.invalid:81" + step % "/x/{{ params.words }}")
    assert books.findings() == []
    books.write(text % "http://b.invalid" + step % "{{ params.words }}")
    assert "“params.words” may be any text" in books.findings()[0]
    books.write(text % "b.invalid" + step % "/x")
    assert books.findings()[0].startswith("try_it.yml:4: A URL begins with http:// or https:// and a host")


def test_doubled_step(books: Runbooks) -> None:
    """Two steps have two ids."""
    books.write("title: x\nservice: default\nsteps:\n  - {id: a, wait: {for: 1s}}\n  - {id: a, wait: {for: 1s}}\n")
    assert books.findings() == ["try_it.yml:5: “a” is already on line 4. Choose another id."]


def test_absent_effect(books: Runbooks) -> None:
    """What says nothing of its effect is `once`, also where it only looks."""
    books.write("title: x\nservice: default\nsteps: [{id: a, http: {url: 'https://a.invalid'}}]\n")
    assert books.one().steps[0].effect is Effect.ONCE


def test_condition_without_braces(books: Runbooks) -> None:
    """A condition written as a bare expression is the expression, never a text that is always true."""
    text = "title: x\nservice: default\nsteps: [{id: a, wait: {for: 1s}}, {id: b, wait: {for: 1s}, when: %s}]\n"
    books.write(text % "not steps.a.ok")
    assert books.one().steps[1].when == "{{ not steps.a.ok }}"
    books.write(text % "'{{ not steps.a.ok }}'")
    assert books.one().steps[1].when == "{{ not steps.a.ok }}"


def test_one_language() -> None:
    """What is accepted here is what is worked out later: the same filters, tests and forms."""
    environment = evaluate._environment()
    assert {name for name in environment.filters if not name.startswith("_")} == set(language.FILTERS)
    assert set(environment.tests) == set(language.TESTS)
    assert not environment.globals
