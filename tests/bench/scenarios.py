"""What is measured, and the ratio to mosquitto to reach."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scenario:
    """One closed-loop run of rmq-bench; `target` is the wanted ratio of rmq to mosquitto."""

    name: str
    title: str
    options: tuple[str, ...]
    target: float


def _scenario(name: str, title: str, options: str, target: float) -> Scenario:
    return Scenario(name, title, tuple(options.split()), target)


SCENARIOS = (
    _scenario("pair1w64q0", "1 pair, window 64, QoS 0", "pair -c 1 -w 64 -q 0", 2.0),
    _scenario("pair100w1q0", "100 pairs, window 1, QoS 0", "pair -c 100 -w 1 -q 0", 1.05),
    _scenario("pair100w16q0", "100 pairs, window 16, QoS 0", "pair -c 100 -w 16 -q 0", 4.0),
    _scenario("fanin100w8q0", "fan-in 100 → 1, window 8, QoS 0", "fan-in -c 100 -w 8 -q 0", 4.0),
    _scenario("fanout100w16q0", "fan-out 1 → 100, window 16, QoS 0", "fan-out -c 100 -w 16 -q 0", 7.0),
    _scenario("pair100w1q1", "100 pairs, window 1, QoS 1", "pair -c 100 -w 1 -q 1", 1.0),
    _scenario("pair100w16q1", "100 pairs, window 16, QoS 1", "pair -c 100 -w 16 -q 1", 4.0),
    _scenario("fanin100w8q1", "fan-in 100 → 1, window 8, QoS 1", "fan-in -c 100 -w 8 -q 1", 4.0),
    _scenario("fanout100w16q1", "fan-out 1 → 100, window 16, QoS 1", "fan-out -c 100 -w 16 -q 1", 3.5),
)

LATENCY_OF = {0: "pair100w1q0", 1: "pair100w1q1"}
"""Latency is measured at half of what mosquitto reached in this scenario, by QoS."""

CONNECTS_PER_S = 5000
BYTES_PER_IDLE_CONNECTION = 4096
