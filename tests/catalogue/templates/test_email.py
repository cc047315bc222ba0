"""What e-mail says: packaged words, operators' own before them, and what `tocsin check` finds in those."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.catalogue.templates import samples
from bot.catalogue.templates.checks import findings
from bot.catalogue.templates.email import MAILS
from bot.catalogue.templates.render import TemplateFiles
from bot.paths import data
from tests.support.catalogues import templates


@pytest.mark.parametrize("kind", MAILS)
def test_packaged_words(kind: str) -> None:
    """Each kind has one line of subject and a body in plain words, whatever is known."""
    for values in (samples.mail_full(), samples.mail_bare()):
        subject, text = TemplateFiles().render_mail(kind, service="default", severity="P1", values=values)
        assert subject.removeprefix("Re: ") == "[INC-42] Checkout is down"
        assert "INC-42" in text
        assert not any(markup in text for markup in ("<@", "<!", "&amp;", "None", "\n\n\n"))


def test_the_most_specific_wins(tmp_path: Path) -> None:
    """Service and severity before service before plain, for subject and body each on its own."""
    folder = templates(
        tmp_path,
        **{
            "email/update/body.txt": "plain at {{ now | clock }}, {{ now | moment }}",
            "email/checkout/update/body.txt": "service",
            "email/checkout/update.P1/body.txt": "severity",
        },
    )
    words = TemplateFiles([folder])

    def body(service: str, severity: str) -> str:
        values = samples.mail_full()
        subject, text = words.render_mail("update", service=service, severity=severity, values=values)
        assert subject.startswith("Re: [INC-42]")
        return text

    assert [body("checkout", "P1"), body("checkout", "P2")] == ["severity", "service"]
    assert body("mail", "P1") == "plain at 14:00 UTC, 02 Mar, 14:00 UTC"


def test_a_broken_one_gives_way(tmp_path: Path) -> None:
    """A template that does not render gives way to the packaged one."""
    folder = templates(tmp_path, **{"email/declared/body.txt": "{{ nothing.here }}"})
    _, text = TemplateFiles([folder]).render_mail(
        "declared", service="default", severity="P1", values=samples.mail_full()
    )
    assert text.startswith("P1 (High)")


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("email/declared/body.txt", "{{ incident.titel }}", "There is no value “titel”. Did you mean “title”?"),
        ("email/declard/body.txt", "x", "There is no kind “declard”"),
        ("email/declared/header.txt", "x", "Nothing reads this."),
        ("email/declared.txt", "x", "Nothing reads this."),
        ("email/declared.P1/body.txt", "x", "A severity needs a service."),
        ("email/update/subject.txt", "  ", "This template renders to nothing."),
    ],
)
def test_findings(tmp_path: Path, name: str, text: str, sentence: str) -> None:
    """What could not be mailed is found before an incident needs it."""
    folder = templates(tmp_path, **{name: text})
    (found,) = findings([folder, data("templates")], None)
    assert (found.file, found.line) == (str(folder / name), 1)
    assert sentence in found.sentence
