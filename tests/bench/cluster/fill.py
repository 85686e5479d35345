"""Many sessions, routes and queued messages, as fast as they are taken."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.cluster.client import CONNACK, PUBACK, SUBACK, Client, ClientError, connect, publish, subscribe

AT_A_TIME = 100
PUBLISHERS = 4
BATCH_BYTES = 2 * 1024 * 1024
MAX_BATCH = 100


@dataclass(slots=True)
class Filled:
    """How many messages were acknowledged, when the last one (monotonic), and why not all were, if so."""

    taken: int = 0
    last_at: float = 0.0
    held: str = ""


def sessions(ports: Sequence[int], count: int, routes_each: int) -> None:
    """Make persistent sessions, each with subscriptions of its own, in turn over the ports; they end off line."""
    for first in range(0, count, AT_A_TIME):
        numbers = range(first, min(first + AT_A_TIME, count))
        clients = [(number, Client(ports[number % len(ports)], 60.0)) for number in numbers]
        try:
            for number, client in clients:
                client.send(connect(f"full-{number}", clean=False))
            for number, client in clients:
                if client.expect(CONNACK)[1]:
                    raise ClientError(f"session {number} was refused")
                client.send(subscribe(*(f"full/{number}/{route}" for route in range(routes_each))))
            for number, client in clients:
                if any(code >= 0x80 for code in client.expect(SUBACK)[2:]):
                    raise ClientError(f"subscriptions of session {number} were refused")
        finally:
            for _, client in clients:
                client.close()


def messages(
    ports: Sequence[int], count: int, payload: int, session_count: int, limits_s: tuple[float, float]
) -> Filled:
    """Publish so many messages with QoS 1, to one session after the other.

    It ends early when an acknowledgement is waited for longer than the first of the limits, or all of it takes longer
    than the second.
    """
    patience_s, longest_s = limits_s
    publishers = [Client(ports[number % len(ports)], patience_s) for number in range(PUBLISHERS)]
    batch = max(1, min(MAX_BATCH, BATCH_BYTES // payload))
    body = os.urandom(payload)
    found = Filled(last_at=time.monotonic())
    sent = 0
    begun = time.monotonic()
    try:
        for number, publisher in enumerate(publishers):
            publisher.connect(f"full-publisher-{number}", clean=True)
        while found.taken < count:
            if found.last_at - begun > longest_s:
                found.held = f"nobody wanted to wait longer than {longest_s:,.0f} s"
                break
            waiting: list[int] = []
            for publisher in publishers:
                size = min(batch, count - sent)
                topics = [f"full/{(sent + index) % session_count}/0" for index in range(size)]
                publisher.send(b"".join(publish(topic, body, index) for index, topic in enumerate(topics, 1)))
                waiting.append(size)
                sent += size
            for publisher, size in zip(publishers, waiting, strict=True):
                for _ in range(size):
                    publisher.expect(PUBACK)
                found.taken += size
                found.last_at = time.monotonic()
    except ClientError as error:
        found.held = f"publishers were held {found.last_at - begun:.0f} s after their first message: {error}"
    finally:
        for publisher in publishers:
            publisher.close()
    return found
