"""How long publishes wait to be acknowledged while something else goes on: one message at a time, from a thread."""

from __future__ import annotations

import math
import threading
import time
from types import TracebackType
from typing import Self

from tests.bench.cluster.client import Client, ClientError
from tests.bench.cluster.results import Wait, percentile

_GAP_S = 0.01
_TIMEOUT_S = 60.0
_END_S = 1.0


class Probe:
    """A publisher on one node, whose messages go to a persistent session; use it in a `with`.

    A wait that is under way when the probe ends counts with the time it has waited so far. A publisher that is closed
    comes again; the message it was waiting for is sent anew and its wait goes on.
    """

    def __init__(self, port: int, what: str) -> None:
        self._port = port
        self._what = what
        self._stop = threading.Event()
        self._waits: list[tuple[float, float]] = []  # when each began, and how long it took
        self._since = 0.0
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        with Client(self._port) as subscriber:
            subscriber.connect("probe-subscriber", clean=False)
            subscriber.subscribe("probe")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(_END_S)

    def result(self, until: float = math.inf) -> Wait:
        """What was measured, after its end: of the publishes that were sent before `until` (monotonic)."""
        begun = list(self._waits)
        if since := self._since:
            begun.append((since, time.monotonic() - since))
        waits = [min(wait, until - since) for since, wait in begun if since < until]
        return Wait(self._what, len(waits), percentile(waits, 0.5), percentile(waits, 0.99), max(waits, default=0.0))

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with Client(self._port, _TIMEOUT_S) as client:
                    client.connect("probe-publisher", clean=True)
                    self._publish(client)
            except ClientError:
                self._stop.wait(_GAP_S)

    def _publish(self, client: Client) -> None:
        packet_id = 0
        while not self._stop.is_set():
            packet_id = packet_id % 65535 + 1
            self._since = self._since or time.monotonic()
            client.publish("probe", b"probe", packet_id)
            self._waits.append((self._since, time.monotonic() - self._since))
            self._since = 0.0
            self._stop.wait(_GAP_S)
