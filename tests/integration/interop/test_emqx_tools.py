"""Programs of others that ask EMQX 5's API, as they are published: what they show is what clients did."""

from __future__ import annotations

import base64
import re
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.integration.http_api.http import Http
from tests.support.broker_process import REPOSITORY, BrokerProcess, free_ports
from tests.support.client import Client

pytestmark = pytest.mark.interop_pypi

MONITOR: Final = REPOSITORY / ".venv-interop" / "bin" / "emqx-client-monitor"
TIMEOUT_S: Final = 20.0
LOGIN: Final = {"Authorization": "Basic " + base64.b64encode(b"admin:public").decode()}


@pytest.fixture
def node(tmp_path: Path) -> Iterator[BrokerProcess]:
    """A node with the API."""
    assert MONITOR.exists(), "RMQ_INTEROP_PYPI=1, but emqx-client-monitor is missing: scripts/test_packages.sh --js"
    process = BrokerProcess(tmp_path, ['plugins.default_startups=["rmq-http-api"]'])
    try:
        yield process
    finally:
        process.stop()
    assert "Traceback" not in process.log


@pytest.fixture
def config(node: BrokerProcess, tmp_path: Path) -> dict[str, Any]:
    """Its configuration, with an API key that was just made."""
    http = Http.of(node)
    key = http.ask("POST", "/api/v5/api_key", {"name": "monitor", "enable": True, "role": "viewer"}, LOGIN)
    assert key.status == 200, key.text
    return {
        "emqx": {
            "api_key": key.json["api_key"],
            "api_secret": key.json["api_secret"],
            "api_url": f"http://127.0.0.1:{http.port}/api",
            "alias": "rmq",
        },
        "monitored_clients": [{"alias": "one", "client_id": "sensor-1"}, {"alias": "none", "client_id": "sensor-9"}],
        "prometheus": {
            "port": free_ports(1)[0],
            "address": "127.0.0.1",
            "ttl_seconds": 0,
            "enable_qos_split": True,
            "enable_dropped_counters": True,
            "enable_reason_split": True,
            "enable_dates": True,
        },
    }


def written(config: dict[str, Any], directory: Path) -> list[str]:
    """The program with its configuration."""
    path = directory / "monitor.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return [str(MONITOR), "--cfg", str(path)]


def test_emqx_client_monitor_lists_clients(node: BrokerProcess, config: dict[str, Any], tmp_path: Path) -> None:
    clients = [Client(node.address, name) for name in ("sensor-1", "sensor-2")]
    try:
        for client in clients:
            client.connect()
        command = [*written(config, tmp_path), "check"]
        for more, wanted in (([], {"one"}), (["--all"], {"sensor-1", "sensor-2"})):
            done = subprocess.run(
                [*command, *more],
                capture_output=True,
                text=True,
                timeout=TIMEOUT_S,
                check=False,
                env={"COLUMNS": "300"},
            )
            assert done.returncode == 0, done.stdout + done.stderr
            assert f"Fetched {len(wanted)} clients" in done.stdout
            assert wanted <= set(re.findall(r"[\w-]+", done.stdout)), done.stdout
    finally:
        for client in clients:
            client.close()


def test_emqx_client_monitor_exports_figures(node: BrokerProcess, config: dict[str, Any], tmp_path: Path) -> None:
    sensor, other = Client(node.address, "sensor-1"), Client(node.address, "other")
    url = f"http://127.0.0.1:{config['prometheus']['port']}/metrics"
    with (tmp_path / "monitor.log").open("wb") as log:
        exporter = subprocess.Popen(
            [*written(config, tmp_path), "prometheus"], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        sensor.connect()
        other.connect()
        sensor.subscribe(("to/sensor", 1))
        sensor.publish("from/sensor", b"x", 0)
        sensor.publish("from/sensor", b"x", 1)
        sensor.publish("from/sensor", b"x", 1)
        other.publish("to/sensor", b"x", 1)
        sensor.receive_publish(b"x")
        figures = until_told(url, 'emqx_client_monitor_messages_processed_total{alias="one"', 4)
    finally:
        exporter.terminate()
        exporter.wait(TIMEOUT_S)
        sensor.close()
        other.close()
    one = '{alias="one",broker="rmq",client_id="sensor-1"}'
    assert figures[f"emqx_client_monitor_connected{one}"] == 1
    assert figures['emqx_client_monitor_connected{alias="none",broker="rmq",client_id="sensor-9"}'] == 0
    assert figures[f"emqx_client_monitor_subscriptions{one}"] == 1
    assert figures[f"emqx_client_monitor_created_at{one}"] == pytest.approx(time.time(), abs=600)

    def of(name: str, direction: str, **labels: str) -> float:
        named = {"alias": "one", "broker": "rmq", "client_id": "sensor-1", "direction": direction, **labels}
        inner = ",".join(f'{label}="{value}"' for label, value in sorted(named.items()))
        return figures[f"emqx_client_monitor_{name}_total{{{inner}}}"]

    assert (of("messages_processed", "rx"), of("messages_processed", "tx")) == (3, 1)
    assert [of("messages_processed_by_qos", "rx", qos=qos) for qos in "012"] == [1, 2, 0]
    assert [of("messages_processed_by_qos", "tx", qos=qos) for qos in "012"] == [0, 1, 0]
    assert of("packets", "rx") >= 5 and of("packets", "tx") >= 5
    assert of("bytes", "rx") > 0 and of("bytes", "tx") > 0
    assert of("messages_dropped", "tx") == of("messages_dropped_by_reason", "tx", reason="queue_full") == 0


def until_told(url: str, start: str, wanted: float) -> dict[str, float]:
    """The figures of an exporter, once those that begin so are as much as wanted together."""
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        text = ""
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                text = answer.read().decode()
        except OSError:
            pass  # it doesn't listen yet
        rows = (line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
        figures = {name: float(value) for name, value in rows}
        if sum(value for name, value in figures.items() if name.startswith(start)) == wanted:
            return figures
        assert time.monotonic() < deadline, text
        threading.Event().wait(0.05)  # between two questions; nothing tells when it is there
