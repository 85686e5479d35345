"""The page the comparison writes: ratios, verdicts, what is kept of the old page."""

from __future__ import annotations

from pathlib import Path

from tests.bench import document
from tests.bench.counters import compare
from tests.bench.load_tool import Measured
from tests.bench.results import CounterCheck, Durability, Memory, Neighbours, Results, Series, ratio


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
        "ack_latency_us": {},
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


def row(page: Path, start: str) -> str:
    """The first line that begins so."""
    return next(line for line in page.read_text().splitlines() if line.startswith(start))


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
    assert "**2.05** | 2 | met" in row(page, "| 1 pair, window 64, QoS 0")
    assert "**0.99** | 1 | **NOT met**" in row(page, "| 100 pairs, window 1, QoS 1")
    assert "2.00 | ≤ 1 | **NOT met**" in row(page, "| QoS 0, 50,000 msg/s, p50")
    assert "1.00 | ≤ 1 | met" in row(page, "| QoS 0, 50,000 msg/s, p99")
    assert row(page, "| connect + subscribe per second").endswith("| **NOT met** |")
    assert row(page, "| bytes per idle connection").endswith("| **NOT met** |")
    assert "id = 1" in page.read_text().splitlines()


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


def test_durability_is_a_ratio_of_quorum_to_mosquitto_and_its_cost(tmp_path: Path) -> None:
    found = results()
    found.durability = Durability("ext4 on /dev/sda", 184.4)
    rates = {"mosquitto": 20_000, "memory": 30_000, "quorum": 25_000, "quorum_fsync": 10_000}
    by_keeper = {keeper: series(rate) for keeper, rate in rates.items()}
    for keeper, syncs in (("mosquitto", 0), ("memory", None), ("quorum", 1), ("quorum_fsync", 4)):
        by_keeper[keeper].syncs = [syncs]
    found.durability.runs["100 pairs, window 1"] = by_keeper
    page = tmp_path / "benchmarks.md"
    document.write(page, found, "")
    text = page.read_text()
    assert "## What durability costs" in text
    assert "ext4 on /dev/sda" in text
    assert "184 µs" in text
    assert "| 100 pairs, window 1 | 20,000 | 30,000 | 25,000 | 10,000 | **1.25** |" in text
    assert "| 100 pairs, window 1 | 5,000 | 3,333 | 4,000 | 10,000 |" in text  # µs: 100 exchanges at a time
    assert "| - / - / 10.0 / 2.5 | 50 / 50 / 50 / 50 |" in text  # 10 messages were received


def test_a_run_without_any_connection_does_not_stop_the_page(tmp_path: Path) -> None:
    nothing = measured(0)
    nothing["totals"] = {}
    found = results()
    found.durability = Durability("ext4 on /dev/sda", 1)
    keepers = ("mosquitto", "memory", "quorum", "quorum_fsync")
    found.durability.runs["1 pair, window 1"] = {keeper: Series([nothing], [0.1], [2]) for keeper in keepers}
    document.write(tmp_path / "benchmarks.md", found, "")
    assert "| 1 pair, window 1 | - | - | - | - |" in (tmp_path / "benchmarks.md").read_text()


def test_neighbours_say_who_stayed_and_who_was_refused(tmp_path: Path) -> None:
    found = results()
    alone = {name: Neighbours(0, series(100_000), [0], [0.31]) for name in ("mosquitto", "rmq")}
    found.neighbours["alone"] = alone
    found.neighbours["beside"] = {
        "mosquitto": Neighbours(1000, series(100_000, 200_000), [1000, 1000], [0.5, 0.7]),
        "rmq": Neighbours(1000, series(300_000), [500, 500], [None, None, 1.04]),
    }
    found.neighbours["nobody came"] = {name: Neighbours(5) for name in ("mosquitto", "rmq")}
    page = tmp_path / "benchmarks.md"
    document.write(page, found, "")
    assert row(page, "| alone ") == "| alone | 100 | 100 | 3 | 3 | - / - | 0.3 / 0.3 |"
    assert row(page, "| beside ") == (
        "| beside | 150 (100 to 200) | 300 | 3 (3 to 3) | 3 | 1,000 of 1,000 / 500 of 1,000 | "
        "0.6 / 1.0, refused 2 of 3 times |"
    )
    assert row(page, "| nobody came ") == "| nobody came | - | - | - | - | - / - | - / - |"
