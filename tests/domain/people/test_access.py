"""Who may do what: the rules, without a database."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from bot.domain.catalogue.catalogue import Access, Catalogue
from bot.domain.catalogue.service import Service
from bot.domain.catalogue.severity import Severity
from bot.domain.people import access
from bot.domain.people.person import Kind, Person

SERVICE = Service("default", "Default", (Severity("P1", "High", 0),), "P1")
TEAMS = {"sre": ("U0ADA", "S0SRE"), "all": ("team:sre", "team:all", "U0DAN"), "empty": ()}


def catalogue(*who: str) -> Catalogue:
    return Catalogue({"default": SERVICE}, "default", teams=TEAMS, access=Access(respond=who))


def may(person: str, *who: str, kind: Kind = Kind.MEMBER, **facts: object) -> bool:
    return access.may(catalogue(*who), Person(person, person, kind), "respond", **facts)  # type: ignore[arg-type]


def test_everyone_is_every_full_member() -> None:
    """everyone means full, active members and nobody else."""
    assert may("U0ANY", "everyone")
    assert not any(may("U0ANY", "everyone", kind=kind) for kind in Kind if kind is not Kind.MEMBER)


def test_a_team_may_hold_teams_and_even_itself() -> None:
    """Teams are opened once, however they hold one another."""
    assert may("U0ADA", "team:all")
    assert may("U0DAN", "team:all")
    assert not may("U0BEN", "team:all")
    assert not may("U0ADA", "team:empty", "team:gone")


def test_groups_and_roles_are_handed_in() -> None:
    """A group or a role that is not known is nobody."""
    assert may("U0BEN", "team:sre", groups={"S0SRE": frozenset({"U0BEN"})})
    assert not may("U0BEN", "team:sre")
    assert may("U0BEN", "role:commander", roles={"commander": "U0BEN"})
    assert not may("U0BEN", "role:comms", roles={"commander": "U0BEN"})


def test_which_groups_must_be_known() -> None:
    """Groups inside teams are found."""
    assert access.groups_in(catalogue(), ["team:all", "S0OPS", "U0ADA"]) == ["S0SRE", "S0OPS"]


def test_who_is_on_call_stands_in_its_place() -> None:
    """`oncall` and `oncall:LEVEL` become who has the level; one that nobody has is nobody."""
    who = ["U0DAN", "oncall", "oncall:nights", "oncall:gone", "U0BEN"]
    holders = {"oncall": ("U0ADA", "team:all"), "oncall:nights": ("U0BEN",)}
    assert access.with_on_call(who, holders) == ("U0DAN", "U0ADA", "team:all", "U0BEN")
    assert access.with_on_call(["oncall"], {}) == ()
    assert [access.spoken(entry) for entry in ("oncall", "oncall:nights")] == [
        "the person on call",
        "the person on call (nights)",
    ]


@given(
    st.lists(st.sampled_from(["everyone", "U0ADA", "S0SRE", "team:all", "role:ops", "oncall"])), st.sampled_from(Kind)
)
def test_nobody_but_members_ever(who: list[str], kind: Kind) -> None:
    """Whatever the list says, only full members may; an empty list is nobody."""
    granted = may("U0ADA", *who, kind=kind, groups={"S0SRE": frozenset({"U0ADA"})}, roles={"ops": "U0ADA"})
    assert not granted or (kind is Kind.MEMBER and who)


@pytest.mark.parametrize("what", ["declare", "respond", "execute", "approve", "admin"])
def test_a_refusal_says_what_would_help(what: str) -> None:
    """Each refusal names the setting, or the line to add."""
    said = access.refusal(Catalogue({"default": SERVICE}, "default"), Person("U0ADA", "ada"), what)
    assert f"access.{what}" in said or f"`{what}: [U0ADA]`" in said


def test_only_known_deeds() -> None:
    """A misspelt right is an error of ours, not a yes or a no."""
    with pytest.raises(KeyError):
        access.may(catalogue(), Person("U0ADA", "ada"), "dance")
