"""Runs in a real `tocsin serve` that is killed or told to stop in the midst of a step, beside real counterparts."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from tests.queue.world import until
from tests.support.backends import Postgres
from tests.support.crash import NewDatabase
from tests.support.held import (
    WORK,
    Counterpart,
    HeldPath,
    HeldPostgres,
    HeldProgram,
    HeldRedis,
    HeldSqlite,
    Web,
    counting_web,
    is_running,
    wire_to_redis,
)
from tests.support.run_processes import Shop, opened

pytestmark = pytest.mark.timeout(300)  # processes start, beside whatever else the machine does

FREE = "policy: {approval: none}"
GUARDED = "policy: {approval: {who: [team:sre], quorum: 1, expires: 4h}}"
CONNECTIONS = """
connections:
  pg: {sql: env:TARGET_POSTGRES}
  books_once: {sql: env:TARGET_BOOKS_ONCE}
  books_again: {sql: env:TARGET_BOOKS_AGAIN}
  cache_once: {redis: env:TARGET_CACHE_ONCE}
  cache_again: {redis: env:TARGET_CACHE_AGAIN}
  metrics: {prometheus: env:TARGET_METRICS}
"""


def runbook(*steps: str, policy: str = FREE) -> str:
    """Each step as `id` and what follows it, in lines of their own."""
    return "\n".join(["title: A test of one kind", "service: shop", policy, "steps:", *steps])


def step(name: str, body: str, effect: str = "", timeout: str = "5m") -> str:
    lines = [f"  - id: {name}", f"    {body}"]
    lines += [f"    effect: {effect}"] if effect else []
    return "\n".join([*lines, f"    timeout: {timeout}"] if timeout else lines)


def look(served: Web, path: str) -> str:
    return step(path, f'http: {{url: "{served.url}/{path}"}}', "read")


# --- killed in mid-effect ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Counterparts:
    """By the name of the runbook whose step they hold."""

    once: Mapping[str, Counterpart]
    again: Mapping[str, Counterpart]
    left: list[HeldProgram]  # which of them a SIGKILL of the bot leaves running
    served: Web
    environment: Mapping[str, str]

    @property
    def all(self) -> dict[str, Counterpart]:
        return {**self.once, **self.again}

    def runbooks(self) -> dict[str, str]:
        guarded = {name: self._runbook(name, one, "once", GUARDED) for name, one in self.once.items()}
        return guarded | {
            name: self._runbook(name, one, EFFECTS.get(name, "repeatable"), FREE) for name, one in self.again.items()
        }

    def _runbook(self, name: str, one: Counterpart, effect: str, policy: str) -> str:
        return runbook(step("act", one.body, effect), look(self.served, f"after_{name}"), policy=policy)

    def went_on(self, names: Iterable[str]) -> dict[str, int]:
        """How often the step after the held one was done."""
        return {name: self.served.counts[f"/after_{name}"] for name in names}


EFFECTS = {"promql_again": "", "wait_again": ""}  # always read


@asynccontextmanager
async def counterparts(folder: Path, postgres_url: str, redis_url: str) -> AsyncIterator[Counterparts]:
    """One of each kind for a `once` step, one for a step that may be done again."""
    async with AsyncExitStack() as stack:
        served = await stack.enter_async_context(counting_web())
        once_wire, once_redis = await stack.enter_async_context(wire_to_redis(redis_url))
        again_wire, again_redis = await stack.enter_async_context(wire_to_redis(redis_url))
        pg_once, pg_again = HeldPostgres(postgres_url, "once", 1), HeldPostgres(postgres_url, "again", 2)
        books_once = HeldSqlite(folder / "once.db", "books_once")
        books_again = HeldSqlite(folder / "again.db", "books_again")
        cache_once = HeldRedis(once_wire, redis_url, "cache_once")
        cache_again = HeldRedis(again_wire, redis_url, "cache_again")
        work_once, work_again = HeldProgram(folder, "once"), HeldProgram(folder, "again")
        for one in (pg_once, pg_again, books_once, books_again, cache_once, cache_again, work_once, work_again):
            stack.enter_context(closing(one))
        query, asked = "/api/v1/query", f"{served.url}/checked"
        until = f'wait: {{until: {{http: {{url: "{asked}"}}}}, every: 1s, deadline: 10m}}'
        yield Counterparts(
            once={
                "http_once": HeldPath(served, "/once", f'http: {{method: POST, url: "{served.url}/once"}}'),
                "postgres_once": pg_once,
                "sqlite_once": books_once,
                "redis_once": cache_once,
                "shell_once": work_once,
            },
            again={
                "http_again": HeldPath(served, "/again", f'http: {{method: POST, url: "{served.url}/again"}}'),
                "postgres_again": pg_again,
                "sqlite_again": books_again,
                "redis_again": cache_again,
                "shell_again": work_again,
                "promql_again": HeldPath(served, query, "promql: {connection: metrics, query: up, check: 'value > 0'}"),
                "wait_again": HeldPath(served, "/checked", until),
            },
            left=[work_once, work_again],
            served=served,
            environment={
                "TARGET_POSTGRES": postgres_url,
                "TARGET_BOOKS_ONCE": f"sqlite:///{folder / 'once.db'}",
                "TARGET_BOOKS_AGAIN": f"sqlite:///{folder / 'again.db'}",
                "TARGET_CACHE_ONCE": once_redis,
                "TARGET_CACHE_AGAIN": again_redis,
                "TARGET_METRICS": served.url,
            },
        )


@pytest.fixture
def target(postgres: Postgres) -> Iterator[str]:
    """A database that runbooks work on, beside the bot's own."""
    url = postgres.empty()
    yield url
    postgres.drop(url)


async def test_killed_in_the_midst_of_each_kind_of_step(
    database_url: str, target: str, redis_url: str, tmp_path: Path
) -> None:
    """SIGKILL while twelve steps are held: a `once` step is asked about, done by nobody; the others are done again."""
    async with (
        counterparts(tmp_path, target, redis_url) as parts,
        opened(database_url, tmp_path, parts.runbooks(), connections=CONNECTIONS, settings=parts.environment) as shop,
    ):
        (tmp_path / "catalogue" / "work.sh").write_text(WORK)
        await started(shop, parts.all, guarded=parts.once)
        for name, one in parts.all.items():
            await shop[name].under_way(one.holds)
        await shop.kill()
        assert all(is_running(number) for work in parts.left for number in work.numbers())
        for one in parts.all.values():
            one.let_go()
        await shop.start()

        for room in shop.those(parts.again):
            await room.until("succeeded")
        for room in shop.those(parts.once):
            await room.until("unknown")
            assert (await room.message_with("step.happened")).is_reply
        assert [name for name in parts.again if shop[name].asks("step.happened")] == []
        assert parts.went_on(parts.all) == dict.fromkeys(parts.once, 0) | dict.fromkeys(parts.again, 1)
        # A transaction that was cut off is rolled back: the second attempt is the only one that counts.
        done_again = dict.fromkeys(parts.again, 2) | {"postgres_again": 1, "sqlite_again": 1}
        assert {name: one.count() for name, one in parts.again.items()} == done_again
        done_once = dict.fromkeys(parts.once, 1) | {"postgres_once": 0, "sqlite_once": 0}
        assert {name: one.count() for name, one in parts.once.items()} == done_once
        assert parts.once["postgres_once"].asked() == 1  # type: ignore[attr-defined]

        for name, room in zip(parts.once, shop.those(parts.once), strict=True):
            await room.click("Cleo", "step.happened" if done_once[name] else "step.redo")
        for room in shop.those(parts.once):
            await room.until("succeeded")
        assert {name: one.count() for name, one in parts.once.items()} == dict.fromkeys(parts.once, 1)
        assert parts.went_on(parts.once) == dict.fromkeys(parts.once, 1)


async def started(shop: Shop, names: Iterable[str], *, guarded: Iterable[str] = ()) -> None:
    """Asked for by Ada; where that is needed, approved by Ben."""
    await asyncio.gather(*(room.ask() for room in shop.those(names)))
    await asyncio.gather(*(room.message_with("approval.approve") for room in shop.those(guarded)))
    await shop.told()  # a click counts on a question of which the bot knows that it is there
    await asyncio.gather(*(room.click("Ben", "approval.approve") for room in shop.those(guarded)))


# --- killed while it waits --------------------------------------------------------------------------------------------

PEOPLES = {
    "manual": "manual: {text: Turn the key}",
    "approval": "approval: {who: [team:sre], quorum: 1, expires: 4h, text: The second half}",
}
WAIT_SECONDS = 10
TOLD = """
  - id: words
    set: {text: "'The shop is ' ~ 'open'"}
  - id: tell
    message: {to: "slack:#general", text: "{{ steps.words.text }}"}
"""


def waiting(served: Web) -> dict[str, str]:
    """One runbook for each way to wait. What comes after shows that it went on, and how often."""
    until = f'wait: {{until: {{http: {{url: "{served.url}/checked"}}}}, every: 1s, deadline: 4h}}'
    bodies = {**PEOPLES, "timed": f"wait: {{for: {WAIT_SECONDS}s}}", "checked": until}
    made = {name: [step("act", body, timeout="")] for name, body in bodies.items()} | {"told": [TOLD]}
    return {name: runbook(*steps, look(served, f"after_{name}")) for name, steps in made.items()}


@pytest.mark.long
async def test_killed_while_it_waits(new_sqlite: NewDatabase, tmp_path: Path) -> None:
    """After it the buttons work, a wait ends at its own time, a check comes true, each message is there once."""
    async with counting_web() as served, opened(new_sqlite(), tmp_path, waiting(served)) as shop:
        served.status["/checked"] = 503
        await started(shop, [*PEOPLES, "checked"])
        for room in shop.those(["manual", "checked"]):
            await room.until("waiting")
        await shop["approval"].until("awaiting_approval")
        await shop.told()
        await shop["timed"].ask()
        await shop["timed"].until("waiting")
        before = (await shop["timed"].begun("act")).started_at
        shop.kill_at("chat.postMessage", "The shop is open")
        await shop["told"].ask()
        await shop.killed()
        served.status.clear()
        looks = served.counts["/checked"]
        await shop.start()

        await shop["checked"].until("succeeded")
        assert served.counts["/checked"] > looks
        await shop["told"].until("succeeded")
        await shop["manual"].click("Ada", "step.done")
        await shop["approval"].click("Ben", "approval.approve")
        for room in shop.those(PEOPLES):
            await room.until("succeeded")
        await shop["timed"].until("succeeded")
        made = await shop["timed"].begun("act")
        assert (made.attempt, made.started_at) == (1, before)
        assert made.ended_at - made.started_at >= timedelta(seconds=WAIT_SECONDS)
        await shop.told()
        assert shop.posted("general").count("The shop is open") == 1
        went_on = {name: served.counts[f"/after_{name}"] for name in shop.rooms}
        assert went_on == dict.fromkeys(shop.rooms, 1)


# --- what it says as it goes ------------------------------------------------------------------------------------------

LINES = """
# one line a second
for n in 1 2 3 4 5 6 7; do echo "line $n"; sleep 1; done
"""
MUCH = """
yes 'the same line, again and again' | head -c 3000000
echo 'the last line'
"""


@pytest.mark.long
async def test_output_is_shown_as_it_comes(new_sqlite: NewDatabase, tmp_path: Path) -> None:
    """A program's lines are in the live message before it ends, at most every three seconds, and all in the file."""
    programs = {"lines": LINES, "much": MUCH}
    made = {name: runbook(step("act", program(f"{name}.sh"), "repeatable")) for name in programs}
    async with opened(new_sqlite(), tmp_path, made) as shop:
        for name, text in programs.items():
            (tmp_path / "catalogue" / f"{name}.sh").write_text(text)
        await started(shop, programs)
        await asyncio.gather(*(room.until("succeeded") for room in shop.rooms.values()))
        await shop.house.quiet()

        edits = shop["lines"].edits()
        shown = [str(one["args"]["blocks"]) for one in edits]
        assert any("line 1" in one and "under way" in one and "line 7" not in one for one in shown)
        assert "line 7" in shown[-1]
        times = [datetime.fromisoformat(one["at"]) for one in edits]
        assert all(later - one >= timedelta(seconds=3) for one, later in pairwise(times))
        assert [line for line in shop["lines"].files()[0].splitlines() if line.startswith("line")] == [
            f"line {n}" for n in range(1, 8)
        ]
        (whole,) = shop["much"].files()
        assert 500_000 < len(whole) < 1_100_000
        assert "left out" in whole
        assert "the last line" in whole


def program(name: str, *arguments: object) -> str:
    argv = ", ".join(f"'{one}'" for one in ("/bin/sh", name, *arguments))
    return f"shell: {{argv: [{argv}], env: [PATH]}}"


# --- told to stop -----------------------------------------------------------------------------------------------------


@pytest.mark.long
async def test_told_to_stop_in_mid_step(new_sqlite: NewDatabase, tmp_path: Path) -> None:
    """SIGTERM: a short step is finished, a long one given up and asked about, none begun; exit code 0."""
    async with counting_web() as served:
        short = HeldPath(served, "/short", f'http: {{method: POST, url: "{served.url}/short"}}')
        long = HeldPath(served, "/long", f'http: {{method: POST, url: "{served.url}/long"}}')
        work = HeldProgram(tmp_path, "work")
        held: dict[str, Counterpart] = {"short": short, "long": long, "work": work}
        made = {
            name: runbook(step("act", one.body, "once"), look(served, f"after_{name}"), policy=GUARDED)
            for name, one in held.items()
        }
        made["pause"] = runbook(step("act", "wait: {for: 8s}", timeout=""), look(served, "after_pause"))
        async with opened(new_sqlite(), tmp_path, made) as shop:
            (tmp_path / "catalogue" / "work.sh").write_text(WORK)
            await started(shop, held, guarded=held)
            for name, one in held.items():
                await shop[name].under_way(one.holds)
            await shop["pause"].ask()
            await shop["pause"].until("waiting")

            async def finish_the_short_one() -> None:
                short.let_go()

            assert await shop.terminate(finish_the_short_one) == 0
            assert (await shop["short"].begun("act")).state == "done"
            assert not any(is_running(number) for number in work.numbers())
            after = [f"/after_{name}" for name in made]
            assert [path for path in after if served.counts[path]] == []
            await shop.start()

            for room in shop.those(["short", "pause"]):
                await room.until("succeeded")
            for room in shop.those(["long", "work"]):
                await room.message_with("step.happened")
            assert not shop["short"].asks("step.happened")
            assert {name: one.count() for name, one in held.items()} == dict.fromkeys(held, 1)
            assert [path for path in after if served.counts[path]] == ["/after_short", "/after_pause"]


# --- cancelled --------------------------------------------------------------------------------------------------------

STUBBORN = """
# does not listen when it is asked to end, and neither does its child
trap '' TERM
if [ -z "$2" ]; then /bin/sh "$0" "$1" child & fi
echo $$ >> "$1"
for n in $(seq 120); do sleep 1; done
"""


async def test_cancelled_while_a_program_runs(new_sqlite: NewDatabase, tmp_path: Path) -> None:
    """The Cancel button ends the program and whatever it started, however stubborn."""
    begun = tmp_path / "begun"
    made = {"stubborn": runbook(step("act", program("stubborn.sh", begun), "once"), policy=GUARDED)}
    async with opened(new_sqlite(), tmp_path, made) as shop:
        (tmp_path / "catalogue" / "stubborn.sh").write_text(STUBBORN)
        await started(shop, made, guarded=made)
        await shop["stubborn"].under_way(lambda: begun.is_file() and len(begun.read_text().split()) == 2)
        group = os.getpgid(int(begun.read_text().split()[0]))
        assert is_running(group)
        await shop["stubborn"].click("Ada", "run.cancel")
        await shop["stubborn"].until("cancelled")
        await until(lambda: not is_running(group))
        await shop.house.quiet()
        assert (await shop["stubborn"].begun("act")).state == "interrupted"
        assert "Whether it happened is not known" in shop["stubborn"].said()[0]
