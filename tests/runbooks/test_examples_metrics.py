"""The runbooks that ask Prometheus, against a real Prometheus and what it scrapes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.domain.runs.outcome import Done, Failed, Waiting
from tests.engine.steps.support import make_context
from tests.runbooks.test_examples import example
from tests.support.backends import free_port
from tests.support.clock import HandClock
from tests.support.programs import blackbox, prometheus, tls_server
from tests.support.walk import Walk

Hands = Mapping[str, Callable[[str], None]]


def walk_of(runbook_id: str, url: str, hands: Hands | None = None, **given: object) -> Walk:
    clock = HandClock(datetime.now(UTC))  # Prometheus has its own clock, and a range ends now
    context = make_context({"metrics": ("prometheus", url)}, clock=clock)
    return Walk(example(runbook_id), context, given, hands)


def probes(exporter: str, module: str, *targets: str) -> Mapping[str, object]:
    """As the exporter's documentation has it: it is asked, and the target becomes the instance."""
    relabel = [
        {"source_labels": ["__address__"], "target_label": "__param_target"},
        {"source_labels": ["__param_target"], "target_label": "instance"},
        {"target_label": "__address__", "replacement": exporter},
    ]
    return {
        "job_name": module,
        "metrics_path": "/probe",
        "params": {"module": [module]},
        "static_configs": [{"targets": list(targets)}],
        "relabel_configs": relabel,
    }


# --- certificates -------------------------------------------------------------------------------------------------


@pytest.mark.long
async def test_certificates_that_end(tmp_path: Path) -> None:
    """Those that end or ended are named, renewed by hand, and Prometheus must see the new ones; then nobody is asked.

    For the one that ended the exporter has no figure, since it refuses it: what was seen an hour ago counts.
    """
    read: list[str] = []
    with (
        tls_server(tmp_path / "over", -2) as over,
        tls_server(tmp_path / "soon", 3.5) as soon,
        tls_server(tmp_path / "late", 200) as late,
        blackbox(over.path) as exporter,
        prometheus(
            [probes(exporter, "lax", soon.address, late.address), probes(exporter, "strict", over.address)],
            history=_seen_an_hour_ago(over.address),
        ) as url,
    ):

        def renew(text: str) -> None:
            read.append(text)
            soon.renew(90)
            over.renew(90)

        walk = walk_of("certificate_expiry", url, {"renew": renew})
        await _until_ok(walk, "watched", 3)
        await _until_ok(walk, "failing")
        await walk.step("ending")
        early = await walk.look("renewed", since=datetime.now(UTC))
        outcome = await walk.go()
        after = walk_of("certificate_expiry", url)
        assert isinstance(await after.go(), Done)
    assert isinstance(early, Waiting)
    assert isinstance(outcome, Done)
    assert instances(walk, "ending") == [over.address, soon.address]
    ended, ending = (one["value"] for one in walk.seen("ending")["samples"])
    assert -0.1 < ended < 0  # half an hour, not the two days that the certificate itself would say
    assert 3 < ending < 3.6
    assert instances(walk, "failing") == [over.address]
    assert f"{over.address}, {soon.address}" in read[0]
    assert late.address not in read[0]
    assert after.done == ["watched", "ending", "failing"]


async def test_nothing_is_watched() -> None:
    """Then the run fails: that no certificate ends would be no comfort."""
    with prometheus([]) as url:
        walk = walk_of("certificate_expiry", url)
        outcome = await walk.look("watched", since=datetime(2026, 1, 1, tzinfo=UTC))
    assert isinstance(outcome, Failed)
    assert "The query found nothing." in outcome.sentence


def _seen_an_hour_ago(instance: str) -> str:
    """A certificate that was good then, and ended half an hour ago."""
    now = time.time()
    sample = f'probe_ssl_earliest_cert_expiry{{job="strict",instance="{instance}"}} {now - 1800:.0f} {now - 3600:.0f}'
    return f"# TYPE probe_ssl_earliest_cert_expiry gauge\n{sample}\n# EOF\n"


def instances(walk: Walk, step_id: str) -> list[str]:
    return [one["labels"]["instance"] for one in walk.seen(step_id)["samples"]]


async def _until_ok(walk: Walk, step_id: str, value: float | None = None) -> None:
    """Until the step says yes, with that value where one is given: Prometheus scrapes in its own time."""
    deadline = time.monotonic() + 20
    while True:
        await walk.step(step_id)
        seen = walk.seen(step_id)
        if seen["ok"] and value in (None, seen.get("value")):
            return
        assert time.monotonic() < deadline


# --- errors -------------------------------------------------------------------------------------------------------


@contextmanager
def shop(percent_now: float) -> Iterator[str]:
    """A Prometheus with an hour of a shop's requests: well at first, and with so many errors since 20 minutes."""
    with prometheus([], history=_requests(percent_now)) as url:
        yield url


def _requests(percent_now: float) -> str:
    """Ten requests a second for each of two paths, a point every 15 seconds; all errors at /pay."""
    now = int(time.time())
    lines = ["# TYPE http_requests counter"]
    for handler, code in (("/pay", "200"), ("/pay", "500"), ("/list", "200")):
        total = 0.0
        for at in range(now - 4200, now + 1, 15):
            share = percent_now / 50 if at > now - 1200 else 0.0
            total += 150 * {"/pay500": share, "/pay200": 1 - share, "/list200": 1.0}[handler + code]
            labels = f'job="api",handler="{handler}",code="{code}"'
            lines.append(f"http_requests_total{{{labels}}} {total:.3f} {at}")
    return "\n".join([*lines, "# EOF\n"])


async def test_too_many_errors() -> None:
    """How many, since when and where is found; a person reads it in one sentence."""
    read: list[str] = []
    with shop(20) as url:
        walk = walk_of("error_rate", url, {"mend": read.append})
        for step_id in ("traffic", "rate", "history", "where", "down", "restarted", "mend"):
            await walk.step(step_id)
        recovered = await walk.look("recovered", since=datetime.now(UTC))
    assert walk.seen("rate")["value"] == pytest.approx(20, abs=0.5)
    hour = [float(one) for one in walk.seen("history")["percent"].split(", ")]
    assert hour[0] == 0
    assert hour[-1] == pytest.approx(20, abs=0.5)
    assert walk.seen("where")["most"] == "/pay"
    assert read[0].startswith("20.0 % of the requests to api end in an error, most at /pay.")
    assert isinstance(recovered, Waiting)


async def test_errors_as_usual() -> None:
    """No errors at all are 0 %, not nothing, and nobody is asked to mend anything."""
    with shop(0) as url:
        walk = walk_of("error_rate", url)
        assert isinstance(await walk.go(), Done)
    assert walk.seen("rate")["value"] == 0
    assert walk.done == ["traffic", "rate", "history", "where", "down", "restarted"]


async def test_the_job_is_another() -> None:
    """A wrong name is a failure: that it has no errors would be no comfort."""
    with shop(20) as url:
        walk = walk_of("error_rate", url, job="spi")
        outcome = await walk.look("traffic", since=datetime(2026, 1, 1, tzinfo=UTC))
    assert isinstance(outcome, Failed)
    assert "The query found nothing." in outcome.sentence


@pytest.mark.long
async def test_another_metric() -> None:
    """Names and labels are the operator's: here Prometheus counts its own requests, and has just come up."""
    nobody = f"127.0.0.1:{free_port()}"
    down = {"job_name": "down", "static_configs": [{"targets": [nobody]}], "relabel_configs": [OWN_JOB]}
    with prometheus([down], itself="own") as url:
        walk = walk_of("error_rate", url, job="own", metric="prometheus_http_requests_total")
        await _until_ok(walk, "traffic")
        await _until_ok(walk, "down")
        assert isinstance(await walk.go(), Done)
    assert instances(walk, "down") == [nobody]
    assert instances(walk, "restarted") == [url.removeprefix("http://")]
    assert walk.done == ["traffic", "down", "rate", "history", "where", "restarted"]


OWN_JOB = {"target_label": "job", "replacement": "own"}
