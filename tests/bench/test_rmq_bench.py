"""rmq-bench as a process against mosquitto: every mode, all QoS, both protocols; its JSON and its exit codes."""

from __future__ import annotations

import pytest

from tests.bench.bench_process import bench, free_port, totals

pytestmark = pytest.mark.realtime


@pytest.mark.parametrize("protocol", ["3.1", "3.1.1", "5"])
@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("mode", ["pair", "fan-in", "fan-out"])
def test_messages_arrive_exactly_once(port: int, mode: str, qos: int, protocol: str) -> None:
    code, result = bench(port, mode, "-c", "4", "-q", str(qos), "-V", protocol, "-n", "200", "-w", "8")
    assert (code, result["error"]) == (0, None)
    counted = totals(result)
    receivers = 4 if mode == "fan-out" else 1
    assert (counted["sent"], counted["received"], result["lost"]) == (200, 200 * receivers, 0)
    acknowledged = {0: (0, 0, 0), 1: (200, 0, 0), 2: (0, 200, 200)}[qos]
    assert (counted["puback_received"], counted["pubrec_received"], counted["pubcomp_received"]) == acknowledged
    assert counted["puback_sent"] == (200 * receivers if qos == 1 else 0)
    assert counted["pubcomp_sent"] == (200 * receivers if qos == 2 else 0)


def test_publishers_alone_wait_for_their_acknowledgements(port: int) -> None:
    code, result = bench(port, "pub", "-c", "3", "-q", "1", "-n", "300")
    assert (code, totals(result)["sent"], totals(result)["puback_received"]) == (0, 300, 300)


def test_subscribers_alone_to_whom_nobody_publishes_fail(port: int) -> None:
    code, result = bench(port, "sub", "-d", "0.2", "--warmup", "0")
    assert (code, result["error"]) == (1, "nothing arrived")


def test_an_open_loop_keeps_its_rate(port: int) -> None:
    code, result = bench(port, "pair", "-c", "2", "-r", "1000", "-n", "500")
    assert (code, totals(result)["received"]) == (0, 500)
    seconds = result["seconds"]
    assert isinstance(seconds, float) and seconds >= 0.49
    latency = result["latency_us"]
    assert isinstance(latency, dict) and 0 < latency["p50"] <= latency["p99"] <= latency["max"]


def test_connections_with_and_without_subscription(port: int) -> None:
    for option in ("--subscribe", "--no-subscribe"):
        code, result = bench(port, "conn", "-c", "100", option)
        assert (code, result["connected"], result["failures"]) == (0, 100, {})


def test_nobody_listening_is_a_failure() -> None:
    code, result = bench(free_port(), "pair", "-c", "2", "-d", "1")
    assert (code, result["connected"]) == (1, 0)
    assert result["failures"] == {"connect: Connection refused": 4}
