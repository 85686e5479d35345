"""The longest pause of each node: how long an idle client of it waits for its PINGRESP, and what of that is its own.

Several nodes and their load share the machine: a node that may not run for a while, because others do, pauses too.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from tests.bench.cluster.client import PINGRESP, Client, ClientError

_PINGREQ = b"\xc0\x00"
_GAP_S = 0.005
_TIMEOUT_S = 60.0
_END_S = 1.0


class Pings:
    """A client on each node, which comes again when it was closed; use it in a `with`.

    A node that has ended isn't waited for; that nobody answered before that counts. ``waited`` tells for how many
    seconds in all a node, by its number, wanted to run and had to wait for a processor.
    """

    def __init__(self, ports: Sequence[int], waited: Callable[[int], float]) -> None:
        self._stop = threading.Event()
        self._waited = waited
        self._longest = [0.0] * len(ports)
        self._longest_own = [0.0] * len(ports)
        self._threads = [
            threading.Thread(target=self._run, args=(number, port), daemon=True) for number, port in enumerate(ports)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(_END_S)

    def longest(self) -> list[float]:
        """Seconds, by node."""
        return list(self._longest)

    def longest_own(self) -> list[float]:
        """The same without the time for which a node waited for a processor meanwhile."""
        return list(self._longest_own)

    def _run(self, number: int, port: int) -> None:
        while not self._stop.is_set():
            try:
                with Client(port, _TIMEOUT_S) as client:
                    client.connect(f"ping-{number}", clean=True)
                    while not self._stop.wait(_GAP_S):
                        self._ping(number, client)
            except ClientError:
                self._stop.wait(_GAP_S)

    def _ping(self, number: int, client: Client) -> None:
        waited = self._waited(number)
        since = time.monotonic()
        client.send(_PINGREQ)
        client.expect(PINGRESP)
        took = time.monotonic() - since
        self._longest[number] = max(self._longest[number], took)
        own = took - (self._waited(number) - waited)
        self._longest_own[number] = max(self._longest_own[number], own)
