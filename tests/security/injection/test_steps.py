# ruff: noqa: E501 - runbooks, as an operator would write them
"""Hostile values through whole runs: each reaches its target as one argument with exactly those bytes, or is refused."""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import psycopg
import pytest
import redis

from bot.catalogue.load import load
from bot.ports import Database
from tests.security.injection.scene import OPS, Log, Scene, opened, quoted, things
from tests.support.clock import HandClock
from tests.support.runbooks import ORG, shop
from tests.support.story import buttons

SQL = ("'", "' OR 1=1; DROP TABLE things; --", '"; DROP TABLE things', "/* */", ":name %s %(name)s", "$$x$$", "E'\\'")
SHELL = (
    "$(touch pwned)",
    "`touch pwned`",
    "; touch pwned",
    "--help",
    "-rf /",
    "| touch pwned",
    "&& touch pwned",
    "*",
    "~",
)
WEB = (
    "../../admin",
    "..",
    "/etc/passwd",
    "@evil.invalid/",
    "#fragment",
    "?a=b&c=d",
    "%2e%2e%2f",
    "%00",
    "//evil.invalid",
)
REDIS = ("*3 $3 SET", "FLUSHALL", "{a}", "a b c")
PROMQL = ('"} or vector(1) #', "up{} or on() vector(1)", "a\\", '","x"="', "{__name__=~'.+'}")
JINJA = (
    "{{ 7 * 7 }}",
    "{% for x in y %}",
    "{{ params.__class__ }}",
    "{{ ''.__class__.__mro__ }}",
    "{# x #}",
    "{{ steps }}",
)
SLACK = (
    "<!channel>", "<!here|here>", "<@U0DAN>", "<!subteam^S0SRE>", "@channel", "@here", "<https://evil.invalid|click>",
    "[click](https://evil.invalid)", "`code`", "```", "*bold* _it_ ~no~", "> quote", "&lt;!channel&gt;", "<", ">", "&amp;",
    "<#C0GENERAL>", "<mailto:a@evil.invalid|x>", "<!date^0^{date}^https://evil.invalid|x>",
)  # fmt: skip
JSON = ('"', '"}', '\\"', "\\", '","admin":true,"x":"', "\\u0022", "null", "[1]", '{"a":1}', "true", "0")
UNICODE = ("\u202egnp.exe", "\u2066x\u2069", "a\u0301", "\ufeff", "\u200b", "🙂" * 20, "İı", "ﬃ", "\ue000")
LONG = ("two words", "é" * 400, "x" * 2_900)
NO_SLACK = (*SQL, *SHELL, *WEB, *REDIS, *PROMQL, *JINJA, *JSON, *UNICODE)
ONE_LINE = (*NO_SLACK, *SLACK, *LONG)
# What only a target can answer: no parameter has these.
LINES = (
    "a\r\nX-Evil: 1", "a\nb", "\r\nGET / HTTP/1.1\r\n\r\n", "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n", "a\tb", "\x1b[31m",
    "\u2028", "\x7f", "<!channel>\n<@U0DAN>", "```\n<!channel>", "", " ", " lead", "x" * 100_000, "<" * 20_000, "`" * 5_000,
)  # fmt: skip
NULLS = ("a\0b", "\0", "\ud800", "a\udfffb")

WIDTH = 12  # values that one run carries


def many(text: str, by: str = ", ") -> str:
    """The text once for each value: `I` is its number, `VALUE` its expression."""
    return by.join(text.replace("VALUE", f"NAME{number}").replace("I", str(number), 1) for number in range(WIDTH))


def runbook(steps: str, *, given: bool) -> str:
    """Its values come from parameters, or from what the target answers."""
    asked = ", ".join(f"{{name: v{number}, max_length: 3000, required: true}}" for number in range(WIDTH))
    parameters = f"parameters: [{asked}]\n" if given else ""
    get = """
  - {id: get, http: {url: "{url}/hostile"}, effect: read, save: {v: json.v}}"""
    body = ("" if given else get) + steps
    for number in reversed(range(WIDTH)):
        body = body.replace(f"NAME{number}", f"params.v{number}" if given else f"steps.get.v[{number}]")
    return f"title: Use it\nservice: shop\n{parameters}policy: {{approval: none}}\nsteps:{body}\n"


def step(id_: str, body: str, *, effect: str = "effect: repeatable, ", more: str = "") -> str:
    return f"\n  - {{id: {id_}, {effect}{more}{body}}}"


ITEMS = many('"{{ VALUE }}", "a{{ VALUE }}b"')
HTTP = (
    step("use", f'http: {{method: POST, url: "{{url}}/json", json: [{ITEMS}]}}', more='title: "Send {{ NAME0 }}", ')
    + step("form", 'http: {method: POST, url: "{url}/form", form: {' + many('fI: "{{ VALUE }}"') + ", w: fixed}}")
    + step("body", 'http: {method: POST, url: "{url}/body", body: "' + many("<{{ VALUE }}>", "") + '"}')
)
URL = "".join(
    step(f"u{number}", f'http: {{url: "{{url}}/path/{{{{ NAME{number} | urlencode }}}}/end"}}', more="on_failure: continue, ")
    + step(f"b{number}", f'http: {{url: "{{url}}/path/{{{{ NAME{number} }}}}/end"}}', more="on_failure: continue, ")
    + step(f"q{number}", f'http: {{url: "{{url}}/query?v={{{{ NAME{number} | urlencode }}}}&w=fixed"}}', more="on_failure: continue, ")
    for number in range(WIDTH)
)  # fmt: skip
HEADER = "".join(
    step(f"h{number}", f'http: {{url: "{{url}}/header", headers: {{X-Value: "a{{{{ NAME{number} }}}}b", X-Fixed: "1"}}}}',
         more="on_failure: continue, ")
    for number in range(WIDTH)
)  # fmt: skip
ROWS, BINDS = many("(:pI)").replace("(:p0)", "(:p0)"), many('pI: "{{ VALUE }}"')
BOTH_SQL = "".join(
    step(name, f'sql: {{connection: {name}, query: "insert into things values {ROWS}", params: {{{BINDS}}}, write: true}}')  # noqa: S608
    for name in ("lite", "pg")
) + step("seen", 'sql: {connection: lite, query: "select * from things where name = :v", params: {v: "{{ NAME0 }}"}}')  # fmt: skip
CACHE = step("use", f"redis: {{connection: cache, command: [RPUSH, hostile, {ITEMS}]}}") + step(
    "back", "redis: {connection: cache, command: [LRANGE, hostile, 0, -1]}"
)
PROGRAM = step("use", f"shell: {{argv: [./witness, {ITEMS}, last]}}") + step(
    "into", 'shell: {argv: [./witness, "-stdin", x], stdin: "{{ NAME0 }}"}'
)
WAIT = step(
    "use",
    'wait: {until: {sql: {connection: lite, query: "select :v = :v", params: {v: "{{ NAME0 }}"}}}, every: 5s, deadline: 10s}',
    effect="",
)
SHOWN = "".join(
    step(f"m{number}", f'message: {{to: "slack:#general", text: "It is {{{{ NAME{number} }}}}"}}', effect="")
    for number in range(WIDTH)
)
PEOPLE = (
    step("keep", 'set: {x: "{{ NAME0 }}", y: "{{ [NAME1, {\'k\': NAME2}] }}"}', effect="")
    + SHOWN
    + step("letter", 'message: {to: "dm:U0BEN", text: "x{{ NAME0 }}"}', effect="")
    + step("hand", 'manual: {text: "' + many("{{ VALUE }}", " ") + '", evidence: true}', effect="", more="save: {seen: evidence}, ")
    + step("sure", 'approval: {who: [team:sre], text: "' + many("{{ VALUE }}", " ") + '"}', effect="")
    + step("end", 'http: {method: POST, url: "{url}/end", json: ["{{ steps.keep.y[1].k }}", "{{ steps.hand.seen }}"]}')
)  # fmt: skip

CONNECTED = f"""{ORG}
connections:
  lite: {{sql: env:LITE}}
  pg: {{sql: env:PG}}
  cache: {{redis: env:CACHE}}
  metrics: {{prometheus: env:METRICS}}
"""
KINDS = {
    "http": HTTP, "url": URL, "header": HEADER, "sql": BOTH_SQL, "redis": CACHE, "shell": PROGRAM, "wait": WAIT,
    "people": PEOPLE,
}  # fmt: skip
BOOKS = {
    **{f"{name}_given": runbook(steps, given=True) for name, steps in KINDS.items()},
    **{f"{name}_late": runbook(steps, given=False) for name, steps in KINDS.items()},
}


class Stage:
    """The scene, with databases and Redis behind it."""

    def __init__(self, scene: Scene, pg: str, cache: Any, log: Log) -> None:
        self.scene = scene
        self.story = scene.story
        self.there = scene.there
        self.cache = cache
        self.log = log
        self._pg = pg
        self.number = 0

    @property
    def run(self) -> str:
        return f"RUN-{self.number}"

    async def uses(self, kind: str, door: str, values: Sequence[Any]) -> str:
        """A run with these values, through one of the doors or as an earlier step's result; its live message."""
        self.number += 1
        given = {f"v{number}": value for number, value in enumerate(values)}
        match door:
            case "typed":
                words = " ".join(f"{name}={quoted(value)}" for name, value in given.items())
                assert self.run in await self.scene.types(f"{kind}_given {words}")
            case "form":
                answer = await self.scene.submits(f"{kind}_given", **given)
                assert answer["ok"], answer
            case "rest":
                asked = await self.scene.executes(f"{kind}_given", **given)
                assert asked.status_code == 202, asked.text
            case _:
                self.there.hostile = list(values)
                assert self.run in await self.scene.types(f"{kind}_late")
        return await self.scene.words(self.run)

    def pg_things(self) -> list[str]:
        with psycopg.connect(self._pg) as connection:
            return [row[0] for row in connection.execute("select name from things").fetchall()]

    def lite_things(self) -> list[str]:
        with sqlite3.connect(self.scene.environment["LITE"].removeprefix("sqlite:///")) as connection:
            return [row[0] for row in connection.execute("select name from things").fetchall()]

    def sent(self, path: str) -> bytes:
        return self.there.at(path)[-1].body

    def is_clean(self) -> None:
        self.scene.is_clean()
        self.log.is_silent()
        assert not list(self.scene.folder.rglob("pwned"))


@asynccontextmanager
async def staged(
    database: Database, clock: HandClock, folder: Path, pg: str, cache_url: str, log: Log
) -> AsyncIterator[Stage]:
    with psycopg.connect(pg) as connection:
        connection.execute("create table things (name text)")
    environment = {"LITE": things(folder / "things.db"), "PG": pg, "CACHE": cache_url, "METRICS": "http://{address}"}
    try:
        with redis.Redis.from_url(cache_url) as cache:
            cache.flushdb()
            async with opened(database, clock, folder, BOOKS, org=CONNECTED, environment=environment) as scene:
                made = Stage(scene, pg, cache, log)
                yield made
                made.is_clean()
    finally:
        with psycopg.connect(pg) as connection:
            connection.execute("drop table things")


@pytest.fixture
async def stage(
    sqlite_database: Database, clock: HandClock, tmp_path: Path, new_postgres: Any, redis_url: str, log: Log
) -> AsyncIterator[Stage]:
    """The bot's own database is no part of what most steps reach."""
    async with staged(sqlite_database, clock, tmp_path, new_postgres(), redis_url, log) as made:
        yield made


@pytest.fixture
async def stored(
    database: Database, clock: HandClock, tmp_path: Path, new_postgres: Any, redis_url: str, log: Log
) -> AsyncIterator[Stage]:
    """Where it matters what the bot keeps: on both databases."""
    async with staged(database, clock, tmp_path, new_postgres(), redis_url, log) as made:
        yield made


def batches(values: Sequence[str]) -> list[tuple[str, ...]]:
    """As many as a run carries, the last one filled up."""
    found = [tuple(values[at : at + WIDTH]) for at in range(0, len(values), WIDTH)]
    return [(*one, *["filler"] * (WIDTH - len(one))) for one in found]


# Slack makes its own text of mentions and links in a command, so those are sent in the form and over REST.
TYPED = [(door, one) for door, one in zip(itertools.cycle(("typed", "rest", "form")), batches(NO_SLACK), strict=False)]
FORMS = [(door, one) for door, one in zip(itertools.cycle(("form", "rest")), batches((*SLACK, *LONG)), strict=False)]
LATE = [("late", one) for one in batches((*LINES, *ONE_LINE[::5]))]
EVERY = [*TYPED, *FORMS, *LATE]


def short(values: Sequence[str]) -> tuple[str, ...]:
    """Without those that are too long for what the target takes in its request's head."""
    return tuple(one if len(one) < 2_000 or (one.isalnum() and len(one) < 8_000) else "long" for one in values)


def buttons_of(messages: Sequence[dict[str, Any]]) -> list[str]:
    return [action for one in messages for action in buttons(one)]


def both(values: Sequence[str]) -> list[str]:
    """Each as it is, and within other text."""
    return [text for one in values for text in (one, f"a{one}b")]


async def test_http_bodies(stage: Stage) -> None:
    """A JSON value, a form's field and a body hold exactly the value: typed, from the form, over REST, or answered."""
    for door, values in EVERY:
        words = await stage.uses("http", door, values)
        assert "✓ succeeded" in words, (values, words)
        assert json.loads(stage.sent("/json")) == both(values)
        fields = parse_qs(stage.sent("/form").decode(), keep_blank_values=True)
        assert fields == {**{f"f{number}": [one] for number, one in enumerate(values)}, "w": ["fixed"]}
        assert stage.sent("/body").decode() == "".join(f"<{one}>" for one in values)


async def test_sql_binds(stage: Stage) -> None:
    """SQLite and PostgreSQL get each value as one bound parameter, and what was there before stays."""
    expected: list[str] = []
    for door, values in EVERY:
        words = await stage.uses("sql", door, values)
        assert "✓ succeeded" in words, (values, words)
        expected += values
    assert stage.lite_things() == ["kept", *expected]
    assert stage.pg_things() == expected


async def test_redis_arguments(stage: Stage) -> None:
    """Each value is one argument of the one command, whatever of Redis' protocol is in it."""
    expected: list[str] = []
    for door, values in EVERY:
        assert "✓ succeeded" in await stage.uses("redis", door, values)
        expected += both(values)
    assert [one.decode() for one in stage.cache.lrange("hostile", 0, -1)] == expected
    assert stage.cache.dbsize() == 1


async def test_program_arguments(stage: Stage) -> None:
    """A program gets each value as one argument with exactly those bytes, no variable, and no shell sees it."""
    for door, values in EVERY:
        assert "✓ succeeded" in await stage.uses("shell", door, values)
        arguments, stdin = stage.scene.witnessed()[-2:]
        assert arguments["argv"] == [*both(values), "last"]
        assert stdin["stdin"] == values[0]
        assert set(arguments["env"]) <= {"LC_CTYPE"}  # Python's own


async def test_wait_until(stage: Stage) -> None:
    """A wait's check binds as a step of its own would."""
    for door, values in EVERY:
        assert "✓ succeeded" in await stage.uses("wait", door, values)
    assert stage.lite_things() == ["kept"]


async def test_url_parts(stage: Stage) -> None:
    """Quoted or not, a value in a URL never leaves its host or its folder; quoted, it adds nothing to the query."""
    for door, values in EVERY:
        before = len(stage.there.seen)
        values = short(values)
        await stage.uses("url", door, values)
        seen = [one.target for one in stage.there.seen[before:] if one.target != "/hostile"]
        asked = [one.partition("?") for one in seen]
        assert all(path == "/query" or path.startswith("/path/") for path, _, _ in asked), seen
        queries = [parse_qs(query, keep_blank_values=True) for path, _, query in asked if path == "/query"]
        wanted = [{"v": [one], "w": ["fixed"]} for one in values if one.isprintable() or one]
        assert all(one in wanted or one["v"] == [""] for one in queries), queries
        assert "evil" not in " ".join(one.header("host")[0] for one in stage.there.seen[before:])


async def test_headers(stage: Stage) -> None:
    """A header holds exactly the value, or the step is refused with a sentence and nothing is sent."""
    for door, values in EVERY:
        before = len(stage.there.seen)
        values = short(values)
        words = await stage.uses("header", door, values)
        sent = [one for one in stage.there.seen[before:] if one.target == "/header"]
        fit = [one for one in values if one.isascii() and (one.replace("\t", "").isprintable())]
        assert [one.header("x-value") for one in sent] == [[f"a{one}b"] for one in fit], values
        assert all(one.header("x-fixed") == ["1"] and not one.header("x-evil") for one in sent)
        assert words.count("that no header may have") == len(values) - len(fit)


async def test_what_people_are_shown(stage: Stage) -> None:
    """Messages, manual steps, questions and evidence show the value as text: nobody is alerted, nothing becomes a link."""
    for door, values in [*FORMS, *LATE, TYPED[-1]]:
        await stage.uses("people", door, values)
        story = stage.story
        if "step.done" in buttons_of(await story.replies(OPS, await story.live(stage.run))):
            task = await story.asked(stage.run, "step.done")
            view = await story.opens_by_click("Ben", OPS, task, "step.done")
            await story.submits("Ben", view, evidence=f"<!channel> {values[0]} <@U0DAN>"[:2_900])
            question = await story.asked(stage.run, "approval.approve")
            await story.clicks("Ben", OPS, question, "approval.approve")
        await stage.scene.types("no-such-runbook")
        words = await stage.scene.words(stage.run)
        assert "✓ succeeded" in words or "The message is empty" in words, (values, words)
        await story.reads("Ada", f"/runbook status {stage.run}", OPS)
        await story.home("Ben")
        stage.is_clean()


async def test_reasons(stage: Stage) -> None:
    """What people type as a reason is text wherever it is shown, in failures and refusals as well."""
    stage.there.status["/form"] = 503
    for value in (*SLACK, "x" * 500, *JINJA):
        asked = await stage.scene.executes("http_given", reason=value[:500], **{f"v{n}": value for n in range(WIDTH)})
        stage.number += 1
        assert asked.status_code == 202
        if "evil" not in value:  # of an address that somebody types themselves, the answer to them alone has a link
            await stage.scene.types(f"{quoted(value)} a=b")
            await stage.scene.types(f"http_given {quoted(value)}={quoted(value)}")
        view = await stage.story.opens_by_click("Ada", OPS, await stage.story.live(stage.run), "step.skip")
        await stage.story.submits("Ada", view, reason=value)
        words = await stage.scene.words(stage.run)
        assert "✓ succeeded" in words, words
        stage.is_clean()


async def test_what_no_database_takes(stored: Stage) -> None:
    """Null characters and halves of characters from a target are shown and kept as �, or refused with a sentence."""
    stored.there.hostile = ["a\0b", "\0", "\ud800", "a\udfffb", *["x"] * WIDTH]
    for kind in KINDS:
        words = await stored.uses(kind, "late", stored.there.hostile)
        assert "Something went wrong" not in words, words
        assert "broke off on my side" not in words, words
        assert "failed" in words or "succeeded" in words or "waiting" in words, words
        stored.is_clean()


async def test_deep_and_large(stored: Stage) -> None:
    """Answers that are nested deeply or are very large are cut or refused with a sentence, and the run comes to an end."""
    deep: Any = "x"
    for _ in range(400):
        deep = [{"<!channel>": deep}]
    for hostile in ([deep] * WIDTH, ["x" * 150_000] + ["y"] * WIDTH, [{"k": "v" * 50} for _ in range(4_000)]):
        stored.there.hostile = hostile
        for kind in ("http", "shell", "redis", "sql"):
            before = len(stored.there.at("/json"))
            words = await stored.uses(kind, "late", hostile)
            assert "failed" in words or "succeeded" in words, words
            assert "Something went wrong" not in words, words
            for one in stored.there.at("/json")[before:]:
                assert json.loads(one.body)[0] == hostile[0]
            stored.is_clean()


@pytest.mark.parametrize("value", ["params.v", "steps.get.v"])
@pytest.mark.parametrize(
    "steps",
    [
        "promql: {connection: metrics, query: \"up{host='VALUE'}\"}",
        'promql: {connection: metrics, query: up, check: "value < VALUE"}',
        "wait: {until: {promql: {connection: metrics, query: 'VALUE'}}, every: 5s, deadline: 1m}",
        "sql: {connection: lite, query: \"select 'VALUE'\"}",
        "sql: {connection: 'VALUE', query: select 1}",
        "redis: {connection: cache, command: ['VALUE', key]}",
        "shell: {argv: ['VALUE', x]}",
        "shell: {argv: [ls], cwd: 'VALUE'}",
        "shell: {argv: [ls], env: ['VALUE']}",
        "http: {url: 'http://VALUE/x'}",
        "http: {url: 'http://host.VALUE/x'}",
        "http: {url: 'http://a:VALUE@host/x'}",
        "http: {url: 'VALUE'}",
        "http: {url: 'http://host/x', method: 'VALUE'}",
        "message: {to: 'VALUE', text: x}",
        "manual: {text: x, who: ['VALUE']}",
        "approval: {who: ['VALUE'], text: x}",
    ],
)
def test_what_no_value_may_become(steps: str, value: str, tmp_path: Path) -> None:
    """A query, a program, a command, a host, a connection, a person or a channel is never made of free text."""
    book = (
        f"title: Use it\nservice: shop\nparameters: [{{name: v, required: true}}]\nsteps:\n"
        "  - {id: get, shell: {argv: [ls]}, save: {v: stdout}}\n"
        f"  - {{id: use, {steps.replace('VALUE', '{{ ' + value + ' }}')}}}\n"
    )
    folder = shop(tmp_path, org=CONNECTED, use=book)
    found = load([folder], allow_shell=[folder]).findings
    assert found, steps
    assert {one.line for one in found} == {6}, found
