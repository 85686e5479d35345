"""The page of the cluster's benchmark: ratios of rounds, verdicts, what is kept of the old page."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.cluster import page
from tests.bench.cluster.results import Failovers, Full, NodeSize, Pauses, Results, Run, Runs, Wait, percentile, ratio
from tests.bench.cluster.scenarios import ALONE, NATS, RABBITMQ, RMQ
from tests.bench.test_document import measured, row


def runs(*rates: float, cpu: float = 1.0, ack_us: float = 0.0) -> Runs:
    """One run a rate, each with 10 messages received over all and this processor time on two nodes."""
    made: list[Run] = []
    for rate in rates:
        found = measured(rate, rate)
        found["ack_latency_us"] = {"p50": ack_us, "p99": ack_us, "max": ack_us}
        made.append(Run(found, [cpu / 2, cpu / 2]))
    return Runs(made)


def results() -> Results:
    """Results with nothing measured."""
    return Results({"processor": "x"}, {"description": "d", "seconds": "5", "connections": "10", "cores": "all"})


def test_a_ratio_is_that_of_the_rounds() -> None:
    assert ratio([100, 200, 400], [200, 400, 400]) == 2.0
    assert ratio([], [1]) == 0.0


@pytest.mark.parametrize(("share", "wanted"), [(0.5, 10), (0.95, 19), (1.0, 20), (0.01, 1)])
def test_percentile_of_twenty_kills(share: float, wanted: float) -> None:
    assert percentile([float(value) for value in range(20, 0, -1)], share) == wanted


def test_processor_time_is_that_of_all_nodes() -> None:
    assert Run(measured(1), [0.5, 1.0, 0.5]).per_cpu_second() == 5.0


def test_verdicts_are_honest(tmp_path: Path) -> None:
    found = results()
    found.transient["pairs-q0"] = {ALONE: runs(9, cpu=0.5), RMQ: runs(9, cpu=1.0), NATS: runs(9)}
    found.transient["pairs-q1"] = {ALONE: runs(9, cpu=0.5), RMQ: runs(9, cpu=0.6)}
    found.persistent = {RABBITMQ: runs(8_000, 7_000), RMQ: runs(15_000, 15_000)}
    found.half_load = {RMQ: runs(7_500, ack_us=50_001)}
    found.fixed_load = {RMQ: runs(7_500, ack_us=50_000)}
    found.connects = {RMQ: runs(2_999)}
    found.failovers = Failovers([0.5] * 18 + [3.1, 9.0], 4, [1.0])
    target = tmp_path / "page.md"
    page.write(target, found)
    assert row(target, "| 100 pairs, node 1 → 2, QoS 0").endswith("| **0.50** | 0.6 | **NOT met** |")
    assert row(target, "| 100 pairs, node 1 → 2, QoS 1").endswith("| **0.83** | 0.6 | met |")
    assert row(target, "| messages per second |") == "| messages per second | 15,000 | ≥ 15,000 | met |"
    assert row(target, "| messages per second, rmq : RabbitMQ").endswith("| 2.01 | ≥ 2 | met |")
    assert row(target, "| PUBACK p99 at half of its own rate, ms").endswith("| 50.0 | ≤ 50 | **NOT met** |")
    assert row(target, "| PUBACK p99 at 7,500 msg/s, ms").endswith("| 50.0 | ≤ 50 | met |")
    assert row(target, "| CONNECT + SUBSCRIBE per second | 2,999 | ≥").endswith("| **NOT met** |")
    assert row(target, "| p95").endswith("| 3.10 | ≤ 3 | **NOT met** |")
    assert row(target, "| max").startswith("| max | 9.00")


def test_a_full_cluster_tells_sizes_waits_and_why_publishers_were_held(tmp_path: Path) -> None:
    found = results()
    full = Full(65_536, 100, 200, 500, taken=300, held="publishers were held after 9 s", budgets={"disk_budget": "1GB"})
    full.sizes["messages queued"] = [NodeSize(1 << 20, 2 << 20, 3 << 20)] * 3
    full.waits = [Wait("while snapshots are written", 10, 0.001, 0.01, 0.101), Wait("while a node is away", 1, 1, 1, 1)]
    full.rejoin = {"killed, until it serves": 1.25}
    full.pauses = {
        "while sessions are made": Pauses([0.005, 0.3, 0.02], [0.004, 0.1, 0.02]),
        "while all stands still": Pauses([0.5, 0.1, 1.5], [0.4, 0.05, 0.101]),
    }
    found.full = [full]
    target = tmp_path / "page.md"
    page.write(target, found)
    text = target.read_text()
    assert "300 of 500 messages were acknowledged in 0 s; publishers were held after 9 s" in text
    assert row(target, "| messages queued") == "| messages queued | 1 / 1 / 1 | 2 / 2 / 2 | 3 / 3 / 3 |"
    assert row(target, "| while snapshots").endswith("| 101 | **NOT met** |")
    assert row(target, "| while a node").endswith("| 1,000 |  |")
    assert row(target, "| while sessions are made").endswith("| 5 / 300 / 20 | 4 / 100 / 20 | met |")
    assert row(target, "| while all stands").endswith("| 500 / 100 / 1,500 | 400 / 50 / 101 | **NOT met** |")
    assert "| killed, until it serves | 1.2 |" in text


def test_what_a_person_wrote_stays_and_problems_are_told(tmp_path: Path) -> None:
    target = tmp_path / "page.md"
    page.write(target, results())
    target.write_text(target.read_text().replace("<!-- notes -->", "<!-- notes -->\nWritten by hand."))
    found = results()
    found.problems.append("round 1, NATS: 2 replicas")
    page.write(target, found)
    assert target.read_text().count("Written by hand.") == 1
    assert "- round 1, NATS: 2 replicas" in target.read_text()
