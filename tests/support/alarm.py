"""Lets a test wait until the broker's own clock has moved on, without sleeping: a delayed will is the alarm."""

from __future__ import annotations

import secrets

from tests.support import wire
from tests.support.client import TIMEOUT_S, Client
from tests.support.wire import Will


class Alarm:
    """Set when made; ``wait`` returns when ``seconds`` of the broker's time have passed since."""

    def __init__(self, address: tuple[str, int], seconds: int) -> None:
        self._seconds = seconds
        name = f"alarm-{secrets.token_hex(8)}"
        self._listener = Client(address, f"{name}-listener")
        self._listener.connect()
        self._listener.subscribe(name)
        lost = Client(address, name)
        delay: wire.Properties = [(wire.WILL_DELAY, seconds)]
        lost.connect(properties=[(wire.SESSION_EXPIRY, 2 * seconds)], will=Will(name, b"now", properties=delay))
        lost.abort()

    def wait(self) -> None:
        """Block until it rings."""
        self._listener.receive_publish(b"now", self._seconds + TIMEOUT_S)
        self._listener.close()
