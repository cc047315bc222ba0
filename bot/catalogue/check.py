"""What `tocsin check` says: every finding of catalogue, templates and manifest; and the schemas for editors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from bot import manifest
from bot.catalogue.load import load
from bot.catalogue.org.schema import OrgSchema
from bot.catalogue.runbook_tests.schema import SuiteSchema
from bot.catalogue.runbooks.schema import RunbookSchema
from bot.catalogue.services.schema import ServiceSchema
from bot.domain.catalogue.catalogue import Finding


def check(
    folders: Sequence[Path],
    templates: Sequence[Path],
    manifest_path: Path | None,
    allow_shell: Sequence[Path] = (),
) -> list[Finding]:
    """None for the manifest leaves it out."""
    findings = list(load(folders, templates=templates, allow_shell=allow_shell).findings)
    if manifest_path is not None:
        findings.extend(manifest.check(manifest_path))
    return findings


def schemas() -> dict[str, dict[str, Any]]:
    shapes: dict[str, type[BaseModel]] = {
        "org.yml": OrgSchema,
        "service.yml": ServiceSchema,
        "runbook.yml": RunbookSchema,
        "test.yml": SuiteSchema,
    }
    return {name: _schema(shape, name) for name, shape in shapes.items()}


def _schema(shape: type[BaseModel], name: str) -> dict[str, Any]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **shape.model_json_schema(),
        "title": f"Tocsin {name}",
    }


def write_schemas(folder: Path) -> None:
    for name, schema in schemas().items():
        text = json.dumps(schema, indent=2, ensure_ascii=False)
        (folder / name).with_suffix(".json").write_text(f"{text}\n", encoding="utf-8")
