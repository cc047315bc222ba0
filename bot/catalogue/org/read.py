"""org.yml: each file checked, then merged over the folders. The same key twice names both places."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.catalogue import principals
from bot.catalogue.org.routes import generic
from bot.catalogue.org.schema import OrgSchema, RouteSchema
from bot.catalogue.yaml.diagnostics import validated
from bot.catalogue.yaml.document import Document, Place
from bot.domain.catalogue.catalogue import GROUP_BY, Access, Finding, GenericSource
from bot.domain.catalogue.runbook import Connection
from bot.domain.catalogue.service import Service
from bot.domain.text.wording import hint

_MERGED = ("teams", "access", "connections", "generic")  # key by key; any other key is in one file only


@dataclass(frozen=True)
class Org:
    """What holds for all services. `known_teams` is None where a broken file may have held more of them.

    `routes` are read when services and runbooks are known; `routes_file` alone has them.
    """

    teams: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    access: Access = field(default_factory=Access)
    default_service: str | None = None
    default_place: tuple[Document, Place] | None = None
    known_teams: Collection[str] | None = ()
    connections: Mapping[str, Connection] = field(default_factory=dict)
    routes: Sequence[RouteSchema] = ()
    routes_file: Document | None = None
    group_by: tuple[str, ...] = GROUP_BY
    generic: Mapping[str, GenericSource] = field(default_factory=dict)


def merge(documents: Sequence[Document], findings: list[Finding]) -> Org:
    """What is wrong is added to `findings`."""
    merged, places = _merge_values(documents, findings)
    shapes = [validated(document, OrgSchema, findings) for document in documents]
    if any(Path(finding.file).name == "org.yml" for finding in findings):
        return Org(known_teams=None)
    whole = OrgSchema.model_validate(merged)
    for document, shape in zip(documents, shapes, strict=True):
        findings.extend(_entries(document, shape or OrgSchema(), whole.teams))
    return Org(
        teams={key: tuple(members) for key, members in whole.teams.items()},
        access=Access(**{name: tuple(entries) for name, entries in whole.access}),
        default_service=whole.default_service,
        default_place=places.get(("default_service",)),
        known_teams=tuple(whole.teams),
        connections={name: Connection(name, *one.kind_and_reference()) for name, one in whole.connections.items()},
        routes=whole.routes,
        routes_file=places[("routes",)][0] if whole.routes else None,
        group_by=tuple(whole.group_by),
        generic={name: generic(one) for name, one in whole.generic.items()},
    )


def default_service(
    organisation: Org, services: Mapping[str, Service], file: str, findings: list[Finding]
) -> str | None:
    """The named one; absent: the only service, else `default`. None where org.yml is broken: it also says who may."""
    if organisation.known_teams is None:
        return None
    named = organisation.default_service
    if named is None:
        return _implied_default(services, file, findings)
    if named in services:
        return named
    if organisation.default_place and not findings:
        document, place = organisation.default_place
        findings.append(document.finding(place, f"There is no service “{named}”. {hint(named, services)}"))
    return None


def on_call(documents: Sequence[Document], services: Mapping[str, Service]) -> Iterator[Finding]:
    """Levels of on-call that `access` names and no service has. Of which service they are depends on what is done."""
    levels = {key for service in services.values() for key in service.oncall}
    for document in documents:
        for what, entries in OrgSchema.model_validate(document.data).access:
            for index, entry in enumerate(entries):
                problem = principals.who_problem(entry, None, levels) if entry.startswith("oncall") else None
                if problem:
                    yield document.finding(("access", what, index), problem.replace("this service", "any service"))


def _implied_default(services: Mapping[str, Service], file: str, findings: list[Finding]) -> str | None:
    if len(services) == 1:
        return next(iter(services))
    if "default" in services:
        return "default"
    if not findings:
        findings.append(
            Finding(file, 1, f"Say which of the {len(services)} services is the default: add default_service.")
        )
    return None


_Places = dict[Place, tuple[Document, Place]]


def _merge_values(documents: Sequence[Document], findings: list[Finding]) -> tuple[dict[str, Any], _Places]:
    merged: dict[str, Any] = {}
    places: _Places = {}
    for document in documents:
        for place, value in _pieces(document.data):
            if place in places:
                first, _ = places[place]
                name = ".".join(map(str, place))
                findings.append(document.finding(place, f"“{name}” is also in {first.where(place)}. Keep one of them."))
                continue
            places[place] = (document, place)
            _put(merged, place, value)
    return merged, places


def _pieces(data: Any) -> Iterator[tuple[Place, Any]]:
    for key, value in data.items() if isinstance(data, dict) else ():
        if key in _MERGED and isinstance(value, dict):
            yield from (((key, inner), inner_value) for inner, inner_value in value.items())
        else:
            yield (key,), value


def _put(merged: dict[str, Any], place: Place, value: Any) -> None:
    if len(place) == 2:
        merged.setdefault(str(place[0]), {})[place[1]] = value
    else:
        merged[str(place[0])] = value


def _entries(document: Document, shape: OrgSchema, teams: Collection[str]) -> Iterator[Finding]:
    for key, members in shape.teams.items():
        for index, member in enumerate(members):
            yield from document.findings(("teams", key, index), principals.member_problems(member))
    for name, entries in shape.access:
        for index, sentence in principals.problems(entries, teams):
            yield document.finding(("access", name, index), sentence)
    for index, name in enumerate(shape.group_by):
        if name in shape.group_by[:index]:
            yield document.finding(("group_by", index), f"“{name}” is here twice. Keep one of them.")
