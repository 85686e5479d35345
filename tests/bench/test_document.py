"""The page the comparison writes: ratios, verdicts, what is kept of the old page."""

from __future__ import annotations

from pathlib import Path

from tests.bench import document
from tests.bench.counters import compare
from tests.bench.load_tool import Measured
from tests.bench.results import CounterCheck, Memory, Results, Series, ratio


def measured(received_per_s: float, connects_per_s: float = 0.0) -> Measured:
    """A run as rmq-bench reports it."""
    return {
        "connected": 2,
        "failures": {},
        "connects_per_s": connects_per_s,
        "seconds": 5.0,
        "sent_per_s": received_per_s,
        "received_per_s": received_per_s,
        "latency_us": {"p50": received_per_s / 1000, "p90": 2.0, "p99": 3.0, "max": 4.0},
        "late_us": 0,
        "lost": 0,
        "drained": True,
        "totals": {
            "sent": 10, "received": 10, "puback_received": 10, "puback_sent": 10, "pubrec_received": 0,
            "pubrec_sent": 0, "pubrel_received": 0, "pubrel_sent": 0, "pubcomp_received": 0, "pubcomp_sent": 0,
        },
        "load_cpu_percent": 50.0,
        "compiled": True,
        "error": None,
    }  # fmt: skip


def series(*rates: float) -> Series:
    """One run for each rate."""
    return Series([measured(rate, rate) for rate in rates], [0.5] * len(rates))


def results() -> Results:
    """Results with nothing measured."""
    options = {"description": "3 runs", "seconds": "5", "warmup": "1"}
    return Results({"processor": "x"}, {"mosquitto": "2", "rmq": "1"}, options)


def test_a_ratio_is_taken_between_neighbouring_runs() -> None:
    assert ratio([100, 200, 400], [200, 400, 400]) == 2.0
    assert ratio([], []) == 0.0


def test_targets_are_printed_with_an_honest_verdict(tmp_path: Path) -> None:
    found = results()
    found.throughput["pair1w64q0"] = {"mosquitto": series(100_000, 110_000), "rmq": series(210_000, 220_000)}
    found.throughput["pair100w1q1"] = {"mosquitto": series(100_000), "rmq": series(99_000)}
    found.latency[0] = {"mosquitto": series(1_000_000), "rmq": series(2_000_000)}
    found.latency_rate[0] = 50_000
    found.connects = {"mosquitto": series(8000), "rmq": series(4999)}
    found.memory["connected"] = {"mosquitto": Memory(100, 900, 800), "rmq": Memory(100, 4097, 4000)}
    page = tmp_path / "benchmarks.md"
    document.write(page, found, "[node]\nid = 1")
    lines = page.read_text().splitlines()

    def row(start: str) -> str:
        return next(line for line in lines if line.startswith(start))

    assert "**2.05** | 2 | met" in row("| 1 pair, window 64, QoS 0")
    assert "**0.99** | 1 | **NOT met**" in row("| 100 pairs, window 1, QoS 1")
    assert "2.00 | ≤ 1 | **NOT met**" in row("| QoS 0, 50,000 msg/s, p50")
    assert "1.00 | ≤ 1 | met" in row("| QoS 0, 50,000 msg/s, p99")
    assert row("| connect + subscribe per second").endswith("| **NOT met** |")
    assert row("| bytes per idle connection").endswith("| **NOT met** |")
    assert "id = 1" in lines


def test_what_a_person_wrote_stays(tmp_path: Path) -> None:
    page = tmp_path / "benchmarks.md"
    document.write(page, results(), "")
    page.write_text(page.read_text().replace("<!-- notes -->", "<!-- notes -->\n## Where the time goes\nIn sends."))
    document.write(page, results(), "")
    assert page.read_text().count("## Where the time goes\nIn sends.") == 1


def test_counters_that_differ_are_named(tmp_path: Path) -> None:
    run = measured(1)
    delta = {
        "client.connected": 2, "session.subscribed": 1, "messages.publish.custom": 10, "messages.delivered.custom": 9,
        "messages.delivered.system": 3, "messages.dropped": 1, "packets.publish.received": 10,
        "packets.publish.sent": 13,
    }  # fmt: skip
    for name in ("puback", "pubrec", "pubrel", "pubcomp"):
        for way in ("sent", "received"):
            delta[f"packets.{name}.{way}"] = 10 if name == "puback" else 0
    check = CounterCheck("a run", compare(delta, run, subscriptions=1))
    assert check.differences() == [("messages.delivered.custom", 9, 10), ("messages.dropped", 1, 0)]
    found = results()
    found.checks.append(check)
    page = tmp_path / "benchmarks.md"
    document.write(page, found, "")
    assert "**1 runs with differences**" in page.read_text()
    assert "| messages.delivered.custom | 9 | 10 |" in page.read_text()
