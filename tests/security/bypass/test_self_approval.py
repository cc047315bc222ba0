"""Four eyes: who asked for a run, or had a hand in it, never approves it, whichever way they come."""

from __future__ import annotations

from bot.domain.people.token import Scope
from tests.security.bypass.conftest import Opener
from tests.security.bypass.scene import APPROVE, OPS, QUICK, TWO, Scene, form

INVOLVED = "somebody else must approve it"


async def test_by_click(it: Scene) -> None:
    """The requester's own click counts for nothing."""
    question = await it.asked()
    await it.story.clicks("Ada", OPS, question, APPROVE)
    await it.is_refused("U0ADA", because=INVOLVED)


async def test_by_a_second_client(it: Scene) -> None:
    """The same person with another trigger, over signed HTTP instead of Socket Mode, is the same person."""
    question = await it.asked()
    for _ in range(2):
        assert (await it.clicks("U0ADA", question, APPROVE)).status_code == 200
    await it.is_refused("U0ADA", because=INVOLVED, times=2)


async def test_under_another_name(it: Scene) -> None:
    """What a payload says that somebody is called makes them nobody else."""
    payload = it.click("U0ADA", await it.asked(), APPROVE)
    payload["user"] |= {"name": "ben", "username": "ben"}
    await it.posts(form(payload))
    await it.is_refused("U0ADA", because=INVOLVED)


async def test_of_what_ones_own_token_asked_for(it: Scene) -> None:
    """A run asked for over the API is its token's owner's run, and the owner does not approve it in Slack."""
    answer = await it.executes(await it.token("U0ADA", Scope.EXECUTE))
    assert answer.status_code == 202
    await it.story.clicks("Ada", OPS, await it.question(), APPROVE)
    await it.is_refused("U0ADA", because=INVOLVED)
    await it.approved("Ben")
    assert dict(it.there.counts) == QUICK


async def test_by_whoever_changed_the_parameters(it: Scene) -> None:
    """Who changed what runs has had a hand in it; so the one who asked first is not the only one left out."""
    await it.asked()
    form_ = await it.story.opens_by_click("Ben", OPS, await it.story.live("RUN-1", OPS), "runbook.plan")
    await it.story.submits("Ben", form_, host="shop-2", note="slow")
    for user in ("Ben", "Ada"):
        await it.story.clicks(user, OPS, await it.question(), APPROVE)
    await it.is_refused("U0BEN", because=INVOLVED)
    await it.is_refused("U0ADA", because=INVOLVED)
    await it.approved("Cleo")
    assert '{"host":"shop-2"}' in it.there.bodies


async def test_twice_for_a_quorum_of_two(opens: Opener) -> None:
    """One person is one vote, however often and through whichever client it is given."""
    async with opens(runbooks={"restart": TWO}) as it:
        question = await it.asked()
        await it.story.clicks("Ben", OPS, question, APPROVE)
        await it.story.clicks("Ben", OPS, question, APPROVE)
        await it.clicks("U0BEN", question, APPROVE)
        await it.is_refused("U0BEN", because="approved this already", times=2)
        await it.story.clicks("Ada", OPS, question, APPROVE)
        await it.is_refused("U0ADA", because=INVOLVED)


async def test_the_second_of_two_after_changing_it(opens: Opener) -> None:
    """Two votes do not add up over a change: the first was for something else, and the second is by who changed it."""
    async with opens(runbooks={"restart": TWO}) as it:
        await it.story.clicks("Ben", OPS, await it.asked(), APPROVE)
        form_ = await it.story.opens_by_click("Cleo", OPS, await it.story.live("RUN-1", OPS), "runbook.plan")
        await it.story.submits("Cleo", form_, host="shop-2", note="slow")
        await it.story.clicks("Cleo", OPS, await it.question(), APPROVE)
        await it.is_refused("U0CLEO", because=INVOLVED)
        await it.story.clicks("Ben", OPS, await it.question(), APPROVE)
        assert not it.there.counts


async def test_by_whoever_asks_for_another_try(opens: Opener) -> None:
    """When an approval is too old, who asks to go on all the same does not approve that as well."""
    async with opens() as it:
        it.there.status["/restart"] = 404
        await it.asked()
        await it.approved("Ben")
        assert "failed" in await it.words()
        it.story.clock.advance(minutes=31)
        it.there.counts.clear()
        await it.story.clicks("Ben", OPS, await it.story.live("RUN-1", OPS), "run.retry")
        await it.story.clicks("Ben", OPS, await it.question(), APPROVE)
        await it.is_refused("U0BEN", because=INVOLVED)


async def test_of_taking_back(it: Scene) -> None:
    """Taking back is approved by somebody who neither asked for the run nor for taking it back."""
    await it.asked()
    await it.approved("Ben")
    it.there.counts.clear()
    await it.story.clicks("Cleo", OPS, await it.story.live("RUN-1", OPS), "run.undo")
    question = await it.question()
    for user in ("Cleo", "Ada"):
        await it.story.clicks(user, OPS, question, APPROVE)
    await it.is_refused("U0CLEO", because=INVOLVED)
    await it.is_refused("U0ADA", because=INVOLVED)
