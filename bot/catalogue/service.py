"""service.yml: one file checked and made a Service."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import timedelta
from pathlib import Path

from pydantic import ValidationError

from bot.catalogue import who
from bot.catalogue.findings import from_pydantic
from bot.catalogue.models import RESERVED, ServiceShape, SeverityShape
from bot.catalogue.reading import Document, Place
from bot.domain.catalogue import Finding, Service, Severity, listing

REMIND_BEFORE = timedelta(minutes=5)


def read(document: Document, teams: Collection[str] | None, findings: list[Finding]) -> Service | None:
    """The service of that file, or None where it cannot be used. What is wrong is added to `findings`."""
    try:
        shape = ServiceShape.model_validate(document.data)
    except ValidationError as problem:
        findings.extend(from_pydantic(document, ServiceShape, problem))
        return None
    found = list(_findings(document, shape, teams))
    findings.extend(found)
    return None if found else _service(shape)


def _findings(document: Document, shape: ServiceShape, teams: Collection[str] | None) -> Iterator[Finding]:
    yield from _own_key(document, shape)
    yield from _severity_words(document, shape)
    yield from _default_severity(document, shape)
    for index, level in enumerate(shape.severities):
        yield from _reminder(document, index, level)
    yield from _people(document, shape, teams)


def _own_key(document: Document, shape: ServiceShape) -> Iterator[Finding]:
    folder = Path(document.file).parent.name
    if shape.service != folder:
        sentence = f"The service is “{shape.service}” but its folder is “{folder}”. Make them the same."
        yield document.finding(("service",), sentence)
    if shape.service in RESERVED:
        yield document.finding(
            ("service",), f"“{shape.service}” means something else to /incident. Choose another key."
        )


def _severity_words(document: Document, shape: ServiceShape) -> Iterator[Finding]:
    """Keys and aliases, in any case, name one level each."""
    taken = dict.fromkeys(RESERVED, "something else to /incident")
    for index, level in enumerate(shape.severities):
        words: list[tuple[Place, str]] = [(("severities", index, "key"), level.key)]
        words += [(("severities", index, "aliases", number), alias) for number, alias in enumerate(level.aliases)]
        for place, word in words:
            if word.casefold() in taken:
                owner = taken[word.casefold()]
                yield document.finding(place, f"“{word}” already means {owner}. Choose another word.")
            taken.setdefault(word.casefold(), level.key)


def _default_severity(document: Document, shape: ServiceShape) -> Iterator[Finding]:
    keys = [level.key for level in shape.severities]
    if shape.default_severity not in keys:
        sentence = f"There is no severity “{shape.default_severity}” here. Write one of {listing(keys, 'or')}."
        yield document.finding(("default_severity",), sentence)


def _reminder(document: Document, index: int, level: SeverityShape) -> Iterator[Finding]:
    place = ("severities", index, "remind_before")
    if level.remind_before is None:
        return
    if level.update_every is None:
        yield document.finding(place, "There is nothing to remind of. Add update_every or remove this line.")
    elif level.remind_before >= level.update_every:
        yield document.finding(place, "The reminder must come within update_every. Make it shorter.")


def _people(document: Document, shape: ServiceShape, teams: Collection[str] | None) -> Iterator[Finding]:
    for index, sentence in who.problems(shape.owners, teams):
        yield document.finding(("owners", index), sentence)
    for key, contact in shape.contacts.items():
        for index, sentence in who.problems(contact.who, teams):
            yield document.finding(("contacts", key, "who", index), sentence)
    for number, level in enumerate(shape.severities):
        for index, sentence in who.problems(level.invite, teams):
            yield document.finding(("severities", number, "invite", index), sentence)
        for index, target in enumerate(level.tell):
            problem = who.target_problem(target, teams, shape.contacts)
            if problem:
                yield document.finding(("severities", number, "tell", index), problem)


def _service(shape: ServiceShape) -> Service:
    return Service(
        key=shape.service,
        name=shape.name or shape.service,
        severities=tuple(_severity(rank, level) for rank, level in enumerate(shape.severities)),
        default_severity=shape.default_severity,
        timezone=shape.timezone,
        owners=tuple(shape.owners),
        alerts_channel=shape.channels.alerts,
        incidents_channel=shape.channels.incidents,
        components=tuple(shape.components),
    )


def _severity(rank: int, level: SeverityShape) -> Severity:
    return Severity(
        key=level.key,
        name=level.name or level.key,
        rank=rank,
        aliases=tuple(level.aliases),
        criteria=tuple(level.criteria),
        respond_within=level.respond_within,
        channel=level.channel,
        update_every=level.update_every,
        remind_before=_remind_before(level),
        watch=level.watch,
        postmortem_due=level.postmortem_due,
        invite=tuple(level.invite),
        tell=tuple(level.tell),
    )


def _remind_before(level: SeverityShape) -> timedelta:
    """Five minutes, or half of a cadence that is shorter than that."""
    if level.remind_before is not None:
        return level.remind_before
    return min(REMIND_BEFORE, level.update_every / 2) if level.update_every else REMIND_BEFORE
