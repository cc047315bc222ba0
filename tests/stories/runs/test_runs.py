"""Runbooks in the thread: planned, approved by somebody else, run, and told."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from bot.ports import Database
from tests.support.clock import HandClock
from tests.support.runbooks import ORG, RESTART, Target, opened_shop
from tests.support.story import Story, buttons, shown

OPS = "ops-alerts"


async def approve(story: Story, run: str = "RUN-1", user: str = "Ben", channel: str = OPS) -> dict[str, Any]:
    """The newest open question of the run, approved."""
    question = await story.asked(run, "approval.approve", channel)
    return await story.clicks(user, channel, question, "approval.approve")


async def words(story: Story, run: str = "RUN-1") -> str:
    return shown(await story.live(run))


async def test_approved_and_run(database: Database, clock: HandClock, tmp_path: Path) -> None:
    """Ada asks, Ben approves in the thread, the steps are done once, and the live message says so."""
    async with opened_shop(database, clock, tmp_path, restart=RESTART) as (story, there):
        assert "RUN-1" in await story.types("Ada", "/runbook run restart host=shop-2", OPS)
        assert "waits for approval" in await words(story)
        assert not there.counts["/restart"]

        await approve(story)

        assert dict(there.counts) == {"/look": 1, "/restart": 1, "/health": 1}
        assert there.bodies[1] == '{"host":"shop-2"}'
        assert "✓ succeeded" in await words(story)
        (output,) = await story.files(OPS)
        assert output.index("== look") < output.index("== restart") < output.index("== healthy")


async def test_a_lost_answer_is_asked_about(database: Database, clock: HandClock, tmp_path: Path) -> None:
    """When the answer of a once step is lost, nothing is repeated: a person looks, and says that it happened."""
    async with opened_shop(database, clock, tmp_path, restart=RESTART) as (story, there):
        there.cut.add("/restart")
        await story.types("Ada", "/runbook run restart", OPS)
        await approve(story)

        assert there.counts["/restart"] == 1
        question = await story.asked("RUN-1", "step.happened")
        assert "whether step restart happened is not known" in shown(question)
        assert "needs an answer" in await words(story)

        await story.clicks("Ben", OPS, question, "step.happened")

        assert dict(there.counts) == {"/look": 1, "/restart": 1, "/health": 1}
        assert "✓ succeeded" in await words(story)


async def test_it_did_not_happen_do_it_again(database: Database, clock: HandClock, tmp_path: Path) -> None:
    """A person who saw that it did not happen has it done again, once, with a key of its own."""
    async with opened_shop(database, clock, tmp_path, restart=RESTART) as (story, there):
        there.cut.add("/restart")
        await story.types("Ada", "/runbook run restart", OPS)
        await approve(story)
        there.cut.clear()
        question = await story.asked("RUN-1", "step.redo")

        await story.clicks("Ben", OPS, question, "step.redo")

        assert there.counts["/restart"] == 2
        (answered,) = [
            one for one in await story.replies(OPS, await story.live("RUN-1")) if one["ts"] == question["ts"]
        ]
        assert "was unknown, and is answered" in shown(answered)
        assert buttons(answered) == []
        assert len(set(there.keys)) == 4
        assert "✓ succeeded" in await words(story)


async def test_an_old_question_is_no_answer(database: Database, clock: HandClock, tmp_path: Path) -> None:
    """A click on the question about an earlier attempt does nothing to a later one that is unknown too."""
    async with opened_shop(database, clock, tmp_path, restart=RESTART) as (story, there):
        there.cut.add("/restart")
        await story.types("Ada", "/runbook run restart", OPS)
        await approve(story)
        old = await story.asked("RUN-1", "step.redo")
        await story.fault("http_500", method="chat.update", times=1000)  # so that it keeps its buttons
        await story.clicks("Ben", OPS, old, "step.redo")
        assert there.counts["/restart"] == 2

        await story.clicks("Ben", OPS, old, "step.redo")

        assert there.counts["/restart"] == 2
        assert any("an earlier attempt at step restart" in said for said in await story.whispers("Ben", OPS))


async def test_stop_here(database: Database, clock: HandClock, tmp_path: Path) -> None:
    """A person who cannot find out stops it, and the run says that it is not known."""
    async with opened_shop(database, clock, tmp_path, restart=RESTART) as (story, there):
        there.cut.add("/restart")
        await story.types("Ada", "/runbook run restart", OPS)
        await approve(story)

        await story.clicks("Ben", OPS, await story.asked("RUN-1", "step.stop"), "step.stop")

        assert "whether step restart happened is not known" in await words(story)
        assert dict(there.counts) == {"/look": 1, "/restart": 1}


async def test_a_failed_step_is_tried_again(database: Database, clock: HandClock, tmp_path: Path) -> None:
    """A step that failed is done again by a person's click; those before it are not."""
    async with opened_shop(database, clock, tmp_path, restart=RESTART) as (story, there):
        there.status["/health"] = 503
        await story.types("Ada", "/runbook run restart", OPS)
        await approve(story)
        assert "Step healthy failed: The server answered 503" in await words(story)
        there.status.clear()

        await story.clicks("Ada", OPS, await story.live("RUN-1"), "run.retry")

        assert dict(there.counts) == {"/look": 1, "/restart": 1, "/health": 2}
        assert "✓ succeeded" in await words(story)


async def test_a_failed_step_is_skipped(database: Database, clock: HandClock, tmp_path: Path) -> None:
    """A step that failed is left out with a reason, which its message shows."""
    async with opened_shop(database, clock, tmp_path, restart=RESTART) as (story, there):
        there.status["/look"] = 404
        await story.types("Ada", "/runbook run restart", OPS)
        await approve(story)
        view = await story.opens_by_click("Ada", OPS, await story.live("RUN-1"), "step.skip")

        await story.submits("Ada", view, reason="the page moved")

        assert "skipped it: the page moved" in await words(story)
        assert "✓ succeeded" in await words(story)


async def test_taken_back_with_its_own_approval(database: Database, clock: HandClock, tmp_path: Path) -> None:
    """What was done is taken back by its own plan, which somebody else approves again."""
    async with opened_shop(database, clock, tmp_path, restart=RESTART) as (story, there):
        await story.types("Ada", "/runbook run restart", OPS)
        await approve(story)

        await story.clicks("Cleo", OPS, await story.live("RUN-1"), "run.undo")
        question = await story.asked("RUN-1", "approval.approve")
        assert "asks to be taken back" in shown(question)
        await story.clicks("Cleo", OPS, question, "approval.approve")
        assert "/start" not in there.counts
        await story.clicks("Ben", OPS, question, "approval.approve")

        assert there.counts["/start"] == 1
        assert "What it did has been taken back." in await words(story)


async def test_a_taking_back_that_was_rejected_can_be_asked_for_again(
    database: Database, clock: HandClock, tmp_path: Path
) -> None:
    """Where taking back was rejected, the run is as it was, and taking it back may be asked for again."""
    async with opened_shop(database, clock, tmp_path, restart=RESTART) as (story, there):
        await story.types("Ada", "/runbook run restart", OPS)
        await approve(story)
        await story.clicks("Ada", OPS, await story.live("RUN-1"), "run.undo")
        view = await story.opens_by_click("Ben", OPS, await story.asked("RUN-1", "approval.reject"), "approval.reject")
        await story.submits("Ben", view, reason="it works now")
        assert "It was not taken back." in await words(story)

        await story.clicks("Ada", OPS, await story.live("RUN-1"), "run.undo")
        await approve(story)

        assert there.counts["/start"] == 1


async def test_cancelled_before_it_begins(database: Database, clock: HandClock, tmp_path: Path) -> None:
    """A run that waits for approval is cancelled, and its question no longer counts."""
    async with opened_shop(database, clock, tmp_path, restart=RESTART) as (story, there):
        await story.types("Ada", "/runbook run restart", OPS)
        await story.clicks("Ada", OPS, await story.live("RUN-1"), "run.cancel")

        assert "was cancelled" in await words(story)
        (question,) = await story.replies(OPS, await story.live("RUN-1"))
        assert "This question no longer counts." in shown(question)
        assert buttons(question) == []
        assert not there.counts


async def click_while(story: Story, there: Target, work: Any, user: str, action: str) -> None:
    """Press a button of the live message while a held step is under way."""
    under_way = asyncio.create_task(work)
    await asyncio.wait_for(there.reached.wait(), 10)
    live = await story.live("RUN-1")
    await story.does("click", user=user, channel=OPS, ts=live["ts"], action_id=action)
    await under_way
    await story.settle()


async def test_cancelled_in_mid_effect(database: Database, clock: HandClock, tmp_path: Path) -> None:
    """Cancelled while a once step is under way, the run says that nobody knows whether it happened."""
    async with opened_shop(database, clock, tmp_path, restart=RESTART) as (story, there):
        there.held["/restart"] = asyncio.Event()
        await story.types("Ada", "/runbook run restart", OPS)

        await click_while(story, there, approve(story), "Ada", "run.cancel")

        assert "Whether it happened is not known" in await words(story)
        assert "was cancelled" in await words(story)
        assert dict(there.counts) == {"/look": 1, "/restart": 1}


LATE = """
title: End the oldest
service: shop
policy:
  approval: {who: [team:sre]}
steps:
  - id: find
    http: {url: "{url}/oldest"}
    effect: read
    save: {which: json.path}
  - id: end
    http: {method: POST, url: "{url}/end", json: {which: "{{ steps.find.which }}"}}
    effect: once
"""


async def test_late_arguments_are_approved_when_they_are_known(
    database: Database, clock: HandClock, tmp_path: Path
) -> None:
    """A once step whose arguments come from an earlier result asks for its own approval, showing them."""
    async with opened_shop(database, clock, tmp_path, end=LATE) as (story, there):
        await story.types("Ada", "/runbook run end", OPS)
        question = await story.asked("RUN-1", "approval.approve")
        assert "{which: from step find}" in shown(question)
        await approve(story)
        assert dict(there.counts) == {"/oldest": 1}

        question = await story.asked("RUN-1", "approval.approve")
        assert "{which: /oldest}" in shown(question)
        await approve(story, user="Cleo")

        assert there.counts["/end"] == 1
        assert '{"which":"/oldest"}' in there.bodies


SLOT = """
title: Turn
service: shop
policy: {approval: none}
concurrency: {key: turn}
steps:
  - {id: begin, http: {url: "{url}/begin"}, effect: read}
  - {id: pause, wait: {for: 10m}}
  - {id: end, http: {url: "{url}/end"}, effect: read}
"""


async def test_the_second_waits_and_says_for_whom(database: Database, clock: HandClock, tmp_path: Path) -> None:
    """Of two runs with the same target the second waits, says for whom, and begins when the first is over."""
    async with opened_shop(database, clock, tmp_path, turn=SLOT) as (story, there):
        await story.types("Ada", "/runbook run turn", OPS)
        await story.types("Ben", "/runbook run turn", OPS)
        assert "It waits for RUN-1" in await words(story, "RUN-2")
        assert there.counts["/begin"] == 1

        await story.fast_forward(minutes=10)
        assert "✓ succeeded" in await words(story, "RUN-1")
        assert there.counts["/begin"] == 2

        await story.fast_forward(minutes=10)
        assert "✓ succeeded" in await words(story, "RUN-2")


async def test_the_deadline_ends_what_waits(database: Database, clock: HandClock, tmp_path: Path) -> None:
    """A run that is not over by its deadline fails, even if it only waits."""
    slow = SLOT.replace("for: 10m", "for: 3h").replace("service: shop", "service: shop\ndeadline: 1h")
    async with opened_shop(database, clock, tmp_path, turn=slow) as (story, _):
        await story.types("Ada", "/runbook run turn", OPS)

        await story.fast_forward(minutes=61)

        assert "longer than its deadline" in await words(story)


HANDS = """
title: By hand
service: shop
policy: {approval: none}
steps:
  - {id: pull, manual: {text: Pull the plug, evidence: true}, save: {seen: evidence}}
  - {id: sure, approval: {who: [team:sre], text: "Is it dark?"}}
  - {id: write, message: {to: "dm:team:sre", text: "It is being done"}}
  - {id: tell, message: {to: "slack:#general", text: "It is dark: {{ steps.pull.seen }} <!channel>"}}
"""


async def test_people_do_their_part(database: Database, clock: HandClock, tmp_path: Path) -> None:
    """A manual step asks for evidence, an approval step for somebody else, and a message step tells a channel."""
    async with opened_shop(database, clock, tmp_path, hands=HANDS) as (story, _):
        await story.types("Ada", "/runbook run hands", OPS)
        task = await story.asked("RUN-1", "step.done")
        view = await story.opens_by_click("Ben", OPS, task, "step.done")
        await story.submits("Ben", view, evidence="no light")
        (ticked,) = [one for one in await story.replies(OPS, await story.live("RUN-1")) if one["ts"] == task["ts"]]
        assert "<@U0BEN> did it." in shown(ticked)
        assert buttons(ticked) == []

        question = await story.asked("RUN-1", "approval.approve")
        assert "Is it dark?" in shown(question)
        await story.clicks("Ada", OPS, question, "approval.approve")
        assert "waits for approval" in await words(story)
        await story.clicks("Cleo", OPS, question, "approval.approve")

        assert "✓ succeeded" in await words(story)
        assert any("It is being done" in said for said in await story.direct("Cleo"))
        (told,) = await story.by_the_bot("general")
        assert "It is dark: no light &lt;!" in told


async def test_nobody_approves_in_time(database: Database, clock: HandClock, tmp_path: Path) -> None:
    """A question that nobody answers expires, which is said in the thread, and counts for nothing afterwards."""
    async with opened_shop(database, clock, tmp_path, restart=RESTART) as (story, there):
        await story.types("Ada", "/runbook run restart", OPS)

        await story.fast_forward(minutes=31)

        live = await story.live("RUN-1")
        assert "expired" in shown(live)
        question, said = await story.replies(OPS, live)
        assert "Nobody decided by" in shown(question)
        assert buttons(question) == []
        assert "<@U0ADA>, ask for it again" in shown(said)
        assert not there.counts


async def test_rejected_with_a_reason(database: Database, clock: HandClock, tmp_path: Path) -> None:
    """Who rejects is asked why, and who asked for the run reads it."""
    async with opened_shop(database, clock, tmp_path, restart=RESTART) as (story, there):
        await story.types("Ada", "/runbook run restart", OPS)
        question = await story.asked("RUN-1", "approval.approve")
        view = await story.opens_by_click("Ben", OPS, question, "approval.reject")

        await story.submits("Ben", view, reason="shop-1 is drained")

        assert "<@U0BEN> rejected it: shop-1 is drained" in await words(story)
        assert not there.counts


GLASS = RESTART.replace("quorum: 1, expires: 30m", "quorum: 2, expires: 30m, break_glass: [U0ADA]")


async def test_broken_glass_is_loud_and_reviewed(database: Database, clock: HandClock, tmp_path: Path) -> None:
    """Who is named may start alone with a reason: the channel hears of it, and somebody else reviews it."""
    async with opened_shop(database, clock, tmp_path, restart=GLASS) as (story, there):
        await story.types("Ada", "/runbook run restart", OPS)
        question = await story.asked("RUN-1", "approval.break")
        view = await story.opens_by_click("Ada", OPS, question, "approval.break")

        await story.submits("Ada", view, reason="nobody is awake")

        assert there.counts["/restart"] == 1
        loud = [said for said in await story.by_the_bot(OPS) if "broke the glass" in said]
        assert any("nobody is awake" in said for said in loud)
        review = await story.asked("RUN-1", "approval.review")
        await story.clicks("Ada", OPS, review, "approval.review")
        assert "approval.review" in buttons(await story.asked("RUN-1", "approval.review"))

        await story.fast_forward(hours=25)
        assert any("nobody has reviewed it yet" in said for said in await story.by_the_bot(OPS))
        await story.clicks("Ben", OPS, await story.asked("RUN-1", "approval.review"), "approval.review")
        assert any(
            "Reviewed by <@U0BEN>" in said for said in await story.thread(OPS, (await story.live("RUN-1"))["ts"])
        )


CLEAN = """
title: Clean
service: shop
steps:
  - {id: clean, sql: {connection: shop_db, query: "delete from carts", write: true}}
"""


async def test_a_problem_is_found_by_the_plan(database: Database, clock: HandClock, tmp_path: Path) -> None:
    """A connection that does not answer is found before anybody is asked to approve."""
    org = f"{ORG}connections:\n  shop_db: {{sql: env:SHOP_DB}}\n"
    clean = CLEAN
    there = {"SHOP_DB": "postgresql://shop:hunter2secret@127.0.0.1:9/shop"}
    async with opened_shop(database, clock, tmp_path, org=org, environment=there, clean=clean) as (story, _):
        answer = await story.types("Ada", "/runbook run clean", OPS)

        assert "The connection “shop_db” (env:SHOP_DB) does not answer" in answer
        assert "hunter2" not in answer
        assert await story.by_the_bot(OPS) == []


async def test_a_run_belongs_to_its_incident(database: Database, clock: HandClock, tmp_path: Path) -> None:
    """Started in an incident's channel, a run is written into its timeline."""
    async with opened_shop(database, clock, tmp_path, restart=RESTART) as (story, _):
        channel = await story.declared("the shop is slow")
        await story.types("Ada", "/runbook run restart", channel)
        await approve(story, channel=channel)

        timeline = await story.reads("Ada", "/incident timeline", channel)

        for said in ("asked for RUN-1 (restart)", "approved RUN-1", "RUN-1 (restart) succeeded"):
            assert said in timeline
