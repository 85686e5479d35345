"""Prometheus itself scrapes EMQX's path of version 5, without a login, and has the figures that dashboards ask for."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.integration.http_api.http import Http
from tests.integration.monitoring.test_nanomq_scrape import OF_NAMES, TIMEOUT_S, program, until
from tests.support.broker_process import BrokerProcess, free_ports
from tests.support.client import Client

PATH: Final = "/api/v5/prometheus/stats"
SCRAPE: Final = """
scrape_configs:
  - job_name: emqx
    scrape_interval: 200ms
    scrape_timeout: 200ms
    metrics_path: /api/v5/prometheus/stats
    static_configs:
      - targets: ["127.0.0.1:{port}"]
"""
# As panels of EMQX's dashboards have them, and what they show below.
PANELS: Final = (
    ("sum(emqx_connections_count)", 2),
    ("sum(emqx_live_connections_count)", 2),
    ("sum(emqx_sessions_count)", 2),
    ("sum(emqx_subscriptions_count)", 1),
    ("sum(emqx_topics_count)", 1),
    ("sum(emqx_messages_received)", 2),
    ("sum(emqx_messages_qos1_received)", 1),
    ("sum(emqx_messages_dropped_no_subscribers)", 1),
    ("sum(emqx_packets_connect_received)", 2),
    ("sum(emqx_client_connected) - sum(emqx_client_disconnected)", 2),
    ("sum(emqx_cluster_nodes_running)", 1),
    ("count(rate(emqx_bytes_received[10s]))", 1),
)


def test_prometheus_scrapes_it(tmp_path: Path) -> None:
    prometheus, port = program("prometheus"), free_ports(1)[0]
    node = BrokerProcess(tmp_path, ['plugins.default_startups=["rmq-http-api"]'])
    try:
        (tmp_path / "prometheus.yml").write_text(SCRAPE.format(port=Http.of(node).port), encoding="utf-8")
        command = [prometheus, "--config.file=prometheus.yml", "--storage.tsdb.path=tsdb"]
        with (tmp_path / "prometheus.log").open("wb") as log:
            scraper = subprocess.Popen(
                [*command, f"--web.listen-address=127.0.0.1:{port}"],
                cwd=tmp_path,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        subscriber, publisher = Client(node.address, "s"), Client(node.address, "p")
        try:
            subscriber.connect()
            publisher.connect()
            subscriber.subscribe(("t", 0))
            publisher.publish("t", b"x", 1)
            publisher.publish("nobody", b"x", 0)
            until(port, 'up{job="emqx"}', 1)
            for expression, wanted in PANELS:
                until(port, expression, wanted)
        finally:
            subscriber.close()
            publisher.close()
            scraper.terminate()
            scraper.wait(TIMEOUT_S)
    finally:
        node.stop()
    assert "Traceback" not in node.log


@pytest.mark.parametrize("mode", ["node", "all_nodes_aggregated", "all_nodes_unaggregated"])
def test_promtool_reads_it(tmp_path: Path, mode: str) -> None:
    """It can read all of it, and would have nothing otherwise but names and that they are explained."""
    promtool = program("promtool")
    node = BrokerProcess(tmp_path, ['plugins.default_startups=["rmq-http-api"]'])
    try:
        text = Http.of(node).ask("GET", f"{PATH}?mode={mode}").text
    finally:
        node.stop()
    done = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, text=True, timeout=60, check=False
    )
    complaints = (done.stdout + done.stderr).strip().splitlines()
    assert complaints
    for complaint in complaints:
        rules = (*OF_NAMES, "no help text")
        assert any(re.fullmatch(rf"emqx_\w+ {rule}", complaint) for rule in rules), complaint
