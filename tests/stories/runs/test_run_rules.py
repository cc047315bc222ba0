"""What a run keeps to: conditions, its version, its pace; and looks that change nothing."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from bot.catalogue.load import load
from bot.ports import Database
from tests.support.clock import HandClock
from tests.support.runbooks import RESTART, opened_shop
from tests.support.story import Story, shown

OPS = "ops-alerts"


async def words(story: Story, run: str = "RUN-1") -> str:
    return shown(await story.live(run))


WHEN = """
title: Only if
service: shop
policy: {approval: none}
parameters:
  - {name: deep, type: boolean, default: false}
steps:
  - {id: count, http: {url: "{url}/count"}, effect: read, save: {number: json.count}}
  - {id: never, http: {url: "{url}/never"}, effect: read, when: steps.count.number > 5}
  - {id: deeper, http: {url: "{url}/deeper"}, effect: read, when: params.deep}
  - {id: last, http: {url: "{url}/last?n={{ steps.count.number + 1 }}"}, effect: read}
"""


async def test_only_what_is_needed(database: Database, clock: HandClock, tmp_path: Path) -> None:
    """A step whose condition does not hold is left out, whether the plan or an earlier result says so."""
    async with opened_shop(database, clock, tmp_path, only=WHEN) as (story, there):
        await story.types("Ada", "/runbook run only", OPS)

        assert there.asked == ["GET /count", "GET /last"]
        assert "skipped" in await words(story)


async def test_a_run_stays_on_its_version(database: Database, clock: HandClock, tmp_path: Path) -> None:
    """A run goes on with the file as it was when it was asked for, whatever the file has become."""
    async with opened_shop(database, clock, tmp_path, restart=RESTART) as (story, there):
        await story.types("Ada", "/runbook run restart", OPS)
        file = tmp_path / "catalogue" / "shop" / "restart.yml"
        file.write_text(file.read_text().replace("/restart", "/destroy"))
        newer = load([tmp_path / "catalogue"]).catalogue
        assert newer is not None
        story.deps.current_catalogue.current = newer

        question = await story.asked("RUN-1", "approval.approve")
        await story.clicks("Ben", OPS, question, "approval.approve")

        assert there.counts["/restart"] == 1
        assert "/destroy" not in there.counts


WAITING = """
title: Slowly
service: shop
policy: {approval: none}
steps:
  - {id: one, http: {url: "{url}/one"}, effect: read}
  - {id: pause, wait: {for: 1s}}
  - {id: two, http: {url: "{url}/two"}, effect: read}
  - {id: rest, wait: {for: 1s}}
  - {id: three, http: {url: "{url}/three"}, effect: read}
"""


async def test_live_messages_are_edited_at_their_pace(database: Database, clock: HandClock, tmp_path: Path) -> None:
    """One run's message is edited every three seconds at most, all of them 45 times a minute, and end up right."""
    async with opened_shop(database, clock, tmp_path, slowly=WAITING) as (story, _):
        for number in range(12):
            await story.types(("Ada", "Ben", "Cleo")[number % 3], "/runbook run slowly", OPS)
        for _ in range(40):
            await story.fast_forward(seconds=3)

        calls = story.calls("chat.update")
        edits = [(datetime.fromisoformat(one["at"]).timestamp(), one["args"]["ts"]) for one in calls]
        for at, ts in edits:
            assert sum(1 for other, _ in edits if at <= other < at + 60) <= 45
            assert sum(1 for other, same in edits if same == ts and at <= other < at + 2.999) == 1
        for number in range(12):
            assert "✓ succeeded" in await words(story, f"RUN-{number + 1}")


LOOKING = """
title: Look first
service: shop
policy: {approval: none}
parameters:
  - {name: host, pattern: '[a-z0-9.-]+', default: shop-1}
steps:
  - id: now
    http: {url: "{url}/now/{{ params.host }}", extract: {place: path, missing: "deep.er"}}
    effect: read
    in_plan: true
  - id: then
    http: {url: "{url}/then?at={{ steps.now.place | urlencode }}"}
    effect: read
    when: steps.now.missing is none
"""


async def test_a_plan_really_looks_where_it_is_marked(database: Database, clock: HandClock, tmp_path: Path) -> None:
    """A plan shows what a marked read sees at this moment, and nothing else is done."""
    async with opened_shop(database, clock, tmp_path, look=LOOKING) as (story, there):
        plan = await story.reads("Ada", "/runbook plan look", OPS)

        assert "Step now sees now" in plan
        assert "/now/shop-1" in plan
        assert there.asked == ["GET /now/shop-1"]
