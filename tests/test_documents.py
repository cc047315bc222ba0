"""Documents that name things are held to the things."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def _text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def test_every_dependency_has_its_reason() -> None:
    """Whatever is installed with the bot, or to test it, is named in docs/decisions/dependencies.md."""
    project = tomllib.loads(_text("pyproject.toml"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    names = {re.split(r"[\[<>=,]", each)[0] for each in wanted if not each.startswith("types-")}
    said = _text("docs/decisions/dependencies.md")
    assert {name for name in names if name not in said} == set()


def test_every_variable_is_documented_and_read() -> None:
    """The variables in docs/operations.md are those that are read, no more and no fewer."""
    variable = re.compile(r"\b(?:TOCSIN|SLACK)_[A-Z_]+[A-Z]\b")
    read = set(variable.findall(_text("bot/settings.py")))
    documented = set(variable.findall(_text("docs/operations.md"))) - {"SLACK_BOT_TOKEN_FILE"}
    assert documented == read


def test_every_link_between_documents_leads_somewhere() -> None:
    """No document points at a file that is not there."""
    documents = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]
    broken = [
        f"{document.relative_to(ROOT)}: {target}"
        for document in documents
        for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", document.read_text(encoding="utf-8"))
        if not (document.parent / target).exists()
    ]
    assert broken == []
