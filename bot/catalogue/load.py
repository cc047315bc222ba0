"""Folders of org.yml and <key>/service.yml into one Catalogue, and everything that is wrong with them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.catalogue.fields import SERVICE_KEY
from bot.catalogue.org import read as org_read, routes
from bot.catalogue.services import read as service_read
from bot.catalogue.yaml.document import Document, Unreadable, read
from bot.domain.catalogue.catalogue import Catalogue, Finding, Route
from bot.domain.catalogue.runbook import Runbook
from bot.domain.catalogue.service import Service

MAX_FILES = 5_000


@dataclass(frozen=True)
class Loaded:
    """`catalogue` has what could be read; None where not even a default service is left. Trust it without findings."""

    catalogue: Catalogue | None
    findings: tuple[Finding, ...]


def load(folders: Sequence[Path], *, templates: Sequence[Path] = (), allow_shell: Sequence[Path] = ()) -> Loaded:
    """Templates are tried where some are given.

    `allow_shell`: the folders among them whose runbooks may have shell steps.
    """
    findings: list[Finding] = []
    documents = _read_all(folders, findings)
    org_files = [one for one in documents if _path(one).name == "org.yml"]
    organisation = org_read.merge(org_files, findings)
    services = _services(documents, organisation, findings)
    if not findings:
        findings.extend(org_read.on_call(org_files, services))
    default = None
    if services:
        default = org_read.default_service(organisation, services, str(folders[0] / "org.yml"), findings)
    elif folders and not findings:
        findings.append(Finding(str(folders[0]), 1, "No service is here. Add <key>/service.yml."))
    runbooks = _runbooks(documents, organisation, services, allow_shell, findings)
    found_routes = _routes(documents, organisation, services, findings)
    catalogue = None
    if default is not None:
        catalogue = Catalogue(
            services=services,
            default_service=default,
            teams=organisation.teams,
            access=organisation.access,
            version=_version(documents),
            runbooks=runbooks,
            connections=organisation.connections,
            routes=found_routes,
            group_by=organisation.group_by,
            generic=organisation.generic,
        )
    findings.extend(_template_findings(templates, catalogue))
    return Loaded(catalogue, tuple(sorted(findings, key=lambda one: (one.file, one.line))))


def catalogue_files(folders: Iterable[Path]) -> Iterator[Path]:
    for folder in folders:
        yield folder / "org.yml"
        for inner in _service_folders(folder):
            yield from sorted(inner.glob("*.yml"))


def _service_folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    # Hidden ones are version control, or the inner side of a mounted ConfigMap.
    return sorted(inner for inner in folder.iterdir() if inner.is_dir() and not inner.name.startswith((".", "_")))


def _read_all(folders: Sequence[Path], findings: list[Finding]) -> list[Document]:
    documents = []
    for folder in folders:
        findings.extend(_layout(folder))
    for path in _bounded(catalogue_files(folders), findings):
        if path.name == "org.yml" and not path.is_file():
            continue
        try:
            documents.append(read(path))
        except Unreadable as problem:
            findings.extend(problem.findings)
    return documents


def _bounded(paths: Iterator[Path], findings: list[Finding]) -> Iterator[Path]:
    for count, path in enumerate(paths):
        if count == MAX_FILES:
            findings.append(Finding(str(path), 1, f"A catalogue has at most {MAX_FILES:,} files. Remove some."))
            return
        yield path


def _layout(folder: Path) -> Iterator[Finding]:
    if not folder.is_dir():
        yield Finding(str(folder), 1, "This folder does not exist. Correct TOCSIN_CATALOG.")
        return
    for path in sorted([*folder.glob("*.yaml"), *folder.glob("*/*.yaml")]):
        yield Finding(str(path), 1, f"Only .yml files are read. Rename it to {path.stem}.yml.")
    for inner in _service_folders(folder):
        files = {path.name for path in inner.glob("*.yml")}
        if files and "service.yml" not in files:
            yield Finding(str(inner), 1, "This folder has no service.yml. Add it.")
        if files and not SERVICE_KEY.fullmatch(inner.name):
            yield Finding(
                str(inner),
                1,
                "This folder's name is not a service key. Use 2 to 40 of a-z, 0-9 and -, a letter first.",
            )


def _path(document: Document) -> Path:
    return Path(document.file)


def _is_service(document: Document) -> bool:
    return _path(document).name == "service.yml"


def is_runbook(path: Path) -> bool:
    return path.name not in ("org.yml", "service.yml", "alerts.yml") and not path.name.endswith(".test.yml")


def _services(documents: list[Document], organisation: org_read.Org, findings: list[Finding]) -> dict[str, Service]:
    services: dict[str, Service] = {}
    places: dict[str, str] = {}
    for document in filter(_is_service, documents):
        found = service_read.read(document, organisation.known_teams, findings)
        if found and found.key in places:
            said = f"The service “{found.key}” is also in {places[found.key]}. Keep one of them."
            findings.append(document.finding(("service",), said))
        elif found:
            services[found.key] = found
            places[found.key] = document.where(("service",))
    return services


def _runbooks(
    documents: list[Document],
    organisation: org_read.Org,
    services: dict[str, Service],
    allow_shell: Sequence[Path],
    findings: list[Finding],
) -> dict[str, Runbook]:
    # A folder without a service is a finding of its own.
    ours = [one for one in documents if is_runbook(_path(one)) and _path(one).with_name("service.yml").is_file()]
    if not ours:
        return {}
    from bot.catalogue.runbooks import (
        read as runbook_read,  # brings the template engine: a catalogue without runbooks does without
    )

    around = runbook_read.Surroundings(
        services=services,
        connections=None if organisation.known_teams is None else organisation.connections,
        teams=organisation.known_teams,
        contacts=_contacts(documents),
        allow_shell=allow_shell,
    )
    return runbook_read.read_all(ours, around, findings)


def _routes(
    documents: list[Document], organisation: org_read.Org, services: dict[str, Service], findings: list[Finding]
) -> tuple[Route, ...]:
    files = {Path(finding.file) for finding in findings}
    known = {one.stem for one in (*map(_path, documents), *files) if is_runbook(one)}
    for document in filter(_is_service, documents):
        if found := services.get(_path(document).parent.name):
            routes.known_alerts(document, found, known, findings)
    if organisation.routes_file is None:
        return ()
    is_whole = not any(file.name == "service.yml" for file in files)
    around = routes.Surroundings(services if is_whole else None, known)
    return routes.read(organisation.routes_file, organisation.routes, around, findings)


def _contacts(documents: list[Document]) -> dict[str, list[str]]:
    written = {_path(one).parent.name: one.data for one in filter(_is_service, documents)}
    contacts = {key: data.get("contacts") for key, data in written.items() if isinstance(data, dict)}
    return {key: list(one) for key, one in contacts.items() if isinstance(one, dict)}


def _version(documents: Iterable[Document]) -> str:
    digest = hashlib.sha256()
    for document in documents:
        digest.update(repr((Path(document.file).parts[-2:], document.data)).encode())
    return digest.hexdigest()[:16]


def _template_findings(folders: Sequence[Path], catalogue: Catalogue | None) -> list[Finding]:
    if not folders:
        return []
    from bot.catalogue.templates.checks import (
        findings,  # the template engine costs start-up time; `load` alone does without
    )

    return findings(folders, catalogue)
