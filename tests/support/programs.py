"""Real programs beside PostgreSQL and Redis: Prometheus with its exporter, supervisord, a small API, TLS servers."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.backends import START_SECONDS, Server, free_port, short_folder


def program(name: str, package: str) -> str:
    """Where the program is. Without it the test is skipped, or fails where real servers are required."""
    found = shutil.which(name)
    if found:
        return found
    sentence = f"No {name} here: install the package {package}."
    if os.environ.get("REQUIRE_REAL_BACKENDS") == "1":
        pytest.fail(sentence)
    pytest.skip(sentence)


def answers(url: str) -> bool:
    """Whether it answers 200."""
    try:
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310 - loopback
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


# --- Prometheus ---------------------------------------------------------------------------------------------------


@contextmanager
def prometheus(scrapes: list[Mapping[str, object]], *, history: str = "", itself: str = "") -> Iterator[str]:
    """The URL of a real Prometheus that scrapes five times a second.

    `history`: OpenMetrics text that it knows already. `itself`: the name of a job in which it scrapes itself.
    """
    binary, tool = program("prometheus", "prometheus"), program("promtool", "prometheus")
    folder, port = short_folder("tocsin-prom-"), free_port()
    if itself:
        scrapes = [*scrapes, {"job_name": itself, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}]
    config = {"global": {"scrape_interval": "200ms", "scrape_timeout": "200ms"}, "scrape_configs": scrapes}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    if history:
        _backfill(tool, folder, history)
    url = f"http://127.0.0.1:{port}"
    command = [
        binary, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn",
    ]  # fmt: skip
    server = Server(folder, url, command, lambda: answers(f"{url}/-/ready"), None)
    try:
        server.start()
        yield url
    finally:
        server.stop()


def _backfill(tool: str, folder: Path, history: str) -> None:
    (folder / "history").write_text(history)
    command = [tool, "tsdb", "create-blocks-from", "openmetrics", "--quiet", str(folder / "history")]
    subprocess.run([*command, str(folder / "data")], check=True, capture_output=True, timeout=60)


@contextmanager
def blackbox(trusted: Path) -> Iterator[str]:
    """host:port of a real blackbox exporter. Its module `lax` takes any certificate, `strict` the one in that file."""
    binary = program("prometheus-blackbox-exporter", "prometheus-blackbox-exporter")
    folder, port = short_folder("tocsin-blackbox-"), free_port()
    modules = {
        "lax": _tls_module({"insecure_skip_verify": True}),
        "strict": _tls_module({"ca_file": str(trusted)}),
    }
    (folder / "blackbox.yml").write_text(yaml.safe_dump({"modules": modules}))
    address = f"127.0.0.1:{port}"
    command = [binary, f"--config.file={folder / 'blackbox.yml'}", f"--web.listen-address={address}"]
    server = Server(folder, address, command, lambda: answers(f"http://{address}/-/healthy"), None)
    try:
        server.start()
        yield address
    finally:
        server.stop()


def _tls_module(config: Mapping[str, object]) -> Mapping[str, object]:
    return {"prober": "tcp", "timeout": "2s", "tcp": {"tls": True, "tls_config": dict(config)}}


# --- certificates -------------------------------------------------------------------------------------------------


class TlsServer:
    """A server on loopback that shows a certificate of so many days, and goes on with another after `renew`."""

    def __init__(self, folder: Path, days: float) -> None:
        self.path = folder / "certificate.pem"
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.renew(days)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def renew(self, days: float) -> None:
        """A connection from now on sees a certificate that ends in so many days."""
        self.path.write_bytes(certificate(days))
        self._context.load_cert_chain(self.path)

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.settimeout(5)
            with connection, suppress(OSError), self._context.wrap_socket(connection, server_side=True) as secured:
                secured.recv(1)  # until the other side closes


@contextmanager
def tls_server(folder: Path, days: float) -> Iterator[TlsServer]:
    folder.mkdir()
    server = TlsServer(folder, days)
    try:
        yield server
    finally:
        server.close()


def certificate(days: float) -> bytes:
    """A key and a certificate for 127.0.0.1 that ends in so many days; less than nothing: it has ended."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=90))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + made.public_bytes(serialization.Encoding.PEM)


# --- supervisord --------------------------------------------------------------------------------------------------

API = Path(__file__).with_name("small_api.py")


class Supervisord(Server):
    """supervisord with one program, `api`; it is asked to end, so that its program ends too."""

    api_port: int
    control_port: int

    def wait_for_api(self) -> None:
        """Until the port of its program is open: another process takes its own time."""
        deadline = time.monotonic() + START_SECONDS
        while not _is_open(self.api_port):
            assert time.monotonic() < deadline, (self.folder / "supervisord.log").read_text()[-800:]
            time.sleep(0.02)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
        super().stop()


@contextmanager
def supervisord(*, starts_by_itself: bool, ill_starts: int = 0, command: str | None = None) -> Iterator[Supervisord]:
    """A real supervisord. Its API is ill when it is started for the first `ill_starts` times."""
    folder = short_folder("tocsin-supervisord-")
    control, api = free_port(), free_port()
    program = command or f"{sys.executable} {API} {api} {folder / 'starts'} {ill_starts}"
    (folder / "supervisord.conf").write_text(_SUPERVISORD.format(
        folder=folder, port=control, command=program, autostart=str(starts_by_itself).lower()
    ))  # fmt: skip
    url = f"http://127.0.0.1:{control}"
    arguments = [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", str(folder / "supervisord.conf")]
    server = Supervisord(folder, url, arguments, lambda: answers(url), None)
    server.control_port, server.api_port = control, api
    try:
        server.start()
        yield server
    finally:
        server.stop()


_SUPERVISORD = """
[supervisord]
nodaemon = true
logfile = {folder}/supervisord.log
pidfile = {folder}/supervisord.pid
childlogdir = {folder}

[inet_http_server]
port = 127.0.0.1:{port}

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface

[program:api]
command = {command}
autostart = {autostart}
startretries = 0
"""
