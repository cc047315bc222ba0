"""`tocsin check` tries every template before an incident does."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.catalogue.load import load
from bot.paths import data
from tests.catalogue.conftest import Files


def problems(files: Files) -> list[str]:
    loaded = load([data("runbooks")], templates=[files.root, data("templates")])
    return [str(finding).removeprefix(f"{files.root}/") for finding in loaded.findings]


def test_whole_templates(files: Files) -> None:
    """Good templates of every level have no finding."""
    for name in (
        "slack/update.txt",
        "slack/default/update.txt",
        "slack/default/update.P1.txt",
        "postmortem/default.md",
    ):
        files.write(name, "{{ incident.title }}")
    files.write("slack/_part.txt", "{{ anything }}")
    assert problems(files) == []


BROKEN = [
    ("slack/update.txt", "a\n{% if %}", "2: This template does not parse: "),
    ("slack/update.txt", "a\nb {{ incident.titel }}", "2: There is no value “titel”. Did you mean “title”?"),
    ("slack/update.txt", "{{ incidnt.id }}", "1: There is no value “incidnt”. Did you mean “incident”?"),
    ("slack/update.txt", "a\n\n{{ now | clok }}", "3: This template does not parse: No filter named 'clok'."),
    ("slack/update.txt", "{{ next_update | clock }}", "1: This template does not render: A time is needed here."),
    ("slack/update.txt", "{% include 'x' %}", "1: There is no template “x” to include."),
    ("slack/update.txt", "{% if changes %}{% endif %}", "1: This template renders to nothing."),
    ("slack/updat.txt", "x", "1: There is no kind “updat”. Did you mean “update”?"),
    ("slack/update.P1.txt", "x", "1: A severity needs a service. Move this to slack/<service>/update.P1.txt."),
    ("slack/defalt/update.txt", "x", "1: There is no service “defalt”. Did you mean “default”?"),
    ("slack/default/update.P9.txt", "x", "1: Default service has no severity “P9”."),
    ("slack/a/b/update.txt", "x", "1: Nothing reads a template this deep."),
    ("postmortem/defult.md", "x", "1: There is no service “defult”. Did you mean “default”?"),
    ("postmortem/default.md", "{{ fix }}", "1: There is no value “fix”."),
]


@pytest.mark.parametrize(("name", "text", "finding"), BROKEN)
def test_broken_template(files: Files, name: str, text: str, finding: str) -> None:
    """Each broken or misplaced template is one finding with its line."""
    files.write(name, text)
    (found,) = problems(files)
    assert found.startswith(f"{name}:{finding}")


def test_not_text(files: Files) -> None:
    """A template that is no text names its line."""
    files.write("slack/update.txt", "").write_bytes(b"a\n\xff")
    assert problems(files) == ["slack/update.txt:2: This line is not UTF-8. Save the file as UTF-8."]


def test_link_out(files: Files, tmp_path: Path) -> None:
    """A link to a file elsewhere is pointed out, since it is not followed."""
    (tmp_path / "elsewhere.txt").write_text("x")
    (files.root / "slack").mkdir()
    (files.root / "slack" / "update.txt").symlink_to(tmp_path / "elsewhere.txt")
    (found,) = problems(files)
    assert found.startswith("slack/update.txt:1: This leads out of the templates' folder")


def test_missing_folder(files: Files) -> None:
    """A folder that does not exist names the variable."""
    missing = files.root / "nowhere"
    (found,) = load([data("runbooks")], templates=[missing]).findings
    assert found.sentence == "This folder does not exist. Correct TOCSIN_TEMPLATES."
