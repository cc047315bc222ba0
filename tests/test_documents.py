"""Documents that name things are held to the things."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

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


def _examples() -> list[object]:
    """Every diff in docs/adding.md, by its heading."""
    sections = re.split(r"^## ", _text("docs/adding.md"), flags=re.MULTILINE)[1:]
    fence = re.compile(r"^```diff\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return [pytest.param(diff, id=one.splitlines()[0]) for one in sections for diff in fence.findall(one)]


def _applies(diff: str) -> str:
    """What `git apply --check` objects to; nothing where the diff applies."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    if not (ROOT / ".git").exists():
        pytest.skip("this is not a git checkout")
    check = ["git", "apply", "--check", "-C1", "--recount", "-"]
    done = subprocess.run(check, cwd=ROOT, input=diff.encode(), capture_output=True, check=False)
    return "" if done.returncode == 0 else done.stderr.decode() or "git refuses it without a word"


@pytest.mark.parametrize("diff", _examples())
def test_an_example_of_an_addition_still_applies(diff: str) -> None:
    """Each diff in docs/adding.md fits the checkout, so the page shows the code as it is."""
    assert _applies(diff) == ""


def test_each_addition_has_one_example() -> None:
    """Every section of docs/adding.md shows one diff."""
    assert len(_examples()) == _text("docs/adding.md").count("\n## ") == 5
