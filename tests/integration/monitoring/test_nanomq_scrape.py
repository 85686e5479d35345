"""Prometheus itself scrapes NanoMQ's path, with NanoMQ's login, and has the figures under NanoMQ's names."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, Final

import pytest

from tests.integration.http_api.http import Http
from tests.integration.http_api.nanomq_contract import ask
from tests.support.broker_process import BrokerProcess, free_ports
from tests.support.client import Client

TIMEOUT_S: Final = 30.0
SCRAPE: Final = """
scrape_configs:
  - job_name: nanomq
    scrape_interval: 200ms
    scrape_timeout: 200ms
    metrics_path: /api/v4/prometheus
    basic_auth: {{username: admin, password: public}}
    static_configs:
      - targets: ["127.0.0.1:{port}"]
"""
# What promtool would have otherwise about names that are NanoMQ's.
OF_NAMES: Final = (
    r'counter metrics should have "_total" suffix',
    r'non-histogram and non-summary metrics should not have "_count" suffix',
)


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is missing (Debian package prometheus): see scripts/test_packages.sh")
    return found


def value(port: int, expression: str) -> float | None:
    """What Prometheus has for an expression, None if it has nothing yet."""
    query = urllib.parse.urlencode({"query": expression})
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query?{query}", timeout=5) as answer:
            result: list[Any] = json.load(answer)["data"]["result"]
    except OSError:
        return None
    return float(result[0]["value"][1]) if result else None


def until(port: int, expression: str, wanted: float) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while (found := value(port, expression)) != wanted:
        assert time.monotonic() < deadline, (expression, found)
        threading.Event().wait(0.1)


def test_prometheus_scrapes_it(tmp_path: Path) -> None:
    prometheus, port = program("prometheus"), free_ports(1)[0]
    node = BrokerProcess(tmp_path)
    try:
        (tmp_path / "prometheus.yml").write_text(SCRAPE.format(port=Http.of(node).port), encoding="utf-8")
        with (tmp_path / "prometheus.log").open("wb") as log:
            scraper = subprocess.Popen(
                [
                    prometheus,
                    "--config.file=prometheus.yml",
                    "--storage.tsdb.path=tsdb",
                    f"--web.listen-address=127.0.0.1:{port}",
                ],
                cwd=tmp_path,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            until(port, 'up{job="nanomq"}', 1)
            subscriber, publisher = Client(node.address, "s"), Client(node.address, "p")
            subscriber.connect()
            publisher.connect()
            subscriber.subscribe(("t", 0))
            publisher.publish("t", b"x", 1)
            for name, wanted in (("connections_count", 2), ("messages_received", 1), ("messages_sent", 1)):
                until(port, f"nanomq_{name}", wanted)
            subscriber.close()
            publisher.close()
            until(port, "nanomq_connections_count", 0)
            until(port, "nanomq_connections_max", 2)
        finally:
            scraper.terminate()
            scraper.wait(TIMEOUT_S)
    finally:
        node.stop()
    assert "Traceback" not in node.log


def test_promtool_reads_it(tmp_path: Path) -> None:
    """It can read all of it, and would have nothing otherwise but names."""
    promtool = program("promtool")
    node = BrokerProcess(tmp_path)
    try:
        text = ask(Http.of(node), "GET", "/api/v4/prometheus").text
    finally:
        node.stop()
    done = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, text=True, timeout=60, check=False
    )
    complaints = (done.stdout + done.stderr).strip().splitlines()
    assert complaints
    for complaint in complaints:
        assert any(re.fullmatch(rf"nanomq_\w+ {rule}", complaint) for rule in OF_NAMES), complaint
