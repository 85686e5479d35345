"""The circuit breaker: a server that fails again and again isn't asked for a while, then by one request first."""

from collections.abc import Callable
from typing import Final

CLOSED: Final = "closed"
OPEN: Final = "open"
HALF_OPEN: Final = "half-open"


class CircuitBreaker:
    """Opens after ``failures`` requests that failed one after the other (0: never), for ``pause_s``.

    Then one request is the probe: it closes the breaker, or opens it again. Whoever was admitted says how it went:
    ``succeeded``, ``failed``, or ``given_up`` when that isn't known.
    """

    def __init__(self, failures: int, pause_s: float, now: Callable[[], float]) -> None:
        self._limit = failures
        self._pause_s = pause_s
        self._now = now
        self._failed = 0
        self._open_until: float | None = None
        self._probing = False

    @property
    def state(self) -> str:
        """CLOSED, OPEN or HALF_OPEN."""
        if self._open_until is None:
            return CLOSED
        return OPEN if self._now() < self._open_until else HALF_OPEN

    def admits(self) -> bool:
        """Whether a request may be sent."""
        state = self.state
        if state == HALF_OPEN and not self._probing:
            self._probing = True
            return True
        return state == CLOSED

    def succeeded(self) -> bool:
        """A request was answered; True when this closes the breaker."""
        was_open = self._open_until is not None
        self._failed = 0
        self._open_until = None
        self._probing = False
        return was_open

    def failed(self) -> bool:
        """A request failed; True when this opens a breaker that was closed."""
        self._failed += 1
        was_open = self._open_until is not None
        if was_open and not self._probing:
            return False  # it was sent before the breaker opened
        if not was_open and (self._limit == 0 or self._failed < self._limit):
            return False
        self._probing = False
        self._open_until = self._now() + self._pause_s
        return not was_open

    def given_up(self) -> None:
        """A request ended without an outcome: another one may be the probe."""
        self._probing = False
