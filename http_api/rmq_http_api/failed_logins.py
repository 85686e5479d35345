"""A limit on failed logins, for each address and for each user: guessing passwords takes longer than anybody waits."""

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from math import ceil
from typing import Final

MAX_FAILURES: Final = 10
WINDOW_S: Final = 60.0
# Addresses, and names, that are remembered; over it the one that failed longest ago is forgotten.
MAX_REMEMBERED: Final = 10_000


class FailedLogins:
    """Failures; ``clock`` in seconds. All listeners share one.

    After ``MAX_FAILURES`` in ``WINDOW_S`` an address has to wait, for IPv6 all of its /64, of which one machine may
    take as many as it likes; and so has everybody who tries a password of that user: many addresses guess no faster
    than one. Names that nobody has are counted as others are, so that the
    wait doesn't tell who is there.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._by_address: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._by_user: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def wait_s(self, address: str) -> int:
        """How long this address has to wait, in whole seconds; 0 when it needn't."""
        return self._left(self._by_address, network_of(address))

    def user_wait_s(self, user: str) -> int:
        """How long passwords of this user aren't tried, in whole seconds; 0 when they are."""
        return self._left(self._by_user, user)

    def note(self, address: str, user: str | None = None) -> None:
        """One more failure; ``user`` is the name that was tried, if there was one."""
        self._count(self._by_address, network_of(address))
        if user is not None:
            self._count(self._by_user, user)

    def _left(self, failures: OrderedDict[str, tuple[float, int]], who: str) -> int:
        begun, count = failures.get(who, (0.0, 0))
        left = begun + WINDOW_S - self._clock()
        return ceil(left) if count >= MAX_FAILURES and left > 0 else 0

    def _count(self, failures: OrderedDict[str, tuple[float, int]], who: str) -> None:
        now = self._clock()
        begun, count = failures.pop(who, (now, 0))
        if now - begun >= WINDOW_S:
            begun, count = now, 0
        failures[who] = (begun, count + 1)
        if len(failures) > MAX_REMEMBERED:
            failures.popitem(last=False)


def network_of(address: str) -> str:
    """What is counted as one: an IPv4 address, or the network of /64 that an IPv6 address is in."""
    try:
        found = ipaddress.IPv6Address(address) if ":" in address else None
    except ValueError:
        return address
    if found is None:
        return address
    mapped = found.ipv4_mapped
    return str(ipaddress.IPv6Address(int(found) >> 64 << 64)) if mapped is None else str(mapped)
