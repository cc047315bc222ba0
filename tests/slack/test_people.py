"""People and who may do what, against a simulated workspace."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from bot.deps import CurrentCatalogue, Deps
from bot.domain.catalogue.catalogue import Access
from bot.domain.errors import Refused, Undeliverable
from bot.domain.people.person import Kind, Person
from bot.ports import Database
from bot.services.workspace import people, permissions, recipients
from tests.slack.conftest import CATALOGUE, Workspace, make_deps
from tests.support.clock import HandClock

ADA = Person("U0ADA", "ada")
DAN = Person("U0DAN", "dan")
GUS = Person("U0GUS", "gus", Kind.GUEST)


@pytest.fixture
def deps(database: Database, clock: HandClock, workspace: Workspace, session: aiohttp.ClientSession) -> Deps:
    """Both dialects: people are kept in the database."""
    return make_deps(database, clock, workspace, session, team="T0SIM")


def granting(deps: Deps, **access: tuple[str, ...]) -> Deps:
    return replace(deps, current_catalogue=CurrentCatalogue(replace(CATALOGUE, access=Access(**access))))


async def test_somebody_unknown_is_asked_about_once(deps: Deps, workspace: Workspace) -> None:
    """Slack is asked about somebody new; afterwards the table answers."""
    assert await people.find(deps, "U0ADA") == Person("U0ADA", "ada", Kind.MEMBER, "Europe/London", None)
    await workspace.fault("error", method="users.info", times=9)
    assert (await people.find(deps, "U0ADA")).name == "ada"


@pytest.mark.parametrize(
    ("user", "kind"),
    [
        ("U0BEN", Kind.MEMBER),
        ("U0GUS", Kind.GUEST),
        ("U0EVE", Kind.DEACTIVATED),
        ("U0SIA", Kind.STRANGER),
        ("U0TOCSIN", Kind.BOT),
    ],
)
async def test_kinds_of_people(deps: Deps, user: str, kind: Kind) -> None:
    """Guests, strangers, bots and deactivated people are told from members."""
    assert (await people.find(deps, user)).kind is kind


async def test_everybody_at_once(deps: Deps, workspace: Workspace) -> None:
    """The list of users fills the table, so that nobody has to be asked about."""
    assert await people.prefill(deps) >= 8
    await workspace.fault("error", method="users.info", times=99)
    assert (await people.find(deps, "U0CLEO")).tz == "America/New_York"
    assert await people.names(deps, ["U0ADA", "U0DAN", "U0NOBODY"]) == {"U0ADA": "ada", "U0DAN": "dan"}


async def test_everybody_although_slack_says_slow_down(deps: Deps, workspace: Workspace) -> None:
    """A 429 in the middle of the list is waited for, not given up on."""
    await workspace.fault("rate_limited", method="users.list", retry_after=0)
    assert await people.prefill(deps) >= 8


async def test_what_is_old_is_refreshed_beside_the_answer(deps: Deps, workspace: Workspace, clock: HandClock) -> None:
    """Ten minutes later the known answer comes at once, and the new one is fetched beside it."""
    await people.find(deps, "U0BEN")
    await workspace.does("users", id="U0BEN", kind="guest")
    beside: list[Coroutine[Any, Any, Any]] = []
    assert (await people.find(deps, "U0BEN", spawn=beside.append)).kind is Kind.MEMBER
    assert beside == []
    clock.advance(minutes=11)
    assert (await people.find(deps, "U0BEN", spawn=beside.append)).kind is Kind.MEMBER
    await beside[0]
    assert (await people.find(deps, "U0BEN")).kind is Kind.GUEST


async def test_nobody_at_all(deps: Deps, workspace: Workspace) -> None:
    """An id that Slack does not know is refused; Slack's silence is not a refusal."""
    with pytest.raises(Refused):
        await people.find(deps, "U0NOBODY")
    await workspace.fault("http_500", method="users.info")
    with pytest.raises(Undeliverable):
        await people.find(deps, "U0DAN")


async def test_an_empty_list_names_the_line_to_add(deps: Deps) -> None:
    """Where the catalogue lets nobody, the refusal holds the line that would."""
    with pytest.raises(Refused, match=r"`execute: \[U0ADA\]`"):
        await permissions.must(deps, ADA, "execute")


async def test_a_list_names_who_may(deps: Deps) -> None:
    """Who is not on the list learns who is."""
    with pytest.raises(Refused, match="the team sre"):
        await permissions.must(granting(deps, declare=("team:sre",)), DAN, "declare")


async def test_guests_never(deps: Deps) -> None:
    """A guest may not do what everyone may, not even when named."""
    with pytest.raises(Refused, match="Guests"):
        await permissions.must(granting(deps, declare=("everyone", "U0GUS")), GUS, "declare")


async def test_members_of_a_user_group(deps: Deps, workspace: Workspace, clock: HandClock) -> None:
    """A user group counts as it was a minute ago at most."""
    ours = granting(deps, approve=("S0SRE",))
    await permissions.must(ours, ADA, "approve")
    workspace.simulator.workspace.usergroups["S0SRE"].users[:] = ["U0DAN"]
    await permissions.must(ours, ADA, "approve")
    clock.advance(seconds=61)
    with pytest.raises(Refused):
        await permissions.must(ours, ADA, "approve")
    await permissions.must(ours, DAN, "approve")


async def test_a_group_slack_does_not_tell(deps: Deps, workspace: Workspace) -> None:
    """Without Slack's word nobody is in the group, and the sentence says why."""
    await workspace.fault("http_500", method="usergroups.users.list", times=9)
    with pytest.raises(Refused, match="did not tell me who is in"):
        await permissions.must(granting(deps, approve=("S0SRE",)), ADA, "approve")


async def test_a_role_of_the_incident(deps: Deps) -> None:
    """A role counts in its own incident only."""
    ours = granting(deps, approve=("role:commander",))
    await permissions.must(ours, ADA, "approve", roles={"commander": "U0ADA"})
    with pytest.raises(Refused, match="the incident's commander"):
        await permissions.must(ours, ADA, "approve", roles={"commander": "U0BEN"})


async def test_whom_to_invite(deps: Deps) -> None:
    """Teams, groups and roles become people, each once; everyone is nobody in particular."""
    who = ["role:ops", "team:sre", "everyone", "oncall", "U0ADA", "role:scribe"]
    assert await recipients.expand(deps, who, {"ops": "U0DAN"}) == ["U0DAN", "U0ADA", "U0BEN", "U0CLEO"]
