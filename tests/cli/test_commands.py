"""Each command: what it prints, its exit code, and one sentence where it cannot."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
import yaml

from tests.cli.conftest import Run
from tests.support.backends import Postgres

TOKEN = ("token", "create", "ci", "--scope", "read", "--scope", "write", "--owner", "U0ADA")


# --- usage ---


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("demmo",), "“demo”"),
        (("token", "craete"), "“create”"),
        (("xyzzy",), "--help"),
        (("serve", "--port", "1"), "--port"),
        (("serve", "--no-worker"), "PostgreSQL"),
        (("demo", "--speed", "0"), "--speed"),
        (("export", "nonsense"), "INC-42"),
        (("token", "create", "ci", "--scope", "raed", "--owner", "U0ADA"), "raed"),
        (("token", "create", "ci", "--owner", "U0ADA"), "--scope"),
    ],
)
def test_misuse_is_a_sentence_and_exit_2(arguments: tuple[str, ...], word: str, run: Run) -> None:
    """A wrong command, option or argument is one sentence with the nearest right one, and exit code 2."""
    outcome = run(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert word in outcome.err
    assert outcome.err.count("\n") == 1


def test_version_and_help_are_fine(run: Run) -> None:
    """Asking is no mistake: help and version exit 0 on standard output."""
    for option in ("--help", "--version"):
        outcome = run(option)
        assert (outcome.code, outcome.err) == (0, "")
        assert outcome.out


@pytest.mark.parametrize(
    ("arguments", "variables", "word"),
    [
        (("serve",), {}, "SLACK_BOT_TOKEN"),
        (("serve",), {"SLACK_BOT_TOKEN": "xoxb-1"}, "SLACK_APP_TOKEN"),
        (("worker",), {}, "SLACK_BOT_TOKEN"),
        (("migrate",), {"TOCSIN_DATABASE_URL": "mysql://x"}, "TOCSIN_DATABASE_URL"),
        (("migrate",), {"TOCSIN_DATABASE_URL": "sqlite:////nowhere/at/all/x.db"}, "TOCSIN_DATABASE_URL"),
        (("token", "list"), {"TOCSIN_DATABASE_URL": "postgresql://u:hunter2@127.0.0.1:1/x"}, "TOCSIN_DATABASE_URL"),
        (("check",), {"TOCSIN_LOG_LEVEL": "loud"}, "TOCSIN_LOG_LEVEL"),
        (("check",), {"TOCSIN_CATALOG": "/nowhere"}, "TOCSIN_CATALOG"),
    ],
)
def test_bad_environment_is_one_sentence(
    arguments: tuple[str, ...], variables: dict[str, str], word: str, run: Run
) -> None:
    """A missing or malformed variable is one sentence on standard error that names it; no secret is repeated."""
    outcome = run(*arguments, **variables)
    assert (outcome.code, outcome.out) == (1, "")
    assert word in outcome.err
    assert "hunter2" not in outcome.err
    assert outcome.err.count("\n") == 1


# --- the database ---


def test_migrate_makes_the_schema_and_does_so_once(run: Run, tmp_path: Path) -> None:
    """Migrating twice is migrating once."""
    url = f"sqlite:///{tmp_path / 'new.db'}"
    for _ in range(2):
        assert run("migrate", TOCSIN_DATABASE_URL=url).code == 0
    assert run("token", "list", TOCSIN_DATABASE_URL=url).code == 0


def test_unmigrated_database_names_the_command(run: Run, tmp_path: Path) -> None:
    """A command that needs the schema says how to get it."""
    outcome = run("token", "list", TOCSIN_DATABASE_URL=f"sqlite:///{tmp_path / 'empty.db'}")
    assert outcome.code == 1
    assert "tocsin migrate" in outcome.err


def test_unmigrated_postgres_is_refused(run: Run, postgres: Postgres) -> None:
    """On PostgreSQL nothing migrates by itself: serving on an old schema is refused with the command to run."""
    outcome = run("serve", TOCSIN_DATABASE_URL=postgres.empty(), SLACK_BOT_TOKEN="xoxb-1", SLACK_SIGNING_SECRET="s")
    assert outcome.code == 1
    assert "tocsin migrate" in outcome.err


# --- tokens ---


def test_token_is_shown_once_alone(fresh: Run) -> None:
    """Creating prints the secret and nothing else; listing shows everything but the secret; revoking ends it."""
    secret = fresh(*TOKEN)
    assert secret.code == 0
    assert secret.out.startswith("tocsin_")
    assert secret.out.count("\n") == 1
    assert secret.err == ""
    listed = fresh("token", "list").out
    assert "ci\tread,write\tU0ADA\tin force" in listed
    assert secret.out.strip() not in listed
    assert fresh("token", "revoke", "ci").code == 0
    assert "revoked" in fresh("token", "list").out


@pytest.mark.parametrize(
    "arguments",
    [TOKEN, ("token", "revoke", "nobody"), ("token", "create", "x", "--scope", "read", "--owner", "ada")],
)
def test_impossible_token_is_a_sentence(arguments: tuple[str, ...], fresh: Run) -> None:
    """A name twice, an unknown name and an owner that is no Slack id are one sentence each."""
    fresh(*TOKEN)
    outcome = fresh(*arguments)
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.count("\n") == 1


# --- the audit log ---


def test_audit_log_is_whole_until_somebody_changes_it(fresh: Run, sqlite_url: str) -> None:
    """A sealed log verifies; a changed row is named, with exit code 1."""
    fresh(*TOKEN)
    assert fresh("audit", "verify").code == 0
    path = sqlite_url.removeprefix("sqlite:///")
    with sqlite3.connect(path) as database:
        database.execute("UPDATE audit_log SET seq = 1, prev_hash = 'x', hash = 'y'")
    database.close()
    broken = fresh("audit", "verify")
    assert broken.code == 1
    assert "Row 1" in broken.out + broken.err
    lines = [json.loads(line) for line in fresh("audit", "export").out.splitlines()]
    assert [line["action"] for line in lines] == ["token.created"]


# --- files ---


def test_packaged_files_have_no_findings(run: Run) -> None:
    """What is shipped is without findings."""
    outcome = run("check")
    assert (outcome.code, outcome.err) == (0, "")


def test_findings_name_file_and_line(run: Run, tmp_path: Path) -> None:
    """Each finding is `file:line: sentence`, and there being any is exit code 1."""
    service = tmp_path / "shop" / "service.yml"
    service.parent.mkdir()
    service.write_text("service: shop\nname: Shop\nseverty: []\n")
    outcome = run("check", str(tmp_path))
    assert outcome.code == 1
    assert f"{service}:3: " in outcome.out


def test_schemas_are_printed(run: Run) -> None:
    """The JSON Schemas come as one document, by file name."""
    assert {"org.yml", "service.yml"} <= json.loads(run("check", "--schema").out).keys()


def test_manifest_for_both_modes(run: Run) -> None:
    """Without an address the manifest is for Socket Mode; with one, every request goes there."""
    socket = yaml.safe_load(run("manifest").out)
    assert socket["settings"]["socket_mode_enabled"] is True
    http = yaml.safe_load(run("manifest", "--url", "https://tocsin.example/").out)
    assert http["settings"]["interactivity"]["request_url"] == "https://tocsin.example/slack/events"
    assert run("manifest", "--url", "nonsense").code == 1


# --- export ---


def test_unknown_incident_is_a_sentence(fresh: Run) -> None:
    """Exporting what is not there says so."""
    outcome = fresh("export", "INC-7")
    assert (outcome.code, outcome.out) == (1, "")
    assert "INC-7" in outcome.err
