"""The command line: it plans and checks; it starts nothing and approves nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.cli.conftest import Run, clean_environment, run  # noqa: F401 - fixtures
from tests.support.runbooks import RESTART, shop, target

TRIGGERED = RESTART.replace(
    "parameters:", "triggers:\n  - {match: ['alertname=\"Down\"'], severities: [P1], do: run}\nparameters:"
).replace("{url}", "http://shop.invalid")
NO_APPROVAL = TRIGGERED.replace("approval: {who: [team:sre], quorum: 1, expires: 30m}", "approval: none")


@pytest.mark.parametrize("words", ["approve RUN-1", "run restart", "execute restart", "runbook approve RUN-1", "retry"])
def test_no_verb_runs_or_approves(run: Run, words: str) -> None:  # noqa: F811
    """There is no such verb, on whichever machine the command line is called."""
    outcome = run(*words.split())
    assert outcome.code == 2
    assert "Traceback" not in outcome.err


async def test_a_plan_reaches_nothing(run: Run, tmp_path: Path) -> None:  # noqa: F811
    """A plan says what would be done, and nothing of it is done."""
    async with target() as there:
        folder = shop(tmp_path, restart=RESTART.replace("{url}", there.url))
        outcome = await asyncio.to_thread(run, "plan", "restart", "host=shop-2", TOCSIN_CATALOG=str(folder))
        assert outcome.code == 0, outcome.err
        assert "shop-2" in outcome.out
        assert not there.counts


def test_automation_needs_a_runbook_without_approval(run: Run, tmp_path: Path) -> None:  # noqa: F811
    """An alert starts nothing that somebody would have to approve: `tocsin check` refuses the file."""
    outcome = run("check", str(shop(tmp_path, restart=TRIGGERED)))
    assert outcome.code == 1
    assert "“do: run” needs “approval: none”" in outcome.out


def test_without_approval_nothing_is_done_once(run: Run, tmp_path: Path) -> None:  # noqa: F811
    """And saying that it needs none does not help where a step is done once."""
    outcome = run("check", str(shop(tmp_path, restart=NO_APPROVAL)))
    assert outcome.code == 1
    assert "“approval: none” is only for runbooks without a once step" in outcome.out


@pytest.mark.parametrize("owner", ["", "ada", "everyone", "team:sre", "S0SRE", "U0ADA,U0BEN", "tocsin", "automation"])
def test_a_token_is_one_persons(run: Run, sqlite_url: str, owner: str) -> None:  # noqa: F811
    """A token acts for one person, who then never approves what it asked for."""
    created = ("token", "create", "ci", "--scope", "execute", "--owner", owner)
    outcome = run(*created, TOCSIN_DATABASE_URL=sqlite_url)
    assert outcome.code in (1, 2)
    assert "tocsin_" not in outcome.out
