"""What `tocsin check` covers, and the schemas that are committed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from bot.catalogue.check import check, schemas, write_schemas
from bot.paths import data
from tests.catalogue.conftest import Files
from tests.catalogue.runbooks.test_read import SPECIFIED
from tests.catalogue.test_load import SPECIFIED_ORG, SPECIFIED_SERVICE

COMMITTED = Path(__file__).parents[2] / "docs" / "schema"


def test_shipped_files() -> None:
    """The shipped catalogue, templates and manifest have no finding."""
    assert check([data("runbooks")], [data("templates")], data("manifest.yml")) == []


def test_all_sorts(files: Files) -> None:
    """Findings of all three come together."""
    files.service(extra="nam: x")
    files.write("templates/slack/update.txt", "{% if %}")
    manifest = files.write("manifest.yml", "display_information: {name: tocsin}\n")
    found = check([files.root], [files.root / "templates"], manifest)
    assert {Path(finding.file).name for finding in found} == {"service.yml", "update.txt", "manifest.yml"}


def test_schemas_are_current(tmp_path: Path) -> None:
    """docs/schema is what the models say. After a change: `write_schemas(Path("docs/schema"))`."""
    write_schemas(tmp_path)
    for path in sorted(tmp_path.iterdir()):
        assert (COMMITTED / path.name).read_text() == path.read_text()


@pytest.mark.parametrize(
    ("name", "text"), [("org.yml", SPECIFIED_ORG), ("service.yml", SPECIFIED_SERVICE), ("runbook.yml", SPECIFIED)]
)
def test_schemas_accept_the_specification(name: str, text: str) -> None:
    """An editor that uses the schema accepts what the loader accepts, and refuses an unknown key."""
    schema = schemas()[name]
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    values = json.loads(json.dumps(yaml.safe_load(text), default=str))
    assert list(validator.iter_errors(values)) == []
    assert list(validator.iter_errors(values | {"nonsense": 1}))


@pytest.mark.parametrize(
    ("step", "valid"),
    [
        ({"wait": {"for": "1s"}}, True),
        ({"approval": {"who": ["team:sre"]}}, True),
        ({"wait": {"for": "1s"}, "approval": {"quorum": 2}}, True),
        ({"wait": {"for": "1s"}, "set": {"a": "1"}}, False),
        ({"title": "Nothing"}, False),
        ({"parallel": {"steps": []}}, False),
    ],
)
def test_schema_knows_kinds(step: dict[str, Any], valid: bool) -> None:
    """An editor is told that a step has exactly one kind, and which there are."""
    validator = jsonschema.Draft202012Validator(schemas()["runbook.yml"])
    values = {"title": "x", "service": "default", "steps": [{"id": "a", **step}]}
    assert (not list(validator.iter_errors(values))) is valid
