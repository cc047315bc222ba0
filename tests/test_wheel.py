"""The wheel: built from the checkout, installed in an environment of its own, with its data inside."""

from __future__ import annotations

import site
import subprocess
import sys
import venv
from pathlib import Path

import pytest

pytestmark = pytest.mark.long  # it is built and installed

ROOT = Path(__file__).parents[1]
LOOK = """
import bot, pathlib
from bot.paths import data
from bot.catalogue.load import load
from bot.store.db.schema import MIGRATIONS, newest
from bot.simulator.server import PAGE

home = pathlib.Path(bot.__file__).parent
assert home.is_relative_to(pathlib.Path({environment!r})), home
for name in ("runbooks", "demo", "templates", "manifest.yml"):
    assert data(name).is_relative_to(home), data(name)
    assert data(name).exists(), data(name)
loaded = load([data("runbooks"), data("demo")], templates=[data("templates")])
assert loaded.catalogue and not loaded.findings, loaded.findings
assert (PAGE / "index.html").is_file() and newest()
"""


def _run(*command: str | Path, cwd: Path) -> str:
    finished = subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with nothing but the wheel; its dependencies are those of this test run."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    _run(*pip, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder, ROOT, cwd=folder)
    venv.create(folder / "env", with_pip=False, symlinks=True)
    python = folder / "env" / "bin" / "python"
    wheel = next(folder.glob("tocsin-*.whl"))
    _run(*pip, "--python", python, "install", "--no-deps", "--no-index", wheel, cwd=folder)
    own = Path(_run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip())
    # Plain entries in a .pth: the editable checkout of this run is not followed, only what lies in the folder.
    (own / "dependencies.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    return folder / "env"


def test_wheel_holds_code_and_data(environment: Path) -> None:
    """The installed copy finds its catalogue, templates, manifest, migrations and page within itself."""
    _run(environment / "bin" / "python", "-c", LOOK.format(environment=str(environment)), cwd=environment)


def test_installed_command_checks_itself(environment: Path, tmp_path: Path) -> None:
    """`tocsin check` runs from the wheel, away from the checkout, and finds nothing wrong."""
    assert _run(environment / "bin" / "tocsin", "check", cwd=tmp_path) == "No findings.\n"


def test_installed_command_prints_the_manifest(environment: Path, tmp_path: Path) -> None:
    """In an empty folder the installed command prints the app's manifest, and leaves nothing behind."""
    printed = _run(environment / "bin" / "tocsin", "manifest", "--url", "https://tocsin.example", cwd=tmp_path)
    assert "https://tocsin.example/slack/events" in printed
    assert list(tmp_path.iterdir()) == []
