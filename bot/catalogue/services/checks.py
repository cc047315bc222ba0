"""What holds for a service as a whole: words that mean one thing, people who exist, escalation policies that lead
somewhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from bot.catalogue import principals
from bot.catalogue.fields import RESERVED
from bot.catalogue.services.schema import (
    EscalationPolicySchema,
    HoursSchema,
    LevelSchema,
    OverrideSchema,
    RotationSchema,
    ServiceSchema,
    SeveritySchema,
)
from bot.catalogue.yaml.document import Document, Place
from bot.domain.catalogue.catalogue import Finding
from bot.domain.text.wording import hint, listing

SHORTEST_SHIFT = timedelta(hours=1)
LONGEST_SHIFT = timedelta(days=366)


@dataclass(frozen=True)
class _Reading:
    """A file and what its entries may name. `teams` None: they are not looked up."""

    document: Document
    shape: ServiceSchema
    teams: Collection[str] | None

    def named(self, place: Place, entries: Collection[str]) -> Iterator[Finding]:
        for index, sentence in principals.problems(entries, self.teams, self.shape.oncall):
            yield self.document.finding((*place, index), sentence)

    def targets(self, place: Place, targets: Collection[str]) -> Iterator[Finding]:
        for index, target in enumerate(targets):
            problem = principals.target_problem(target, self.teams, self.shape.contacts, self.shape.oncall)
            if problem := problem or _unreachable(target, self.shape):
                yield self.document.finding((*place, index), problem)

    def known(self, place: Place, what: str, key: str | None, keys: Collection[str]) -> Iterator[Finding]:
        if key is not None and key not in keys:
            said = hint(key, keys) if keys else f"Add it under {what}."
            yield self.document.finding(place, f"There is no “{key}” under {what} of this service. {said}")


def findings(document: Document, shape: ServiceSchema, teams: Collection[str] | None) -> Iterator[Finding]:
    """None for the teams: they are not looked up."""
    reading = _Reading(document, shape, teams)
    yield from _own_key(document, shape)
    yield from _severity_words(document, shape)
    yield from _default_severity(document, shape)
    for index, level in enumerate(shape.severities):
        yield from _reminder(document, index, level)
    yield from _people(reading)
    for key, escalation_policy in shape.escalation_policies.items():
        yield from _escalation_policy(reading, ("escalation_policies", key), escalation_policy)
    for key, hours in shape.hours.items():
        yield from _hours(document, ("hours", key), hours)
    for key, on_call in shape.oncall.items():
        yield from _level(reading, ("oncall", key), on_call)
    yield from _alerts(reading)


def _own_key(document: Document, shape: ServiceSchema) -> Iterator[Finding]:
    folder = Path(document.file).parent.name
    if shape.service != folder:
        yield document.finding(
            ("service",), f"The service is “{shape.service}” but its folder is “{folder}”. Make them the same."
        )
    if shape.service in RESERVED:
        yield document.finding(
            ("service",), f"“{shape.service}” means something else to /incident. Choose another key."
        )


def _severity_words(document: Document, shape: ServiceSchema) -> Iterator[Finding]:
    taken = dict.fromkeys(RESERVED, "something else to /incident")
    for index, level in enumerate(shape.severities):
        words: list[tuple[Place, str]] = [(("severities", index, "key"), level.key)]
        words += [(("severities", index, "aliases", number), alias) for number, alias in enumerate(level.aliases)]
        for place, word in words:
            if word.casefold() in taken:
                yield document.finding(place, f"“{word}” already means {taken[word.casefold()]}. Choose another word.")
            taken.setdefault(word.casefold(), level.key)


def _default_severity(document: Document, shape: ServiceSchema) -> Iterator[Finding]:
    keys = [level.key for level in shape.severities]
    if shape.default_severity not in keys:
        yield document.finding(
            ("default_severity",),
            f"There is no severity “{shape.default_severity}” here. Write one of {listing(keys, 'or')}.",
        )


def _reminder(document: Document, index: int, level: SeveritySchema) -> Iterator[Finding]:
    place = ("severities", index, "remind_before")
    if level.remind_before is not None and level.update_every is None:
        yield document.finding(place, "There is nothing to remind of. Add update_every or remove this line.")
    elif level.remind_before and level.update_every and level.remind_before >= level.update_every:
        yield document.finding(place, "The reminder must come within update_every. Make it shorter.")


def _people(reading: _Reading) -> Iterator[Finding]:
    shape = reading.shape
    yield from reading.named(("owners",), shape.owners)
    for key, contact in shape.contacts.items():
        if principals.who_problem(key, None) is None:
            yield reading.document.finding(
                ("contacts", key), f"“{key}” means somebody else already, in a list of who. Choose another key."
            )
        yield from reading.named(("contacts", key, "who"), contact.who)
    for number, level in enumerate(shape.severities):
        place: Place = ("severities", number)
        yield from reading.named((*place, "invite"), level.invite)
        yield from reading.targets((*place, "notify"), level.notify)
        yield from reading.known(
            (*place, "escalation_policy"), "escalation_policies", level.escalation_policy, shape.escalation_policies
        )


def _unreachable(target: str, shape: ServiceSchema) -> str | None:
    kind, _, key = target.partition(":")
    contact = shape.contacts.get(key)
    return principals.no_way_to(kind, key, contact.model_dump()) if contact and not contact.who else None


# --- escalation policies and hours ---


def _escalation_policy(reading: _Reading, place: Place, escalation_policy: EscalationPolicySchema) -> Iterator[Finding]:
    before = timedelta(0)
    for index, step in enumerate(escalation_policy.steps):
        here: Place = (*place, "steps", index)
        if step.after < before:
            yield reading.document.finding(
                (*here, "after"), "This step comes earlier than the one above it. Put the steps in their order."
            )
        before = max(before, step.after)
        yield from reading.known((*here, "during"), "hours", step.during, reading.shape.hours)
        yield from reading.targets((*here, "notify"), step.notify)
    if escalation_policy.repeat and not before:
        yield reading.document.finding(
            (*place, "repeat"), "All its steps come at once, so it cannot repeat. Add a later step or remove this line."
        )


def _hours(document: Document, place: Place, hours: HoursSchema) -> Iterator[Finding]:
    if hours.opens == hours.closes:
        yield document.finding(place, 'These hours end where they begin. Write "00:00" and "24:00" for the whole day.')
    if hours.opens == timedelta(days=1):
        yield document.finding((*place, "from"), 'A day begins at "00:00". Write that.')


# --- on call ---


def _level(reading: _Reading, place: Place, level: LevelSchema) -> Iterator[Finding]:
    for index, entry in enumerate(level.who or ()):
        if entry.partition(":")[0] == "oncall":
            yield reading.document.finding(
                (*place, "who", index),
                "A level of on-call cannot be made of on-call. Name people, user groups or teams.",
            )
    yield from reading.named((*place, "who"), level.who or [])
    for inner, rotation in _rotations(place, level):
        yield from _rotation(reading, inner, rotation)
    yield from _always_somebody(reading.document, place, level)
    for index, override in enumerate(level.overrides):
        yield from _override(reading, (*place, "overrides", index), override)


def _rotations(place: Place, level: LevelSchema) -> list[tuple[Place, RotationSchema]]:
    if level.rotation:
        return [((*place, "rotation"), level.rotation)]
    return [((*place, "rotations", index), one) for index, one in enumerate(level.rotations or ())]


def _rotation(reading: _Reading, place: Place, rotation: RotationSchema) -> Iterator[Finding]:
    if not SHORTEST_SHIFT <= rotation.every <= LONGEST_SHIFT:
        yield reading.document.finding((*place, "every"), "A shift lasts between 1h and 366d. Write for example 7d.")
    yield from reading.known((*place, "hours"), "hours", rotation.hours, reading.shape.hours)


def _always_somebody(document: Document, place: Place, level: LevelSchema) -> Iterator[Finding]:
    placed = _rotations(place, level)
    for number, (inner, rotation) in enumerate(placed, start=1):
        if number == len(placed) and rotation.hours is not None:
            yield document.finding(
                (*inner, "hours"),
                "Outside these hours nobody would be on call. The last of the rotations must be without hours.",
            )
        if number < len(placed) and rotation.hours is None:
            yield document.finding(inner, "The rotations below this one never get their turn. Give it hours.")


def _override(reading: _Reading, place: Place, override: OverrideSchema) -> Iterator[Finding]:
    begins, ends = override.moments(reading.shape.timezone)
    if begins >= ends:
        yield reading.document.finding((*place, "until"), "This ends before it begins. Correct from or until.")


# --- alerts and service levels ---


def _alerts(reading: _Reading) -> Iterator[Finding]:
    words = [word for level in reading.shape.severities for word in (level.key, *level.aliases)]
    for name, known in reading.shape.alerts.items():
        if known.severity and known.severity.casefold() not in {word.casefold() for word in words}:
            yield reading.document.finding(
                ("alerts", name, "severity"),
                f"There is no severity “{known.severity}” here. {hint(known.severity, words)}",
            )
    names = [one.name for one in reading.shape.slos]
    for index, name in enumerate(names):
        if name in names[:index]:
            yield reading.document.finding(("slos", index, "name"), f"“{name}” is already above. Choose another name.")
