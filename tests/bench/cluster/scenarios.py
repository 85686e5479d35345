"""What is measured, and the figures to reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

RMQ: Final = "rmq"
ALONE: Final = "rmq-alone"
RABBITMQ: Final = "rabbitmq"
NATS: Final = "nats"
SYSTEMS: Final = (RABBITMQ, NATS, ALONE, RMQ)
TITLES: Final = {RABBITMQ: "RabbitMQ", NATS: "NATS", ALONE: "rmq alone", RMQ: "rmq"}

ACROSS: Final = "across"
SPREAD: Final = "spread"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One closed-loop run of rmq-bench, and where its connections go.

    `across`: publishers on node 1, subscribers on node 2. `spread`: both over all nodes, each pair on two of them.
    """

    name: str
    title: str
    options: tuple[str, ...]
    place: str


def _scenario(name: str, title: str, options: str, place: str) -> Scenario:
    return Scenario(name, title, tuple(options.split()), place)


TRANSIENT: Final = (
    _scenario("pairs-q0", "100 pairs, node 1 → 2, QoS 0", "pair -c 100 -w 16 -q 0", ACROSS),
    _scenario("pairs-q1", "100 pairs, node 1 → 2, QoS 1", "pair -c 100 -w 16 -q 1", ACROSS),
    _scenario("spread-q0", "100 pairs over all nodes, QoS 0", "pair -c 100 -w 16 -q 0", SPREAD),
    _scenario("spread-q1", "100 pairs over all nodes, QoS 1", "pair -c 100 -w 16 -q 1", SPREAD),
    _scenario("fanout-q0", "fan-out 1 → 100 over all nodes, QoS 0", "fan-out -c 100 -w 16 -q 0", SPREAD),
    _scenario("fanout-q1", "fan-out 1 → 100 over all nodes, QoS 1", "fan-out -c 100 -w 16 -q 1", SPREAD),
    _scenario("fanin-q1", "fan-in 100 over all nodes → 1, QoS 1", "fan-in -c 100 -w 8 -q 1", SPREAD),
)
"""Subscribers that are connected, with sessions that end with the connection."""

PERSISTENT: Final = _scenario(
    "persistent", "100 pairs over all nodes", "pair -c 100 -w 16 -q 1 -s 256 --persistent --until-acked", SPREAD
)
"""A message leaves its window when its subscriber has it and the broker has acknowledged it."""

PACED: Final = _scenario(
    "paced", "the same at a given rate", "pair -c 100 -q 1 -s 256 --persistent --ack-latency --no-spin", SPREAD
)

FORWARDED_RATIO: Final = 0.60
PERSISTENT_PER_S: Final = 15_000
PERSISTENT_RATIO: Final = 2.0
ACK_P99_US: Final = 50_000
CONNECTS_PER_S: Final = 3_000
FAILOVER_P95_S: Final = 3.0
SNAPSHOT_PAUSE_S: Final = 0.1
