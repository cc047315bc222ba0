"""Five-step runs of steps that do nothing: what the engine costs. And ten thousand runs that wait for approval."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
from aiohttp import web
from sqlalchemy import func, insert, select

from bench.hall import Hall, opened, opened_at
from bench.report import Figure, percentile
from bench.rig import Rig, served
from bot.domain.catalogue.runbook import Effect, Kind, Runbook, Step
from bot.domain.runs.approval import WHOLE_RUN
from bot.domain.runs.plan import Plan
from bot.engine import planning
from bot.services.runs.scheduler import Engine
from bot.store.db.schema import migrate_beside
from bot.store.runs import runs as store
from bot.store.tables.queue import timers
from bot.store.tables.runs import approval_requests, runs
from bot.store.wakeups.postgres import PostgresWakeups
from tests.support.backends import postgres_server

RUNS = 400
PARKED = 10_000
WORKERS = 3
IDLE_SECONDS = 3.0
CLICKS = 15
SETTLE_SECONDS = 0.3
MEGABYTE = 1024 * 1024


async def run(folder: Path) -> list[Figure]:
    once = await _throughput(folder / "once", Effect.ONCE)
    read = await _throughput(folder / "read", Effect.READ)
    return [
        Figure("a five-step run with `once` steps, SQLite (bar: 70 a second)", once, "ms", 1000 / 70),
        Figure("a five-step run with `read` steps, SQLite (bar: 120 a second)", read, "ms", 1000 / 120),
        *await _on_postgres(),
        *await _parked(folder / "parked"),
        *await _clicks(folder / "clicks"),
    ]


def five_steps(effect: Effect) -> Runbook:
    """Steps that set nothing: all that is measured is ours."""
    steps = tuple(Step(f"step_{number}", Kind.SET, {}, effect) for number in range(1, 6))
    return Runbook(f"bench_{effect}", "bench", "Five steps", steps, version=f"bench-{effect}")


def row(runbook: Runbook, plan: Plan, hall: Hall, **more: Any) -> dict[str, Any]:
    values: Mapping[str, Any] = {
        "runbook": runbook.id,
        "version": runbook.version,
        "service": runbook.service,
        "subject": {},
        "parameters": {},
        "connections": {},
        "plan": store.plan_json(plan),
        "plan_hash": plan.hash,
        "requested_by": "U0ADA",
        "edited_by": [],
        "source": "slack",
        "severity": "P2",
        "rank": 2,
        "status": "running",
        "state": "ready",
        "next_at": hall.deps.clock.wall(),
        "created_at": hall.deps.clock.now(),
    }
    return {**values, **more}


async def fill(hall: Hall, effect: Effect, count: int, **more: Any) -> None:
    runbook = five_steps(effect)
    plan = planning.make(runbook, {}, {}, {})
    rows = [row(runbook, plan, hall, **more) for _ in range(count)]
    async with hall.database.transaction() as tx:
        await store.keep_version(tx, runbook, hall.deps.clock.now())
        await tx.execute(insert(runs), rows)


async def _throughput(folder: Path, effect: Effect) -> float:
    """Milliseconds a run, from the first claim until the last outcome is written."""
    folder.mkdir()
    async with opened(folder) as hall:
        await fill(hall, effect, RUNS)
        started = time.perf_counter()
        await Engine(hall.deps).until_idle()
        elapsed = time.perf_counter() - started
        async with hall.database.reading() as tx:
            done = select(func.count()).select_from(runs).where(runs.c.status == "succeeded")
            assert (await tx.execute(done)).scalar_one() == RUNS
    return elapsed * 1000 / RUNS


# --- three workers on PostgreSQL --------------------------------------------------------------------------------------


async def _on_postgres() -> list[Figure]:
    """The same with `once` steps and three worker processes. Left out where the machine has no PostgreSQL."""
    with postgres_server() as server:
        if server is None:
            return []
        await migrate_beside(server.url)
        elapsed = await _with_workers(server.url)
    return [Figure("the same on PostgreSQL with three workers (bar: 100 a second)", elapsed, "ms", 1000 / 100)]


async def _with_workers(url: str) -> float:
    wakeups = PostgresWakeups(url)
    await wakeups.start()
    async with opened_at(url, wakeups) as hall, AsyncExitStack() as stack:
        for number in range(WORKERS):
            await stack.enter_async_context(_worker(url, number))
        started = time.perf_counter()
        await fill(hall, Effect.ONCE, RUNS)
        wakeups.wake()
        left = select(func.count()).select_from(runs).where(runs.c.status != "succeeded")
        while True:
            async with hall.database.reading() as tx:
                if not (await tx.execute(left)).scalar_one():
                    break
            await asyncio.sleep(0.02)
        elapsed = time.perf_counter() - started
    await wakeups.close()
    return elapsed * 1000 / RUNS


@asynccontextmanager
async def _worker(url: str, number: int) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.runs", url, str(number), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    await process.stdout.readline()
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


async def _work(url: str, number: str) -> None:
    """In a process of its own: one of the workers, until it is ended."""
    wakeups = PostgresWakeups(url)
    await wakeups.start()
    async with opened_at(url, wakeups, f"worker-{number}") as hall, hall.working({}):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


# --- ten thousand that wait -------------------------------------------------------------------------------------------


async def _parked(folder: Path) -> list[Figure]:
    """Memory and processor time, against a process that has none waiting."""
    folder.mkdir()
    (folder / "many").mkdir()
    (folder / "none").mkdir()
    many = await _idle(folder / "many", PARKED)
    none = await _idle(folder / "none", 0)
    return [
        Figure(f"memory for {PARKED} runs that wait for approval", max(0.0, many[0] - none[0]), "MB", 5),
        Figure(f"processor time at rest with {PARKED} waiting, beyond that with none", many[1] - none[1], "%", 1),
    ]


async def _idle(folder: Path, count: int) -> tuple[float, float]:
    """Megabytes and per cent of a core, in a process of its own."""
    async with opened(folder) as hall:
        if count:
            await park(hall, count)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.runs", str(folder), stdout=asyncio.subprocess.PIPE
    )
    answer, _ = await process.communicate()
    memory, share = answer.decode().split()
    return float(memory), float(share)


async def park(hall: Hall, count: int) -> None:
    await fill(hall, Effect.ONCE, count, status="awaiting_approval", state="parked")
    now = hall.deps.clock.now()
    async with hall.database.transaction() as tx:
        found = list((await tx.execute(select(runs.c.id))).scalars())
        whole = {
            "covers": WHOLE_RUN,
            "round": 1,
            "plan_hash": "-",
            "who": ["team:sre"],
            "quorum": 1,
            "break_glass": [],
        }
        asked = {"valid_seconds": 86_400, "state": "open", "asked_at": now, "expires_at": now + timedelta(days=1)}
        await tx.execute(insert(approval_requests), [{**whole, **asked, "run": id_} for id_ in found])
        due = {"kind": "approval.expire", "payload": {}, "lateness": "fire_late", "state": "pending"}
        ends = [
            {**due, "subject": f"RUN-{id_}", "dedupe_key": f"x:{id_}", "due_at": now + timedelta(days=1)}
            for id_ in found
        ]
        await tx.execute(insert(timers), ends)


async def _look_on(folder: Path) -> None:
    """In a process of its own: the worker at rest beside what waits."""
    async with opened(folder) as hall, hall.working({}):
        await asyncio.sleep(1)
        gc.collect()
        me = psutil.Process(os.getpid())
        me.cpu_percent()
        await asyncio.sleep(IDLE_SECONDS)
        sys.stdout.write(f"{me.memory_info().rss / MEGABYTE} {me.cpu_percent()}\n")


# --- from the click to the step ---------------------------------------------------------------------------------------


CATALOGUE = {
    "org.yml": "teams: {sre: [U0ADA, U0BEN]}\naccess: {execute: [team:sre], approve: [team:sre]}\n",
    "bench/service.yml": """
service: bench
name: Bench
default_severity: P2
severities: [{key: P2, name: Normal}]
""",
    "bench/touch.yml": """
title: Touch
service: bench
steps:
  - {id: touch, http: {method: POST, url: "http://127.0.0.1:PORT/{{ run.id }}"}, effect: once}
""",
}


async def _clicks(folder: Path) -> list[Figure]:
    """A person's click on Approve in the workspace, until the first step's request arrives at its target."""
    arrived: dict[str, asyncio.Future[float]] = {}
    async with _target(arrived) as port:
        for name, text in CATALOGUE.items():
            (folder / "catalogue" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "catalogue" / name).write_text(text.replace("PORT", str(port)))
        async with served(folder, more={"TOCSIN_CATALOG": str(folder / "catalogue")}) as rig:
            waits = [await _one_click(rig, number, arrived) for number in range(1, CLICKS + 1)]
            refused = rig.refused_calls()
    return [
        Figure("from the click on Approve to the first step, p50", percentile(waits, 0.5) * 1000, "ms", 50),
        Figure("from the click on Approve to the first step, p99", percentile(waits, 0.99) * 1000, "ms"),
        Figure("calls of runs that Slack's contract rejects", refused, "", 0),
    ]


@asynccontextmanager
async def _target(arrived: dict[str, asyncio.Future[float]]) -> AsyncIterator[int]:
    async def handle(request: web.Request) -> web.Response:
        future = arrived[request.path.removeprefix("/")]
        future.set_result(time.perf_counter())
        return web.Response()

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


async def _one_click(rig: Rig, number: int, arrived: dict[str, asyncio.Future[float]]) -> float:
    name = f"RUN-{number}"
    arrived[name] = asyncio.get_running_loop().create_future()
    await rig.command("/runbook run touch", channel="ops-alerts")
    question = await _question(rig, name)
    started = time.perf_counter()
    wish = {"user": "U0BEN", "channel": "ops-alerts", "ts": question, "action_id": "approval.approve"}
    await rig.simulator.control.click(wish)
    return await asyncio.wait_for(arrived[name], 20) - started


async def _question(rig: Rig, name: str) -> str:
    """The ts of the message that asks for approval of this run, once the bot knows it as well."""
    channel = rig.simulator.workspace.channels["C0OPSALERTS"]
    async with asyncio.timeout(30):
        while True:
            for message in reversed(list(channel.messages.values())):
                if message.text.startswith(f"{name} asks for approval"):
                    await asyncio.sleep(SETTLE_SECONDS)
                    return str(message.ts)
            await asyncio.sleep(0.01)


if __name__ == "__main__":
    asyncio.run(_work(*sys.argv[1:]) if len(sys.argv) > 2 else _look_on(Path(sys.argv[1])))
