"""Clicks that Slack would not have sent: replayed, forged, on old, foreign and invented messages."""

from __future__ import annotations

import time
from typing import Any

import pytest

from bot.ports import Database
from tests.security.bypass.conftest import Opener
from tests.security.bypass.scene import APPROVE, OPS, OPS_ID, QUICK, Scene, form, opened
from tests.support.clock import HandClock


async def test_the_same_click_again(it: Scene) -> None:
    """A click that comes again byte for byte, as Slack sends it or signed again, is carried out once."""
    body = form(it.click("U0BEN", await it.asked(), APPROVE))
    headers = it.signature(body)
    for one in (headers, headers, it.signature(body)):
        assert (await it.posts(body, headers=one)).status_code == 200
    assert dict(it.there.counts) == QUICK
    assert [action for _, action in await it.story.audited("RUN-1")].count("approval.given") == 1


async def test_a_refused_click_again(it: Scene) -> None:
    """What was refused once is not let through by saying it again."""
    body = form(it.click("U0ADA", await it.asked(), APPROVE))
    for _ in range(3):
        await it.posts(body)
    await it.is_refused("U0ADA")


async def test_a_click_kept_for_the_next_run(it: Scene) -> None:
    """The payload that approved one run approves no other, though it names nobody but the one who may."""
    payload = it.click("U0BEN", await it.asked(), APPROVE)
    await it.posts(form(payload))
    it.there.counts.clear()
    await it.asked(run="RUN-2")
    await it.posts(form(payload))
    payload["actions"][0]["value"] = "RUN-2"
    payload["trigger_id"] = it.story.simulator.workspace.new_trigger("U0BEN")
    await it.posts(form(payload))
    assert not it.there.counts
    await it.is_audited("U0BEN", "RUN-2", because="not the question about RUN-2")


@pytest.mark.parametrize("age_seconds", [301, -301])
async def test_an_old_signature(it: Scene, age_seconds: int) -> None:
    """What was signed more than five minutes ago, or in the future, is not looked at."""
    body = form(it.click("U0BEN", await it.asked(), APPROVE))
    assert (await it.posts(body, age_seconds=age_seconds)).status_code == 401
    assert not it.there.counts
    assert "waits for approval" in await it.words()


async def test_a_signature_for_something_else(it: Scene) -> None:
    """A good signature is good for its own body and its own secret alone."""
    question = await it.asked()
    harmless, body = form(it.click("U0ADA", question, APPROVE)), form(it.click("U0BEN", question, APPROVE))
    assert (await it.posts(body, headers=it.signature(harmless))).status_code == 401
    assert (await it.posts(body, secret="guessed")).status_code == 401
    later = {**it.signature(body), "x-slack-request-timestamp": str(int(time.time()) + 1)}
    assert (await it.posts(body, headers=later)).status_code == 401
    assert not it.there.counts


async def test_the_message_of_an_earlier_round(it: Scene) -> None:
    """After the parameters were changed the question of before counts for nothing, whatever it still shows."""
    old = await it.asked()
    view = await it.story.opens_by_click("Ada", OPS, await it.story.live("RUN-1", OPS), "runbook.plan")
    await it.story.submits("Ada", view, host="shop-2", note="slow")
    await it.clicks("U0BEN", old, APPROVE, value="RUN-1")
    await it.is_refused("U0BEN", because="not the question about RUN-1")


VALUES = [
    "RUN-2", "RUN-1:healthy", "RUN-1:restart", "RUN-1:@undo", "RUN-1:@Undo", "RUN-1:nothing", "RUN-1:run", "RUN-1:@run",
    "RUN-1:", "RUN-1: ", "RUN-1:run:run", "RUN-1\n", "RUN-1 ", " RUN-1", "run-1", "1", "RUN-", "RUN--1", "RUN-+1",
    "RUN-1.0", "RUN-0", "RUN-01", "RUN-1_0", "RUN-0x1", "RUN-¹", "RUN-１", "RUN-١", "RUN-①", "RUN-999999999",
    "RUN-2147483648", "RUN-9223372036854775808", "RUN-" + "9" * 2_000, "RUN-1:" + "a" * 999, "RUN-1:\x00", "RUN-\x001",
    "INC-1", "RUN-1' OR '1'='1", "RUN-1;DROP TABLE runs", "{{ 7*7 }}", "null", "", "RUN-1,RUN-1",
]  # fmt: skip


async def test_forged_values(database: Database, clock: HandClock, tmp_path: Any) -> None:
    """Somebody who may approve, on the real message, with any value but the button's own, approves nothing."""
    async with opened(database, clock, tmp_path) as it:
        question = await it.asked()
        for value in VALUES:
            before = len(await it.refusals("U0BEN"))
            assert (await it.clicks("U0BEN", question, APPROVE, value=value)).status_code == 200
            assert not it.there.counts, value
            assert len(await it.refusals("U0BEN")) == before + 1, value
        assert "waits for approval" in await it.words()
        assert not [said for said in await it.story.whispers("Ben", OPS) if "my side" in said]


@pytest.mark.parametrize("value", [None, 1, True, ["RUN-1", "RUN-1"], {"run": 1}])
async def test_values_that_are_no_text(it: Scene, value: Any) -> None:
    """A value of another type than a button's is no value."""
    await it.clicks("U0BEN", await it.asked(), APPROVE, value=value)
    assert not it.there.counts
    assert "waits for approval" in await it.words()
    assert len(await it.refusals("U0BEN")) == 1


async def test_two_runs_that_swap_ids(it: Scene) -> None:
    """The real question about one run, with the value of the other: neither is approved."""
    first = await it.asked()
    second = await it.asked("restart host=shop-9", run="RUN-2")
    await it.clicks("U0BEN", first, APPROVE, value="RUN-2")
    await it.clicks("U0BEN", second, APPROVE, value="RUN-1")
    await it.is_refused("U0BEN", "RUN-1", because="not the question about RUN-1")
    await it.is_refused("U0BEN", "RUN-2", because="not the question about RUN-2")
    assert "waits for approval" in await it.words("RUN-2")


@pytest.mark.parametrize(
    "forged",
    [
        {"channel": "C0GENERAL"},
        {"channel": ""},
        {"ts": "1.1"},
        {"ts": ""},
        {"ts": None, "channel": None},
        {"channel": "C0GENERAL", "ts": "1.1"},
    ],
    ids=str,
)
async def test_from_another_place(it: Scene, forged: dict[str, Any]) -> None:
    """The right value in another channel, or on a message that is not the question, is not an approval."""
    await it.clicks("U0BEN", await it.asked(), APPROVE, **forged)
    await it.is_refused("U0BEN", because="not the question about RUN-1")


async def test_from_the_live_message(it: Scene) -> None:
    """The run's own message is in the right thread and still not the question."""
    await it.asked()
    await it.clicks("U0BEN", await it.story.live("RUN-1", OPS), APPROVE, value="RUN-1")
    await it.is_refused("U0BEN", because="not the question about RUN-1")


async def test_from_an_ephemeral_message(it: Scene) -> None:
    """What only one person sees was asked of nobody else."""
    await it.clicks("U0BEN", await it.asked(), APPROVE, ephemeral=True, ts="9.9")
    await it.is_refused("U0BEN", because="not the question about RUN-1")


async def test_from_a_form(it: Scene) -> None:
    """A button in a form is on no message, whatever the form says about where it was opened."""
    question = await it.asked()
    payload = it.click("U0BEN", question, APPROVE)
    place = f'{{"at": ["{OPS_ID}", null, "{question["ts"]}"], "metadata": "RUN-1"}}'
    for kind in ("modal", "home"):
        payload["trigger_id"] = it.story.simulator.workspace.new_trigger("U0BEN")
        payload["view"] = {"id": "V1", "type": kind, "callback_id": "runbook.run", "private_metadata": place}
        await it.posts(form(payload))
    await it.is_refused("U0BEN", because="not the question about RUN-1", times=2)


async def test_a_message_that_says_something_else(it: Scene) -> None:
    """What a payload claims that the message said changes nothing of what is approved: the stored plan runs."""
    said = [{"type": "section", "text": {"type": "mrkdwn", "text": "RUN-1: may nothing at all run with shop-9?"}}]
    question = await it.asked("restart host=shop-2")
    await it.clicks("U0ADA", question, APPROVE, blocks=said)
    await it.is_refused("U0ADA")
    await it.clicks("U0BEN", question, APPROVE, blocks=said)
    assert dict(it.there.counts) == QUICK
    assert '{"host":"shop-2"}' in it.there.bodies


async def test_by_other_actions(it: Scene) -> None:
    """No other button's id lets a run go on that waits for approval."""
    question = await it.asked()
    actions = ("run.retry", "run.undo", "step.happened", "step.redo", "step.stop", "step.done", "approval.review")
    for action in actions:
        value = "RUN-1:restart" if action.startswith("step.") else "RUN-1"
        await it.clicks("U0ADA", question, action, value=value)
        await it.clicks("U0BEN", question, action, value=value)
    for user in ("U0ADA", "U0BEN"):
        await it.is_refused(user, times=len(actions))


async def test_by_words(it: Scene) -> None:
    """There is no verb that approves."""
    await it.asked()
    thread = (await it.story.live("RUN-1", OPS))["ts"]
    for words in ("/runbook approve RUN-1", "/runbook run RUN-1", "/incident approve RUN-1", "/runbook status approve"):
        await it.story.types("Ben", words, OPS)
    await it.story.says("Ben", "<@U0TOCSIN> runbook approve RUN-1", OPS, thread)
    await it.story.does("reaction", user="Ben", channel=OPS, ts=(await it.question())["ts"], name="white_check_mark")
    await it.story.settle()
    assert not it.there.counts
    assert "waits for approval" in await it.words()


async def test_a_message_posted_by_a_person(it: Scene) -> None:
    """A message that somebody wrote to look like the question is not it, in whichever thread it is."""
    await it.asked()
    thread = (await it.story.live("RUN-1", OPS))["ts"]
    ts = await it.story.says("Ada", "*RUN-1: may Restart the shop run?*", OPS, thread)
    await it.clicks("U0BEN", {"ts": ts}, APPROVE, value="RUN-1", channel=OPS_ID)
    await it.is_refused("U0BEN", because="not the question about RUN-1")


async def test_exactly_at_its_end(opens: Opener) -> None:
    """A question that is open until half past is not open at half past."""
    async with opens() as it:
        question = await it.asked()
        it.story.clock.advance(minutes=30)
        await it.story.does("click", user="Ben", channel=OPS, ts=question["ts"], action_id=APPROVE)
        await it.story.settle()
        assert not it.there.counts
        assert "expired" in await it.words()
        await it.is_audited("U0BEN", because="This question expired at")


async def test_a_moment_before_its_end(opens: Opener) -> None:
    """And one second earlier it is."""
    async with opens() as it:
        question = await it.asked()
        begun = it.story.clock.now()
        it.story.clock.set(begun)
        it.story.clock.advance(minutes=29, seconds=50)
        await it.story.clicks("Ben", OPS, question, APPROVE)
        assert dict(it.there.counts) == QUICK
