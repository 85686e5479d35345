"""From the death of the leader to the first acknowledged publish to a persistent session on a survivor."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from tests.bench.cluster.client import PUBACK, Client, ClientError, publish
from tests.bench.cluster.results import Failovers
from tests.bench.cluster.rmq import Rmq
from tests.bench.cluster.servers import BenchError

_EVERY_S = 0.005
_PATIENCE_S = 30.0
_TOPIC = "failover"


def measure(system: Rmq, kills: int, found: Failovers, say: Callable[[str], None]) -> None:
    """Kill whoever leads, so many times; each time the killed node comes back before the next."""
    with Client(system.ports[0]) as subscriber:
        subscriber.connect("failover-subscriber", clean=False)
        subscriber.subscribe(_TOPIC)
    every_node = range(len(system.ports))
    for number in range(kills):
        system.wait_until_whole()
        leader = system.leader(every_node)
        survivor = random.choice([index for index in every_node if index != leader])
        publisher = _Publisher(system.ports[survivor])
        try:
            publisher.publish_for(1.0)
            seconds = publisher.until_acknowledged(system.servers[leader].kill)
        finally:
            publisher.close()
        found.seconds.append(seconds)
        found.reconnects += publisher.reconnects
        found.rejoins.append(system.restart(leader))
        say(f"  kill {number + 1}, node {leader + 1}: {seconds:.2f} s; it serves again {found.rejoins[-1]:.2f} s later")


class _Publisher:
    """Publishes every few milliseconds, whether the last message was acknowledged or not, and comes back if closed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._client: Client | None = None
        self._packet_id = 0
        self._sent_at: dict[int, float] = {}
        self.reconnects = -1

    def publish_for(self, seconds: float) -> None:
        """Until things are under way."""
        end = time.monotonic() + seconds
        acknowledged = 0.0
        while time.monotonic() < end or not acknowledged:
            acknowledged = self._step() or acknowledged
            if time.monotonic() > end + _PATIENCE_S:
                raise BenchError("failover: nothing is acknowledged before the leader is killed")

    def until_acknowledged(self, kill: Callable[[], None]) -> float:
        """Seconds from the kill until a message that was sent after it is acknowledged."""
        killed = time.monotonic()
        kill()
        while True:
            if self._step() >= killed:
                return time.monotonic() - killed
            if time.monotonic() > killed + _PATIENCE_S:
                raise BenchError(f"failover: nothing was acknowledged within {_PATIENCE_S:g} s")

    def close(self) -> None:
        """Leave."""
        if self._client is not None:
            self._client.close()

    def _step(self) -> float:
        """Send one message and take what comes; when the latest message was sent that is acknowledged now, or 0."""
        latest = 0.0
        try:
            if self._client is None:
                self._client = Client(self._port, _PATIENCE_S)
                self._client.connect("failover-publisher", clean=True)
                self.reconnects += 1
                self._sent_at.clear()
            if len(self._sent_at) < 500:
                self._packet_id = self._packet_id % 65535 + 1
                self._sent_at[self._packet_id] = time.monotonic()
                self._client.send(publish(_TOPIC, b"failover", self._packet_id))
            for first, body in self._client.available(_EVERY_S):
                if first >> 4 == PUBACK:
                    latest = max(latest, self._sent_at.pop(int.from_bytes(body[:2], "big"), 0.0))
        except ClientError:
            if self._client is not None:
                self._client.close()
            self._client = None
            time.sleep(_EVERY_S)
        return latest
