"""Edits of the catalogue between a question and its approval.

A run stays on the version it was asked for with: a looser policy in a newer file is for newer runs, and so is a
stricter one. `access` and `teams` are no part of a runbook but of the installation: who has lost a right there does not
use it, from the next click on, while who has gained one was not asked.
"""

from __future__ import annotations

from tests.security.bypass.conftest import Opener
from tests.security.bypass.scene import APPROVE, OPS, QUICK, TWO
from tests.support.runbooks import ORG, RESTART

GENERAL = RESTART.replace("policy:\n  approval: {who: [team:sre], quorum: 1, expires: 30m}\n", "")
NOT_NAMED = "not among those"
FILE = "shop/restart.yml"


async def test_a_looser_quorum(opens: Opener) -> None:
    """One approval is not enough because a newer version of the file would be content with it."""
    async with opens(runbooks={"restart": TWO}) as it:
        question = await it.asked()
        await it.rewrites(FILE, "quorum: 2", "quorum: 1")
        await it.story.clicks("Ben", OPS, question, APPROVE)
        assert not it.there.counts
        assert "waits for approval" in await it.words()
        await it.story.clicks("Cleo", OPS, question, APPROVE)
        assert dict(it.there.counts) == QUICK


async def test_a_looser_list(opens: Opener) -> None:
    """Who is named by the newer version alone does not approve a run of the older one."""
    async with opens() as it:
        question = await it.asked()
        await it.rewrites(FILE, "who: [team:sre]", "who: [team:sre, U0DAN]")
        await it.story.clicks("Dan", OPS, question, APPROVE)
        await it.is_refused("U0DAN", because=NOT_NAMED)


async def test_other_steps(opens: Opener) -> None:
    """What runs is what was shown, not what the file has become since."""
    async with opens() as it:
        question = await it.asked()
        await it.rewrites(FILE, "/restart", "/wipe")
        await it.story.clicks("Ben", OPS, question, APPROVE)
        assert dict(it.there.counts) == QUICK


async def test_a_longer_time(opens: Opener) -> None:
    """A question ends when it said it would."""
    async with opens() as it:
        question = await it.asked()
        await it.rewrites(FILE, "expires: 30m", "expires: 8h")
        it.story.clock.advance(minutes=31)
        await it.clicks("U0BEN", question, APPROVE, value="RUN-1")
        assert not it.there.counts
        await it.is_audited("U0BEN", because="This question expired at")


async def test_glass_that_was_added(opens: Opener) -> None:
    """Break-glass of a newer version breaks none of an older run."""
    async with opens() as it:
        question = await it.asked()
        await it.rewrites(FILE, "expires: 30m", "expires: 30m, break_glass: [U0ADA]")
        await it.clicks("U0ADA", question, "approval.break", value="RUN-1")
        view = it.story.simulator.workspace.stacks["U0ADA"][-1].content
        await it.submits("U0ADA", {key: view[key] for key in ("callback_id", "private_metadata")}, reason="now")
        await it.is_refused("U0ADA", because="has no break-glass")


async def test_who_may_approve_no_more(opens: Opener) -> None:
    """Where the file names nobody, who has been struck from `access.approve` since does not count."""
    async with opens(
        org=ORG.replace("approve: [team:sre]", "approve: [U0BEN, U0CLEO]"), runbooks={"restart": GENERAL}
    ) as it:
        question = await it.asked()
        await it.rewrites("org.yml", "approve: [U0BEN, U0CLEO]", "approve: [U0CLEO]")
        await it.story.clicks("Ben", OPS, question, APPROVE)
        await it.is_refused("U0BEN", because=NOT_NAMED)
        await it.story.clicks("Cleo", OPS, question, APPROVE)
        assert dict(it.there.counts) == QUICK


async def test_who_may_approve_since(opens: Opener) -> None:
    """And who has been added was not asked: the next question names them."""
    async with opens(runbooks={"restart": GENERAL}) as it:
        question = await it.asked()
        await it.rewrites("org.yml", "approve: [team:sre]", "approve: [team:sre, U0DAN]")
        await it.story.clicks("Dan", OPS, question, APPROVE)
        await it.is_refused("U0DAN", because=NOT_NAMED)


async def test_a_vote_of_before(opens: Opener) -> None:
    """A vote of somebody who has been struck since does not make up the quorum."""
    two = GENERAL.replace("parameters:", "policy:\n  approval: {quorum: 2}\nparameters:")
    async with opens(
        org=ORG.replace("approve: [team:sre]", "approve: [U0BEN, U0CLEO]"), runbooks={"restart": two}
    ) as it:
        question = await it.asked()
        await it.story.clicks("Ben", OPS, question, APPROVE)
        await it.rewrites("org.yml", "approve: [U0BEN, U0CLEO]", "approve: [U0CLEO]")
        await it.story.clicks("Cleo", OPS, question, APPROVE)
        assert not it.there.counts
        assert "waits for approval" in await it.words()


async def test_out_of_the_team(opens: Opener) -> None:
    """A team is who is in it now."""
    async with opens() as it:
        question = await it.asked()
        await it.rewrites("org.yml", "sre: [U0ADA, U0BEN, U0CLEO]", "sre: [U0ADA, U0CLEO]")
        await it.story.clicks("Ben", OPS, question, APPROVE)
        await it.is_refused("U0BEN", because=NOT_NAMED)


async def test_who_may_run_it_no_more(opens: Opener) -> None:
    """Who has lost `access.execute` does not go on with a run of before, and whether it runs is for others to say."""
    async with opens(org=ORG.replace("execute: [team:sre]", "execute: [U0ADA, U0BEN]")) as it:
        it.there.status["/restart"] = 404
        await it.asked()
        await it.approved()
        it.there.counts.clear()
        await it.rewrites("org.yml", "execute: [U0ADA, U0BEN]", "execute: [U0BEN]")
        for action in ("run.retry", "run.undo"):
            await it.clicks("U0ADA", await it.story.live("RUN-1", OPS), action, value="RUN-1")
        assert not it.there.counts
        await it.is_audited("U0ADA", because="access.execute", times=2)
        assert "failed" in await it.words()
