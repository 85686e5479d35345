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
from tests.support.certificates import Certificates
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

# Names that boards for EMQX are made of, "emqx_" before each; a brace has its endings. Those of Erlang's machine and
# its databases (vm_, mria_, ds_) aren't among them.
_BOARDS: Final = """
connections_count connections_max live_connections_count live_connections_max sessions_count sessions_max
cluster_sessions_count topics_count subscribers_count subscriptions_count subscriptions_shared_count suboptions_count
channels_count retained_count delayed_count durable_subscriptions_count routes_count
messages_{received,sent,publish,delivered,acked,forward,delayed,retained,dropped}
messages_dropped_{expired,no_subscribers,quota_exceeded,receive_maximum,await_pubrel_timeout}
messages_qos0_{received,sent} messages_qos1_{received,sent} messages_qos2_{received,sent}
delivery_dropped delivery_dropped_{expired,no_local,qos0_msg,queue_full,too_large} bytes_{received,sent}
packets_{received,sent} packets_publish_{received,sent,error,auth_error,dropped} packets_connect_received
packets_connack_{sent,error,auth_error} packets_puback_{received,sent,missed} packets_pubrec_{received,sent,missed}
packets_pubrel_{received,sent,missed} packets_pubcomp_{received,sent,missed}
packets_subscribe_{received,error,auth_error} packets_suback_sent
packets_unsubscribe_{received,error} packets_unsuback_sent packets_pingreq_received
packets_pingresp_sent packets_disconnect_{received,sent} packets_auth_{received,sent}
client_{connect,connack,connected,authenticate,authorize,subscribe,unsubscribe,disconnected}
session_{created,resumed,takenover,discarded,terminated}
authentication_{success,success_anonymous,failure}
authorization_{allow,deny,cache_hit,cache_miss,superuser,nomatch}
overload_protection_{delay_ok,delay_timeout,hibernation,gc,new_conn}
cluster_nodes_{running,stopped} cert_expiry_at vm_used_memory
"""


def names_of_boards() -> set[str]:
    """All of them, written out."""
    found = set()
    for word in _BOARDS.split():
        start, brace, ends = word.partition("{")
        found |= {f"emqx_{start}{end}" for end in ends.rstrip("}").split(",")} if brace else {f"emqx_{word}"}
    return found


@pytest.mark.parametrize("mode", ["node", "all_nodes_aggregated", "all_nodes_unaggregated"])
def test_every_name_of_boards_is_there(tmp_path: Path, mode: str) -> None:
    """As samples of a node, not as lines that announce them."""
    pair = Certificates(tmp_path).authority.server
    door = (f"addr=127.0.0.1:{free_ports(1)[0]}", f"cert={pair.certfile}", f"key={pair.keyfile}")
    sets = [f"listener.tls.external.{key}" for key in door]
    node = BrokerProcess(tmp_path, ['plugins.default_startups=["rmq-http-api"]', *sets])
    try:
        text = Http.of(node).ask("GET", f"{PATH}?mode={mode}").text
    finally:
        node.stop()
    samples = set(re.findall(r"^(emqx_\w+)(?:\{[^}]*\})? \S+$", text, re.MULTILINE))
    assert names_of_boards() <= samples, sorted(names_of_boards() - samples)


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
