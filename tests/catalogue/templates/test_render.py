"""The most specific template wins, a broken one gives way, and values stay text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot.catalogue.templates import samples
from bot.catalogue.templates.render import KINDS, SLACK_LIMIT, TemplateFiles
from bot.views.kit.mrkdwn import JOINER
from tests.catalogue.conftest import Files


def say(files: Files, *, kind: str = "update", service: str = "checkout", severity: str = "P1", **changed: Any) -> str:
    """The words of a rendering with the sample incident, some of its values changed."""
    values = samples.full()
    values["incident"] |= changed
    return TemplateFiles([files.root]).render(kind, service=service, severity=severity, values=values)


def test_three_levels(files: Files) -> None:
    """Service and severity before service before plain before the built-in."""
    assert say(files).startswith("*INC-42* · *Checkout is down*")
    files.write("slack/update.txt", "plain")
    assert say(files) == "plain"
    files.write("slack/checkout/update.txt", "of the service")
    assert say(files) == "of the service"
    files.write("slack/checkout/update.P1.txt", "of the severity")
    assert say(files) == "of the severity"
    assert say(files, severity="P2") == "of the service"
    assert say(files, service="mail") == "plain"


def test_specific_before_earlier_folder(files: Files, tmp_path: Path) -> None:
    """A service's template in a later folder is still more specific than a plain one in the first."""
    later = Files(tmp_path / "later")
    files.write("slack/update.txt", "plain, first")
    later.write("slack/update.txt", "plain, later")
    later.write("slack/checkout/update.txt", "service, later")
    words = TemplateFiles([files.root, later.root])
    assert words.render("update", service="checkout", severity="P1", values=samples.full()) == "service, later"
    assert words.render("update", service="mail", severity="P1", values=samples.full()) == "plain, first"


@pytest.mark.parametrize(
    "text", ["{% if %}", "{{ incident.nothing }}", "{{ 1 + 'a' }}", "{{ 1 / 0 }}", "  ", "{{ x() }}"]
)
def test_broken_gives_way(files: Files, text: str) -> None:
    """A template that does not parse, does not render or says nothing gives way to the next, with a warning."""
    files.write("slack/update.txt", "plain")
    path = files.write("slack/checkout/update.txt", f"\n{text}")
    with capture_logs() as logs:
        assert say(files) == "plain"
    (warning,) = logs
    assert (warning["event"], warning["log_level"], warning["file"]) == ("template.broken", "warning", str(path))


def test_broken_names_the_line(files: Files) -> None:
    """The warning names the line, a nested one too."""
    files.write("slack/update.txt", "one\ntwo\n{% if true %}\n{{ incident.severty }}\n{% endif %}\n")
    with capture_logs() as logs:
        assert say(files).startswith("*INC-42*")
    assert (logs[0]["line"], logs[0]["problem"]) == (4, "There is no “severty”.")


def test_all_broken(files: Files) -> None:
    """Without any whole template the bare facts are said."""
    files.write("slack/update.txt", "{% if %}")
    words = TemplateFiles([], packaged=files.root)
    with capture_logs():
        said = words.render("update", service="checkout", severity="P1", values=samples.full())
    assert said == "INC-42 · Checkout is down · identified"


def test_edit_is_seen(files: Files) -> None:
    """An edited template is used without a restart, and a removed one is not."""
    words = TemplateFiles([files.root])
    path = files.write("slack/update.txt", "one")
    values = samples.full()
    assert words.render("update", service="a", severity="b", values=values) == "one"
    files.write("slack/update.txt", "another")
    assert words.render("update", service="a", severity="b", values=values) == "another"
    path.unlink()
    assert words.render("update", service="a", severity="b", values=values).startswith("*INC-42*")


def test_odd_keys(files: Files) -> None:
    """A service or severity from a row never becomes a path out of the folder."""
    files.write("slack/update.txt", "plain")
    files.write("update.txt", "outside")
    assert say(files, service="..", severity="../..") == "plain"
    assert say(files, service="a/b", severity="P1\x00") == "plain"


def test_link_out(files: Files, tmp_path: Path) -> None:
    """A symbolic link out of the folder is not followed."""
    (tmp_path / "secret.txt").write_text("secret")
    (files.root / "slack").mkdir()
    (files.root / "slack" / "update.txt").symlink_to(tmp_path / "secret.txt")
    with capture_logs():
        assert "secret" not in say(files)


VALUES = [
    ("<!channel>", "&lt;!channel&gt;"),
    ("<@U0BEN>", "&lt;@U0BEN&gt;"),
    ("<https://evil.example|click>", "&lt;https://evil.example|click&gt;"),
    ("@here & @Channel @everyone", f"@{JOINER}here &amp; @{JOINER}Channel @{JOINER}everyone"),
    ("*bold* _it_ ~no~ `code`", f"{JOINER}*bold* {JOINER}_it_ {JOINER}~no~ {JOINER}`code`"),
    ("db_pool 5 * 3 a@hereford.example", "db_pool 5 * 3 a@hereford.example"),
    ("{{ incident.id }}", "{{ incident.id }}"),
    ("&amp;", "&amp;amp;"),
    ("مرحبا 🔥", "مرحبا 🔥"),
    (None, ""),
]


@pytest.mark.parametrize(("value", "text"), VALUES)
def test_values_stay_text(files: Files, value: str | None, text: str) -> None:
    """No markup comes out of a value, whichever way it went through the template."""
    files.write("slack/update.txt", "[{{ incident.title }}]{% set x %}[{{ incident.title }}]{% endset %}{{ x }}")
    assert say(files, title=value) == f"[{text}][{text}]"


WAYS = [
    "{{ '<' ~ incident.title }}",
    "{{ incident.title + '' }}",
    "{{ [incident.title] | join('<') }}",
    "{{ [incident.title, 'x'] }}",
    "{{ incident }}",
    "{{ incident.title | replace('a', 'b') }}",
    "{{ incident.title | upper | lower }}",
    "{{ incident.title | default('x') | indent(2) }}",
    "{% macro m(x) %}{{ x }}{% endmacro %}{{ m(incident.title) }}",
    "{% set x %}{{ incident.title }}{% endset %}{{ x }}",
    "{{ '%s' ~ incident.title }}",
    "{{ incident.title | list | join }}",
    "{{ roles[0].person ~ incident.title }}",
    "{{ '{}'.format(incident.title) }}",
    "{{ incident.title | safe }}",
]


@pytest.mark.parametrize("way", WAYS)
def test_no_way_around(files: Files, way: str) -> None:
    """No filter or concatenation turns a value into a broadcast."""
    files.write("slack/update.txt", way)
    with capture_logs():
        said = say(files, title="<!channel> & <@U0EVE>")
    assert "<!channel>" not in said
    assert "<@U0EVE>" not in said


MEANT = [
    ("<!here> *bold* & {{ '' }}", "<!here> *bold* &"),
    ("{{ incident.declared_by }}", "<@U0ADA>"),
    ("{{ roles | map(attribute='person') | join(', ') }}", "<@U0ADA>, <@U0BEN>"),
    ("{{ 'by ' ~ incident.declared_by }}", "by <@U0ADA>"),
    ("{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m('a') }}", "<a>"),
    ("{% set x %}*{{ incident.declared_by }}*{% endset %}{{ x }}", "*<@U0ADA>*"),
    ("{{ next_update | clock }}", "<!date^1772461800^{time}|14:30 UTC>"),
    ("{{ next_update }}", "<!date^1772461800^{time}|14:30 UTC>"),
    ("{{ (next_update - now) | duration }}", "30 minutes"),
    ("{% for r in roles %}{{ loop.index }}/{{ loop.length }}{{ '' if loop.last else ' ' }}{% endfor %}", "1/2 2/2"),
    ("{{ incident.link | link('the card') }}", "<https://acme.slack.com/archives/C0INC/p1|the card>"),
    ("{{ service.components }}", "API, Database"),
]


@pytest.mark.parametrize(("template", "text"), MEANT)
def test_meant_markup(files: Files, template: str, text: str) -> None:
    """What the template itself says, and mentions and times, are markup."""
    files.write("slack/update.txt", template)
    assert say(files) == text


def test_include(files: Files) -> None:
    """Templates share parts from the same folders."""
    files.write("slack/_foot.txt", "foot of {{ incident.id }}")
    files.write("slack/update.txt", "{% include 'slack/_foot.txt' %}")
    assert say(files) == "foot of INC-42"


BOMBS = [
    "{% for a in range(1001) %}{% endfor %}",
    "{% for a in range(1000) %}{% for b in range(1000) %}{% endfor %}{% endfor %}",
    "{{ 'x' * 100000000 }}",
    "{{ 100000000 * 'x' }}",
    "{{ 9 ** 9 ** 9 }}",
    "{{ '%100000000d' % 1 }}",
    "{{ 'x'.ljust(100000000) }}",
    "{{ '{:100000000}'.format(1) }}",
    "{{ 'x' | center(100000000) }}",
    "{{ [1] | batch(100000000, 'x') | list | length }}",
    "{% macro m(n) %}{{ m(n) }}{{ m(n) }}{% endmacro %}{{ m(1) }}",
    "{{ ''.__class__.__mro__ }}",
    "{{ incident.clear() }}",
    "{{ changes.append('x') }}",
    "{{ self.__init__.__globals__ }}",
    "{% include '../../etc/passwd' %}",
    "{% include '/etc/passwd' %}",
    "{% include 'slack/update.txt' %}",
]


@pytest.mark.parametrize("bomb", BOMBS)
def test_bounded(files: Files, bomb: str) -> None:
    """Too much work, private things and other files are refused, and the built-in speaks."""
    files.write("slack/update.txt", f"{bomb}.")
    with capture_logs() as logs:
        assert say(files).startswith("*INC-42*")
    assert logs[0]["event"] == "template.broken"


def test_long_output(files: Files) -> None:
    """Words end at 3,000 characters, never inside a mention."""
    files.write("slack/update.txt", "{% for n in range(900) %}{{ incident.declared_by }}{% endfor %}")
    said = say(files)
    assert SLACK_LIMIT - 12 < len(said) <= SLACK_LIMIT
    assert said.endswith("<@U0ADA>…")


def test_drill(files: Files) -> None:
    """The packaged words say that a drill is one."""
    said = [say(files, kind=kind, drill=True) for kind in ("declared", "update", "resolved")]
    assert all(text.startswith("_This is a drill._") for text in said)


def test_packaged_say_who_and_when(files: Files) -> None:
    """The packaged update has status, impact, what changed, who is on it and the next update."""
    said = say(files)
    for part in ("identified", "Nobody can pay", "• Ada took commander", "<@U0ADA> (commander)", "14:30 UTC"):
        assert part in said


def test_packaged_with_little(files: Files) -> None:
    """Every packaged kind has something to say about an incident of which nothing is known."""
    words = TemplateFiles([files.root])
    with capture_logs() as logs:
        said = [words.render(kind, service="x", severity="P1", values=samples.bare()) for kind in KINDS]
    assert all(said)
    assert logs == []


def test_postmortem(files: Files) -> None:
    """The draft of a service wins over the default one, which has the sections everybody needs."""
    words = TemplateFiles([files.root])
    values = samples.postmortem_full()
    draft = words.render_postmortem(service="checkout", values=values)
    for heading in ("# INC-42: Checkout is down", "## Impact", "## Timeline", "## Root cause", "## Lessons"):
        assert f"{heading}\n" in draft
    assert "- 2026-03-02 14:00 UTC Ada: Declared INC-42" in draft
    files.write("postmortem/checkout.md", "# {{ incident.title }}\n\n## Money lost\n")
    assert words.render_postmortem(service="checkout", values=values) == "# Checkout is down\n\n## Money lost"
    assert words.render_postmortem(service="mail", values=values) == draft


def test_postmortem_table(files: Files) -> None:
    """A bar or a line break in a value does not break the table, and HTML stays text."""
    values = samples.postmortem_full()
    values["service"]["name"] = "a | b\n<b>"
    assert r"| Service | a \| b &lt;b> |" in TemplateFiles([files.root]).render_postmortem(service="x", values=values)
