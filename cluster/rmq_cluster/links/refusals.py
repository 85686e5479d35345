"""Handshakes that came to nothing: each is counted by its reason, and logged once a minute for each reason and peer."""

from collections.abc import Callable
from typing import Final

import structlog

from rmq_cluster.links.counters import LinkCounters

log = structlog.get_logger(__name__)

QUIET_S: Final = 60.0
# Reasons and peers remembered at once: strangers from everywhere fill neither memory nor the log.
MAX_KEYS: Final = 256


class Refusals:
    """What becomes of handshakes and dials in vain. ``clock`` is in seconds."""

    def __init__(self, counters: LinkCounters, clock: Callable[[], float]) -> None:
        self._counters = counters
        self._clock = clock
        # (kind, peer) -> when it was logged, and how often it happened since
        self._logged: dict[tuple[str, str], tuple[float, int]] = {}

    def refused(self, kind: str, peer: str, text: str) -> None:
        """A handshake with this peer (as people know it) came to nothing; kind is a key of ``counters.REFUSALS``."""
        self._counters.refusals[kind] += 1
        self._log("cluster handshake refused", kind, peer, text)

    def unreachable(self, peer: str, text: str) -> None:
        """A peer couldn't be dialled."""
        self._counters.dials_failed += 1
        self._log("cluster peer unreachable", "unreachable", peer, text)

    def _log(self, event: str, kind: str, peer: str, text: str) -> None:
        now = self._clock()
        key = kind, peer
        known = self._logged.get(key)
        if known is not None and now - known[0] < QUIET_S:
            self._logged[key] = known[0], known[1] + 1
            return
        if known is None and len(self._logged) >= MAX_KEYS:
            self._logged = {key: found for key, found in self._logged.items() if now - found[0] < QUIET_S}
            if len(self._logged) >= MAX_KEYS:
                return
        self._logged[key] = now, 0
        log.warning(event, peer=peer, reason=kind, text=text, more_since_last=known[1] if known else 0)
