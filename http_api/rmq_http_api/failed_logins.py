"""A limit on failed logins for each address: guessing passwords takes longer than anybody waits."""

from collections import OrderedDict
from collections.abc import Callable
from math import ceil
from typing import Final

MAX_FAILURES: Final = 10
WINDOW_S: Final = 60.0
# Addresses that are remembered; over it the one that failed longest ago is forgotten.
MAX_ADDRESSES: Final = 10_000


class FailedLogins:
    """Failures by address; ``clock`` in seconds. After ``MAX_FAILURES`` in ``WINDOW_S`` an address has to wait."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def wait_s(self, address: str) -> int:
        """How long this address has to wait, in whole seconds; 0 when it needn't."""
        begun, count = self._failures.get(address, (0.0, 0))
        left = begun + WINDOW_S - self._clock()
        return ceil(left) if count >= MAX_FAILURES and left > 0 else 0

    def note(self, address: str) -> None:
        """One more failure."""
        now = self._clock()
        begun, count = self._failures.pop(address, (now, 0))
        if now - begun >= WINDOW_S:
            begun, count = now, 0
        self._failures[address] = (begun, count + 1)
        if len(self._failures) > MAX_ADDRESSES:
            self._failures.popitem(last=False)
