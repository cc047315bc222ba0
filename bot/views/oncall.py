"""Who is on call, as people read it: every level with who has it, until when, and who is next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.domain.catalogue.service import Service
from bot.domain.people.access import spoken
from bot.domain.text.wording import listing
from bot.interactions import Block
from bot.views.kit import blocks as b
from bot.views.kit.mrkdwn import literal, mention, moment

OTHERS_SHOWN = 8
NO_KEY = "PAGERDUTY_API_KEY is not set"


@dataclass(frozen=True)
class Shift:
    """One level at this moment. `who` and `then` are entries of `who` lists; `strangers` are unknown to Slack.

    `until` None: nothing changes, or PagerDuty does not say. `said_at`: PagerDuty cannot be asked, and said it then.
    """

    level: str
    who: tuple[str, ...]
    source: str
    strangers: tuple[str, ...] = ()
    until: datetime | None = None
    then: tuple[str, ...] = ()
    then_by: str | None = None  # the schedule of PagerDuty's that has it again
    schedule: str | None = None
    is_told: bool = True  # by PagerDuty, at some time
    is_set_up: bool = True  # it can be asked
    said_at: datetime | None = None


def shifts(service: Service, found: Sequence[Shift], others: Sequence[str] = ()) -> list[Block]:
    elsewhere = [b.context(elsewhere_too(others))] if others else []
    if not found:
        return [b.section(no_levels(service)), *elsewhere]
    take, end = f"/incident oncall take 2h {service.key}", f"/incident oncall end {service.key}"
    return [
        b.section(f"*On call for {literal(service.name)}*"),
        *(b.section(_line(service, one)) for one in found),
        *(b.context(text) for one in found for text in _remarks(one)),
        b.context(f"`{take}` takes it over, `{end}` gives it back."),
        *elsewhere,
    ]


def elsewhere_too(keys: Sequence[str]) -> str:
    named = [f"`/incident oncall {key}`" for key in keys[:OTHERS_SHOWN]]
    more = [f"{len(keys) - OTHERS_SHOWN} more"] if len(keys) > OTHERS_SHOWN else []
    return f"Other services: {listing([*named, *more])}."


def headline(service: Service, found: Sequence[Shift]) -> str:
    if not found:
        return no_levels(service)
    return f"On call for {literal(service.name)} ({found[0].level}): {_people(found[0]) or 'nobody'}."


def no_levels(service: Service) -> str:
    return f"Nobody is on call for {literal(service.name)}: add a level under `oncall` in its service.yml."


def where(service: Service, level: str) -> str:
    return place(service.name, level)


def place(name: str, level: str) -> str:
    return f"{literal(name)} ({literal(level)})"


def people(who: Sequence[str], joiner: str = "and") -> str:
    return listing([spoken(entry) for entry in who], joiner) if who else "nobody"


def _people(shift: Shift) -> str:
    named = [*(spoken(entry) for entry in shift.who), *(str(literal(name)) for name in shift.strangers)]
    return listing(named) if named else ""


def _line(service: Service, shift: Shift) -> str:
    has_it = _people(shift)
    if not has_it:
        return f"*{literal(shift.level)}*: nobody. {_what_to_do(service, shift)}"
    return f"*{literal(shift.level)}*: {has_it}{_until(shift)} _({shift.source})_"


def _until(shift: Shift) -> str:
    if shift.until and shift.then_by:
        return f"{_when(shift.until)}, then PagerDuty's schedule {shift.then_by} again"
    return _when(shift.until) + (f", then {people(shift.then)}" if shift.until and shift.then else "")


def _what_to_do(service: Service, shift: Shift) -> str:
    take = f"take it: `/incident oncall take 2h {service.key} {shift.level}`."
    if not shift.is_set_up:
        return f"PagerDuty's schedule {shift.schedule} has it, and cannot be asked: {NO_KEY}. Set it, or {take}"
    if not shift.is_told:
        return f"PagerDuty has not told me about its schedule {shift.schedule}. Look there, or {take}"
    why = "it has a gap, or no escalation policy there uses it"
    return f"PagerDuty names nobody by its schedule {shift.schedule} now: {why}. Mend that there, or {take}"


def _remarks(shift: Shift) -> list[str]:
    found = []
    if shift.strangers:
        found.append(
            f"{listing(map(literal, shift.strangers))}: not found in Slack by the address that PagerDuty has, "
            "so I cannot reach them. Give both accounts the same address."
        )
    if shift.said_at:
        why = "PagerDuty cannot be asked just now" if shift.is_set_up else f"PagerDuty cannot be asked: {NO_KEY}"
        found.append(f"{why}. What it said {moment(shift.said_at)} counts until it can.")
    return found


# --- what is said of a change ---


def _unchanged(schedule: str | None) -> str:
    if not schedule:
        return ""
    return f" PagerDuty's own schedule {schedule} is unchanged: the people it names may still be paged from there."


def taken(service: Service, level: str, until: datetime, relieved: Sequence[str], schedule: str | None) -> str:
    who = f" It relieves {people(relieved)}." if relieved else ""
    return f"You are on call for {where(service, level)} until {moment(until)}.{who}{_unchanged(schedule)}"


def given(person: str, service: Service, level: str, until: datetime, schedule: str | None) -> str:
    has_it = f"{mention(person)} is on call for {where(service, level)} until {moment(until)}"
    return f"{has_it}, and hears of it.{_unchanged(schedule)}"


def line(place: str, person: str, until: datetime, relieved: Sequence[str], by: str) -> str:
    instead = f", in place of {people(relieved)}" if relieved else ""
    made = "" if by == person else f" {mention(by)} arranged it."
    return f"{mention(person)} is on call for {place} until {moment(until)}{instead}.{made}"


def line_of_end(place: str, person: str, by: str, now: Sequence[str]) -> str:
    if by == person:
        return f"{mention(person)} gave on-call for {place} back. {_has_it(now)}"
    return f"{mention(by)} ended the time of {mention(person)} on call for {place}. {_has_it(now)}"


def relieved_message(place: str, person: str, until: datetime, by: str, schedule: str | None) -> str:
    made = "has taken over from you" if by == person else f"was put in your place by {mention(by)}"
    return f"{mention(person)} {made}: they are on call for {place} until {moment(until)}.{_unchanged(schedule)}"


def given_message(place: str, until: datetime, by: str) -> str:
    return (
        f"{mention(by)} gave you on-call for {place} until {moment(until)}. "
        "If you cannot, `/incident oncall end` gives it back."
    )


def over_message(place: str, now: Sequence[str]) -> str:
    return f"Your time on call for {place} is over. {_has_it(now)}"


def again_message(place: str, person: str, until: datetime | None) -> str:
    return f"You are on call for {place} again{_when(until)}: the time of {mention(person)} is over."


def still_message(place: str, until: datetime | None) -> str:
    return f"What you took over for {place} is over, and by the schedule you are on call still{_when(until)}."


def _when(until: datetime | None) -> str:
    return f" until {moment(until)}" if until else ""


def _has_it(now: Sequence[str]) -> str:
    if now:
        return f"{people(now)} {'has' if len(now) == 1 else 'have'} it now."
    return "Nobody has it now: `/incident oncall` says what to do."
