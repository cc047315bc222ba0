"""The canary: a secret that every step gives away on purpose is found nowhere afterwards."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from sqlalchemy import make_url

from bot.ports import Database
from bot.store import audit
from tests.domain.text.test_masking import leaks
from tests.security.injection.conftest import log
from tests.security.injection.scene import OPS, WITNESS, Log, Scene, opened, quoted, texts, things
from tests.support.clock import HandClock
from tests.support.runbooks import ORG

__all__ = ["log"]

ROOT = Path(__file__).parents[3]

KEY = 'c4n4ry/+"<é> k&y\\Zq81vW?='
FILE = "kanarienvogel-zaunkoenig-uhu"  # six of its letters in a row are no hexadecimal digits
SQL, CACHE, METRICS = "pwQ7zeisig55xk", "pwR8stieglitz44", "pwP9gimpel33zz"
CANARIES = (KEY, FILE, SQL, CACHE, METRICS)

LEAK = f"""#!{sys.executable}
import base64, binascii, html, json, sys, time, urllib.parse
how, secret = sys.argv[1:]
raw = secret.encode()
ways = {{
    "whole": lambda: print(secret),
    "encoded": lambda: [print(one) for one in (
        *(base64.b64encode(b"u" * n + raw + b"v").decode() for n in range(3)),
        base64.encodebytes(raw * 8).decode(), base64.urlsafe_b64encode(raw).decode(),
        urllib.parse.quote(secret), urllib.parse.quote(secret, safe=""), urllib.parse.quote_plus(secret),
        binascii.hexlify(raw).decode(), json.dumps(secret), json.dumps(json.dumps(secret)), repr(secret),
        html.escape(secret))],
    "pieces": lambda: [(sys.stdout.write(one), sys.stdout.flush(), time.sleep(0.03))
                       for one in ("a", secret[:5], secret[5:9], secret[9:], "z\\n")],
    "slow": lambda: [(sys.stdout.write(one), sys.stdout.flush(), time.sleep(0.25)) for one in (secret[:7], secret[7:])],
    "long": lambda: print("x" * 1490 + secret + "y" * 3000 + secret + "z" * 1490),
    "longer": lambda: print(("x" * 99 + "\\n") * 1999 + "x" * 80 + secret + "y" * 400_000),
    "longest": lambda: print("x" * 499_990 + secret + "y" * 100_000 + secret + "z" * 499_990),
    "error": lambda: sys.exit(secret),
}}
ways[how]()
"""
WAYS = ("whole", "encoded", "pieces", "slow", "long", "longer", "longest", "error")


def shell(number: int, how: str, parameter: str) -> str:
    return f"""
  - id: s{number}
    shell: {{argv: [./leak, {how}, "{{{{ params.{parameter} }}}}"]}}
    effect: read
    on_failure: continue
    save: {{kept: stdout, some: "stdout | trim", both: "[stdout, stderr]"}}"""


SHELLS = "".join(shell(number, how, ("key", "file")[number % 2]) for number, how in enumerate(WAYS))

LEAKY = """
title: Give it all away
service: shop
parameters:
  - {name: key, type: secret, from: env:CANARY_KEY}
  - {name: file, type: secret, from: "file:{file}"}
  - {name: note, default: nothing, max_length: 500}
concurrency: {key: "leak-{{ params.key }}"}
policy: {approval: {who: [team:sre], reason: true, break_glass: [U0ADA]}}
steps:
  - id: http
    title: Send {{ params.key }} and {{ params.file }}
    http:
      method: POST
      url: "{url}/echo/{{ params.file }}"
      headers: {Authorization: "Bearer {{ params.file }}"}
      json: {key: "{{ params.key }}", deep: [{"x": "<{{ params.key }}>"}], file: "{{ params.file }}"}
      extract: {found: sent}
    effect: read
    save: {sent: json.sent, again: "json.headers", mine: params.key, part: "body[:2000]"}
  - id: nowhere
    http: {url: "http://127.0.0.1:9/{{ params.key | urlencode }}/{{ params.file }}"}
    effect: read
    on_failure: continue
  - id: bad_url
    http: {url: "{url}/{{ params.key }}"}
    effect: read
    on_failure: continue
  - id: lite
    sql: {connection: lite, query: "select :key as a, name, :file || :file as b from things", params: {key: "{{ params.key }}", file: "{{ params.file }}"}}
    effect: read
    save: {row: "rows[0].a"}
  - id: pg
    sql: {connection: pg, query: "select :key::int", params: {key: "{{ params.key }}"}}
    effect: read
    on_failure: continue
  - id: pg_away
    sql: {connection: pg_away, query: "select 1"}
    effect: read
    on_failure: continue
  - id: cache
    redis: {connection: cache, command: [ECHO, "{{ params.file }}"]}
    effect: read
    save: {it: value}
  - id: cache_error
    redis: {connection: cache, command: [EVAL, "return redis.error_reply(ARGV[1])", "0", "{{ params.file }}"]}
    effect: repeatable
    on_failure: continue
  - id: metrics
    promql: {connection: metrics, query: "refuse"}
    on_failure: continue
#SHELLS
  - id: keep
    set: {x: "{{ params.key }}", y: "{{ [params.file, steps.http.sent] }}"}
  - id: look
    wait: {until: {http: {url: "{url}/echo", headers: {X-Key: "{{ params.file }}"}}}, every: 5s, deadline: 1m}
  - id: tell
    message: {to: "slack:#general", text: "It is {{ params.key }} {{ params.file }} {{ steps.http.sent }}"}
  - id: letter
    message: {to: "dm:team:sre", text: "It is {{ params.key }}"}
  - id: hand
    manual: {text: "Type {{ params.key }} into {{ params.file }}", evidence: true}
    save: {seen: evidence}
  - id: other
    manual: {text: "Not this {{ params.file }}"}
  - id: sure
    approval: {who: [team:sre], text: "Is {{ params.key }} right? {{ steps.http.sent }}"}
  - id: late
    http: {method: POST, url: "{url}/echo/late", json: {it: "{{ steps.lite.row }}", own: "{{ params.file }}"}}
    effect: once
    undo: {http: {method: POST, url: "{url}/echo/undo", json: {key: "{{ params.key }}"}}, effect: repeatable}
  - id: last
    http: {url: "{url}/echo/broken", headers: {X-Key: "{{ params.file }}"}}
    effect: read
"""  # noqa: E501 - as an operator would write it

HELD = """
title: Held up
service: shop
parameters:
  - {name: key, type: secret, from: env:CANARY_KEY}
  - {name: file, type: secret, from: "file:{file}"}
policy: {approval: {who: [team:sre], break_glass: [U0ADA]}}
steps:
  - {id: hand, manual: {text: "Look at {{ params.file }}", evidence: true}, save: {seen: evidence}}
  - {id: leave, manual: {text: "Leave this"}}
  - {id: do, http: {method: POST, url: "{url}/echo/held", body: "{{ params.file }}"}, effect: once}
  - {id: end, shell: {argv: [./leak, whole, "{{ params.key }}"]}, effect: read}
"""

MISSING = """
title: Cannot be planned
service: shop
parameters:
  - {name: key, type: secret, from: env:CANARY_KEY}
steps:
  - {id: away, sql: {connection: gone, query: "delete from things where name = :key", params: {key: "{{ params.key }}"}, write: true}}
  - {id: none, shell: {argv: [./not-there, "{{ params.key }}"]}}
"""  # noqa: E501

CONNECTED = f"""{ORG}
connections:
  lite: {{sql: env:LITE}}
  pg: {{sql: env:PG}}
  pg_away: {{sql: env:PG_AWAY}}
  gone: {{sql: env:GONE}}
  cache: {{redis: env:CACHE}}
  metrics: {{prometheus: env:METRICS}}
"""


class Canary:
    """The scene, and everywhere the canaries might be found."""

    def __init__(self, scene: Scene, log: Log, variables: Mapping[str, str]) -> None:
        self.scene = scene
        self.story = scene.story
        self.log = log
        self.seen: list[str] = []  # what people and programs were answered
        self._variables = variables

    async def reads(self, user: str, words: str, channel: str = OPS) -> str:
        answer = await self.story.reads(user, words, channel)
        self.seen.append(answer)
        return answer

    async def is_nowhere(self) -> None:
        """Not one canary, in no form, in no place."""
        for one in ("Ada", "Ben"):
            self.seen += texts(await self.story.home(one))
        found = {
            "Slack": self.scene.said(),
            "files": "\n".join([*(await self.story.files(OPS)), *(await self.story.files("general"))]),
            "workspace": "\n".join(texts(await self.story.state("U0BEN"))),
            "database": await self.scene.stored(),
            "log": self.log.text,
            "answers": "\n".join(self.seen),
            "alarm": "\n".join(self.story.alarm.heard),
        }
        for place, every in found.items():
            text = "\n".join(dict.fromkeys(every.splitlines()))
            for canary in CANARIES:
                assert not leaks(text, canary), (place, *around(text, canary))
        assert found["Slack"]
        assert found["database"]

    async def rest(self, run: str) -> dict[str, Any]:
        headers = await self.scene.token()
        answer = await self.scene.api.get(f"/api/sre/runbooks/executions/{run}", headers=headers)
        assert answer.status_code == 200
        self.seen += [answer.text, *texts(answer.json())]
        found: dict[str, Any] = answer.json()
        return found

    async def exports(self) -> str:
        """The audit log, sealed and as `tocsin audit export` gives it."""
        async with self.story.deps.database.transaction() as tx:
            await audit.seal(tx)
        return await self.tocsin("audit", "export")

    async def tocsin(self, *words: str) -> str:
        """The command line, as a process of its own."""
        given = {name: value for name, value in os.environ.items() if not name.startswith(("TOCSIN_", "SLACK_"))}
        command = [sys.executable, "-m", "bot.cli", *words]
        done = await asyncio.to_thread(
            subprocess.run, command, env={**given, **self._variables}, capture_output=True, text=True, cwd=ROOT
        )
        self.seen += [done.stdout, done.stderr]
        return done.stdout


def around(text: str, canary: str) -> list[str]:
    """Where it is, for the person who has to mend it."""
    lines = [line for line in text.splitlines() if leaks(line, canary)] or [text]
    return [_narrow(line, canary) for line in lines[:5]]


def _narrow(line: str, canary: str) -> str:
    """The first piece of the line that still gives it away."""
    pieces = (line[at : at + 60] for at in range(0, max(1, len(line) - 30), 30))
    return next((piece for piece in pieces if leaks(piece, canary)), line[:300])


@asynccontextmanager
async def aviary(
    database: Database, url: str, clock: HandClock, folder: Path, log: Log, pg: str, cache: str
) -> AsyncIterator[Canary]:
    file = folder / "given.txt"
    file.write_text(f"{FILE}\n")
    with redis.Redis.from_url(cache) as client:
        client.acl_setuser("canary", enabled=True, passwords=[f"+{CACHE}"], keys=["*"], commands=["+@all"])
    there = make_url(pg)
    environment = {
        "CANARY_KEY": KEY,
        "LITE": things(folder / "things.db"),
        "PG": there.set(password=SQL).render_as_string(hide_password=False),
        "PG_AWAY": f"postgresql://tocsin:{SQL}@{{address}}/away",
        "GONE": f"postgresql://tocsin:{SQL}@127.0.0.1:9/gone",
        "CACHE": str(cache).replace("redis://", f"redis://canary:{CACHE}@"),
        "METRICS": f"http://u:{METRICS}@{{address}}",
    }
    books = {"leaky": LEAKY, "held": HELD, "missing": MISSING}
    made = {name: text.replace("{file}", str(file)).replace("#SHELLS", SHELLS) for name, text in books.items()}
    programs = {"leak": LEAK, "witness": WITNESS}
    async with opened(
        database, clock, folder, made, org=CONNECTED, environment=environment, programs=programs
    ) as scene:
        variables = {
            **scene.environment,
            "TOCSIN_CATALOG": str(scene.folder),
            "TOCSIN_ALLOW_SHELL": str(scene.folder),
            "TOCSIN_DATABASE_URL": url,
        }
        yield Canary(scene, log, variables)
        scene.is_clean("U0CLEO", "U0DAN")


@pytest.fixture
async def canary(
    database: Database,
    database_url: str,
    clock: HandClock,
    tmp_path: Path,
    log: Log,
    new_postgres: Any,
    redis_url: str,
) -> AsyncIterator[Canary]:
    async with aviary(database, database_url, clock, tmp_path, log, new_postgres(), redis_url) as made:
        yield made


async def fills(canary: Canary, button: str, user: str, run: str, **typed: Any) -> None:
    """The form behind that button of the run's thread, sent with a canary in it."""
    view = await canary.story.opens_by_click(user, OPS, await canary.story.asked(run, button), button)
    await canary.story.submits(user, view, **typed)


async def test_a_run_that_gives_everything_away(canary: Canary) -> None:
    """Every kind of step leaks on purpose, people type the secret as reasons and evidence: it is found nowhere."""
    story, scene = canary.story, canary.scene
    assert "Plan of leaky" in await canary.reads("Ada", "/runbook plan leaky")
    assert "nothing" in await canary.tocsin("plan", "leaky")
    assert "RUN-1" in await canary.reads("Ada", f"/runbook run leaky reason={quoted(f'it is {KEY} or {FILE}')}")
    await scene.approve("RUN-1")
    await story.fast_forward(seconds=10)
    assert "is waiting" in await scene.words("RUN-1"), await scene.words("RUN-1")

    await fills(canary, "step.done", "Ben", "RUN-1", evidence=f"I typed {KEY} and {FILE}")
    await fills(canary, "step.skip", "Ben", "RUN-1", reason=f"not with {FILE}, nor {KEY}")
    await scene.approve("RUN-1", "Ben")
    await scene.approve("RUN-1", "Ben")
    assert "✓ succeeded" in await scene.words("RUN-1"), await scene.words("RUN-1")
    (late,) = scene.there.at("/echo/late")
    assert FILE in late.body.decode()

    await story.clicks("Ada", OPS, await story.live("RUN-1"), "run.undo")
    await scene.approve("RUN-1", "Cleo")
    assert "was taken back" in await scene.words("RUN-1")
    await canary.reads("Ada", "/runbook status RUN-1")
    await canary.reads("Ada", "/runbook history leaky")
    shown = await canary.rest("RUN-1")
    assert {step["id"]: step["state"] for step in shown["steps"]}["s0"] == "done"
    assert "RUN-1" in await canary.exports()
    await canary.is_nowhere()


async def test_a_crash_in_the_middle(canary: Canary) -> None:
    """After a crash the next process, which has met no secret yet, shows and keeps none of what people type either."""
    story, scene = canary.story, canary.scene
    await canary.reads("Ada", "/runbook run held")
    await scene.restart()
    await fills(canary, "approval.break", "Ada", "RUN-1", reason=f"now, with {FILE} or {KEY}")
    await scene.restart()
    await fills(canary, "step.done", "Ben", "RUN-1", evidence=f"there is {KEY} and {FILE}")
    await scene.restart()
    scene.there.held["/echo/held"] = asyncio.Event()
    view = await story.opens_by_click("Ben", OPS, await story.asked("RUN-1", "step.skip"), "step.skip")
    sent = asyncio.create_task(story.submits("Ben", view, reason=f"because {FILE}, not {SQL} or {CACHE}"))
    await asyncio.wait_for(scene.there.reached.wait(), 20)
    sent.cancel()
    await asyncio.wait({sent})
    scene.there.held.clear()

    await scene.restart()
    assert "whether step do happened is not known" in str(await story.asked("RUN-1", "step.happened"))
    await story.clicks("Ben", OPS, await story.asked("RUN-1", "step.happened"), "step.happened")
    assert "✓ succeeded" in await scene.words("RUN-1")

    await canary.reads("Ada", "/runbook run held")
    await scene.restart()
    await fills(canary, "approval.reject", "Cleo", "RUN-2", reason=f"never with {KEY} or {FILE}")
    assert "was rejected" in await scene.words("RUN-2")
    await canary.rest("RUN-1")
    await canary.rest("RUN-2")
    assert "RUN-2" in await canary.exports()
    await canary.is_nowhere()


async def test_a_plan_that_fails(canary: Canary) -> None:
    """What the plan finds out of reach is told by its name, typed secrets are refused unrepeated: none is anywhere."""
    for words in ("plan missing", "run missing", "run missing reason=why"):
        answer = await canary.reads("Ada", f"/runbook {words}")
        assert "does not answer" in answer
    assert "does not answer" in await canary.tocsin("plan", "missing")
    asked = await canary.scene.executes("missing")
    canary.seen.append(asked.text)
    assert asked.status_code == 409
    typed = await canary.reads("Ada", f"/runbook run leaky key={quoted(KEY)} file={FILE}")
    assert "never typed" in typed
    refused = await canary.scene.executes("leaky", key=KEY, file=FILE)
    canary.seen.append(refused.text)
    assert "never typed" in refused.text
    await canary.tocsin("plan", "leaky", f"key={KEY}")
    assert "never typed" in canary.seen[-1]
    await canary.exports()
    await canary.is_nowhere()
