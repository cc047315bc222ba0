"""Escalation policies in words: what a step says to whom, what the card shows of the next one, and what became of each.

Each message says what is so, who is told now, what to do, and what comes next. The same sentences go to Slack, where
people are mentions and times are everybody's own, and into e-mail, where they are names and UTC. What came with an
alert or was typed by somebody is shown as it was typed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType

from bot.domain.catalogue.policy import EscalationPolicy, Unless
from bot.domain.escalation.escalation import EscalationStart, Fate, Planned, ResponseStatus, ScheduledStep, next_step
from bot.domain.people.access import USER
from bot.domain.text import duration
from bot.domain.text.wording import listing
from bot.views.kit.mrkdwn import clip, clock, link, literal, mention

NAME_LIMIT = 200
NOBODY: Mapping[str, Sequence[str]] = MappingProxyType({})
MET, MISSED = "met", "missed"  # what became of a commitment


@dataclass(frozen=True)
class StepMessage:
    """What a message of an escalation policy speaks of. `target` is whom this one goes to, as in the step."""

    subject: str  # ALR-7 | INC-42
    title: str
    level: str  # P0 Critical
    service: str
    policy: EscalationPolicy
    start: EscalationStart
    due: ScheduledStep
    response: ResponseStatus
    now: datetime
    target: str = ""
    is_alert: bool = True
    acknowledged_by: str = ""
    led_by: str = ""
    begun_by: str = ""
    ask: str = ""  # who lets people into a private incident
    is_drill: bool = False
    link: str | None = None
    people: Mapping[str, str] = field(default_factory=dict)  # what they are called
    on_call: Mapping[str, Sequence[str]] = field(default_factory=dict)  # `oncall:primary` -> who that is now

    @property
    def is_private(self) -> bool:
        return bool(self.ask)


@dataclass(frozen=True)
class Tongue:
    person: Callable[[str], str]
    at: Callable[[datetime], str]
    quoted: Callable[[str], str]
    code: Callable[[str], str]
    linked: Callable[[str | None, str], str]


SLACK = Tongue(mention, clock, literal, lambda text: f"`{text}`", link)


def plain(people: Mapping[str, str]) -> Tongue:
    return Tongue(
        person=lambda one: people.get(one, one),
        at=lambda at: at.astimezone(UTC).strftime("%H:%M UTC"),
        quoted=lambda text: text,
        code=lambda text: f"“{text}”",
        linked=lambda _, text: text,
    )


# --- a message --------------------------------------------------------------------------------------------------------


def message(told: StepMessage) -> str:
    return " ".join(_sentences(told, SLACK))


def mail(told: StepMessage) -> tuple[str, str]:
    tongue = plain(told.people)
    drill = "[Drill] " if told.is_drill else ""
    title = f"{drill}[{told.subject}] {_what(told, tongue).rstrip('.').replace(f'{told.subject} ', '', 1)}"
    link = f"\n\nIn Slack: {told.link}" if told.link else ""
    return title, "\n".join(_sentences(told, tongue)) + link


def page(told: StepMessage) -> tuple[str, str]:
    """One line, and the rest. What to do and where is added where the page is sent."""
    tongue = plain(told.people)
    rest = (_who(told, tongue), _others(told, tongue), _next(told, tongue))
    return _what(told, tongue).rstrip("."), "\n".join(filter(None, rest))


def _sentences(told: StepMessage, tongue: Tongue) -> Iterable[str]:
    drill = "This is a drill: practise as if it were real." if told.is_drill else ""
    parts = [part(told, tongue) for part in (_what, _who, _others, _request, _next)]
    return filter(None, [drill, *parts])


def _name(told: StepMessage, tongue: Tongue) -> str:
    title = clip(" ".join(told.title.split()), NAME_LIMIT)
    return told.subject if told.is_private else f"{told.subject} {tongue.quoted(title)}"


def _what(told: StepMessage, tongue: Tongue) -> str:
    name = _name(told, tongue)
    since = told.due.due_at - told.start.begins_at
    span = duration.brief(since)
    if told.due.by_hand:
        return f"{tongue.person(told.begun_by)} escalated {name}."
    if since.total_seconds() < 1:
        first, later = ("fires", "fires still") if told.is_alert else ("is declared", "is open")
        state = later if told.start.number > 1 else first
        return f"{name} {state}: {tongue.quoted(told.level)} of {tongue.quoted(told.service)}."
    if told.due.step.unless is Unless.ACKNOWLEDGED:
        return f"Nobody has acknowledged {name} for {span}."
    if told.due.step.unless is Unless.ASSIGNED:
        return f"Nobody leads {name} after {span}."
    return f"{name} is not resolved after {span}."


def _who(told: StepMessage, tongue: Tongue) -> str:
    if told.led_by:
        return f"{tongue.person(told.led_by)} leads it."
    if told.acknowledged_by:
        return f"{tongue.person(told.acknowledged_by)} is on it."
    if told.due.step.unless is Unless.ACKNOWLEDGED and not told.due.by_hand and told.due.due_at > told.start.begins_at:
        return ""
    return "Nobody is on it yet."


def _others(told: StepMessage, tongue: Tongue) -> str:
    others = [one for one in told.due.step.notify if one != told.target]
    return f"{_capital(listing(_passive(one, tongue, told.on_call) for one in others))} now." if others else ""


def _request(told: StepMessage, tongue: Tongue) -> str:
    if told.is_private:
        return f"It is private: ask {tongue.person(told.ask)} to let you in."
    if not told.response.acknowledged_at:
        command = tongue.code(f"/incident ack {told.subject}")
        return f"Acknowledge with the button on {tongue.linked(told.link, 'its card')} or {command}."
    if not told.is_alert and told.due.step.unless is Unless.ASSIGNED:
        return f"Take the lead: {tongue.code(f'/incident role {told.subject} commander')}."
    return ""


def _next(told: StepMessage, tongue: Tongue) -> str:
    due = next_step(told.policy, told.start, told.response, max(told.now, told.due.due_at))
    if due is None:
        return _no_more(told.policy, told.due, "was")
    return _following(due, tongue)


def _following(due: ScheduledStep, tongue: Tongue) -> str:
    people = listing(_passive(one, tongue) for one in due.step.notify)
    return f"At {tongue.at(due.due_at)} {people}, unless it is {due.step.unless} by then."


def _no_more(policy: EscalationPolicy, due: ScheduledStep, verb: str) -> str:
    if due.position + 1 in policy.positions:
        return "The steps after it rest while somebody is on it."
    return f"That {verb} the last step of its escalation policy."


# --- whom a target means ----------------------------------------------------------------------------------------------


def _passive(target: str, tongue: Tongue, on_call: Mapping[str, Sequence[str]] = NOBODY) -> str:
    kind, _, rest = target.partition(":")
    if kind == "slack":
        return f"{_place(rest, tongue)} reads of it"
    people = on_call.get(rest, ())
    whom = listing(map(tongue.person, people)) if people else someone(rest, tongue)
    one, many = {
        "page": ("is paged", "are paged"),
        "email": ("gets an e-mail", "get an e-mail"),
        "dm": ("gets a message", "get a message"),
    }[kind]
    return f"{whom} {many if len(people) > 1 else one}"


def active(target: str, tongue: Tongue = SLACK) -> str:
    kind, _, rest = target.partition(":")
    if kind == "slack":
        return f"post in {_place(rest, tongue)}"
    return f"{ {'page': 'page', 'email': 'e-mail', 'dm': 'message'}[kind] } {someone(rest, tongue)}"


def someone(who: str, tongue: Tongue = SLACK) -> str:
    kind, _, key = who.partition(":")
    if USER.fullmatch(who):
        return tongue.person(who)
    if who == "oncall":
        return "the person on call"
    named = {"oncall": f"{key} on-call", "team": f"the team {key}", "role": f"the {key}"}
    return named.get(kind, who) if key else ("everyone" if who == "everyone" else tongue.quoted(who))


def _place(channel_name: str, tongue: Tongue) -> str:
    return tongue.quoted(channel_name if channel_name.startswith(("#", "C")) else f"#{channel_name}")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


# --- on cards and in lists --------------------------------------------------------------------------------------------


def coming(due: ScheduledStep | None) -> str:
    return f"Next: at {clock(due.due_at)} {_told(due)}, unless {due.step.unless}." if due else ""


def _told(due: ScheduledStep, tongue: Tongue = SLACK) -> str:
    return listing(active(target, tongue) for target in due.step.notify)


def timeline(subject: str, policy: str, due: ScheduledStep) -> str:
    return f"took step {due.position + 1} of the escalation policy “{policy}” of {subject}: {_told(due, plain({}))}"


def missed(subject: str, policy: str, position: int, target: str, due: str) -> str:
    kind, _, rest = target.partition(":")
    said = f"{subject}: step {position + 1} of the escalation policy “{policy}” ({kind} {rest}) was due at {due}"
    return f"{said} and did not go out."


def steps(
    policy: EscalationPolicy, planned: Sequence[Planned], states: Mapping[int, Sequence[str]], ended: str
) -> list[str]:
    title = f"Its escalation policy is “{literal(policy.key)}”{f', which has ended: it {ended}' if ended else ''}."
    return [title, *(_step(one, states.get(one.due.position, ()), ended) for one in planned)]


def _step(one: Planned, states: Sequence[str], ended: str) -> str:
    due = one.due
    return f"Step {due.position + 1}, {clock(due.due_at)}: {_told(due)}. {_became(one, states, ended)}"


def _became(one: Planned, states: Sequence[str], ended: str) -> str:
    if MISSED in states:
        return "It did not go out in time."
    if states and set(states) <= {MET}:
        return "It went out."
    if MET in states:
        return "It went out in part."
    if one.fate is Fate.SKIPPED:
        return one.why
    if ended:
        return f"It does not go out: it {ended}."
    return "It is on its way." if one.fate is Fate.DUE else one.why


# --- by hand ----------------------------------------------------------------------------------------------------------


def escalated(subject: str, policy: EscalationPolicy, first: ScheduledStep, following: ScheduledStep | None) -> str:
    people = listing(_passive(target, SLACK) for target in first.step.notify)
    then = _following(following, SLACK) if following else _no_more(policy, first, "is")
    return f"Escalated {subject}: {people} now. {then}"


def paged(subject: str, spoken_as: str, by_pager: bool, by_mail: bool, *, is_drill: bool) -> str:
    if is_drill:
        return f"{subject} is a drill, so nobody is woken: it says beside it that {spoken_as} would be paged."
    if by_pager:
        return f"Paging {spoken_as} for {subject}. What becomes of it is said beside {subject}."
    ways = "a direct message and, where an address is known, an e-mail" if by_mail else "a direct message"
    return f"PagerDuty is not set up here, so for {subject} {ways} {'go' if by_mail else 'goes'} to {spoken_as}."
