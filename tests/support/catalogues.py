"""Small catalogues and template folders for tests, written as operators write them."""

from __future__ import annotations

import shutil
from pathlib import Path

from bot.paths import data

PAYMENTS = """
service: payments
name: Payments
default_severity: S2
severities:
  - {key: S1, aliases: [urgent], name: Urgent, update_every: 15m, watch: 20m, postmortem_due: 48h}
  - {key: S2, name: Normal, update_every: 30m}
"""


def catalogue(folder: Path, *, org: str = "", **services: str) -> Path:
    """The packaged catalogue with these services beside its own, and `org` in place of its org.yml."""
    made = folder / "catalogue"
    shutil.copytree(data("runbooks"), made)
    for key, text in services.items():
        (made / key).mkdir()
        (made / key / "service.yml").write_text(text)
    if org:
        # The packaged runbooks name the packaged connections.
        packaged = (made / "org.yml").read_text()
        connections = packaged[packaged.index("\nconnections:") :]
        (made / "org.yml").write_text(org if "connections:" in org else f"{org}\n{connections}")
    return made


def templates(folder: Path, **files: str) -> Path:
    """A template folder: `templates(tmp_path, **{"slack/update.txt": "…"})`."""
    made = folder / "templates"
    for name, text in files.items():
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_text(text)
    return made
