"""What a person should see to on this node: alarms that are on, and those that were."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import structlog

from rmq.management.models import NodeRef

log = structlog.get_logger(__name__)

# So many alarms that are over are remembered.
MAX_HISTORY: Final = 1000
# A reading that was over its limit is below it again at so much of it: at the limit an alarm would flicker.
RECOVERED: Final = 0.95


@dataclass(frozen=True, slots=True)
class AlarmView:
    """An alarm: ``name`` for programs, ``message`` for people, ``details`` as they were when it went on.

    Times in seconds since 1970; ``deactivated_at`` None: it is on.
    """

    node: NodeRef
    name: str
    message: str
    details: Mapping[str, object]
    activated_at: float
    deactivated_at: float | None = None


@dataclass(slots=True)
class AlarmLimits:
    """From where on something is an alarm; 0: never. ``certificate_s`` is the time that a certificate has left."""

    disk_percent: float = 90.0
    memory_percent: float = 90.0
    loop_lag_s: float = 1.0
    certificate_s: float = 30 * 86400.0


@dataclass(slots=True)
class AlarmReadings:
    """What is held against the limits.

    ``laggards`` counts how often something came to run later than ``AlarmLimits.loop_lag_s`` since the last readings;
    ``certificates`` has by listener when its certificate ends; ``cluster`` are sentences of the cluster's own alarms.
    """

    now: float
    disk_total: int = 0
    disk_free: int = 0
    memory_total: int = 0
    memory_used: int = 0
    laggards: int = 0
    certificates: Mapping[str, float] = field(default_factory=dict)
    has_quorum: bool = True
    storage_fails: bool = False
    is_busy: bool = False
    cluster: Sequence[str] = ()


class Alarms:
    """The alarms of one node. Nothing is kept over a restart: what is wrong goes on again."""

    def __init__(self, node: NodeRef, limits: AlarmLimits | None = None) -> None:
        self.limits = AlarmLimits() if limits is None else limits
        self._node = node
        self._active: dict[str, AlarmView] = {}
        # Put off by hand while what is wrong goes on: they stay off until it was right once.
        self._silenced: set[str] = set()
        self._over: deque[AlarmView] = deque(maxlen=MAX_HISTORY)

    def active(self) -> tuple[AlarmView, ...]:
        """Those that are on, newest first."""
        return tuple(sorted(self._active.values(), key=lambda alarm: -alarm.activated_at))

    def history(self) -> tuple[AlarmView, ...]:
        """Those that are over, newest first."""
        return tuple(reversed(self._over))

    def clear_history(self) -> int:
        """Forget those that are over; answers how many there were."""
        count = len(self._over)
        self._over.clear()
        return count

    def deactivate(self, name: str, now: float) -> bool:
        """Put an alarm off whatever goes on; False if it isn't on."""
        if name not in self._active:
            return False
        self._end(name, now)
        self._silenced.add(name)
        return True

    def judge(self, readings: AlarmReadings) -> None:
        """Put alarms on and off by what was measured."""
        found = self._found(readings)
        for name in list(self._active):
            if name not in found:
                self._end(name, readings.now)
        self._silenced &= found.keys()
        for name, (message, details) in found.items():
            if name not in self._active and name not in self._silenced:
                self._active[name] = AlarmView(self._node, name, message, details, readings.now)
                log.warning("alarm", alarm=name, text=message)

    def _end(self, name: str, now: float) -> None:
        self._over.append(replace(self._active.pop(name), deactivated_at=now))
        log.info("alarm is over", alarm=name)

    def _found(self, readings: AlarmReadings) -> dict[str, tuple[str, dict[str, object]]]:
        limits = self.limits
        found: dict[str, tuple[str, dict[str, object]]] = {}
        if not readings.has_quorum:
            found["no_quorum"] = ("Too few nodes of the cluster are in contact to decide anything.", {})
        if readings.cluster:
            found["cluster"] = (" ".join(readings.cluster), {"sentences": list(readings.cluster)})
        if readings.storage_fails:
            found["storage_failed"] = ("What has to be kept can't be written to the disk.", {})
        if readings.is_busy:
            found["busy"] = ("The node is too busy to take new clients.", {})
        if readings.laggards:
            text = f"The event loop was more than {limits.loop_lag_s:g} s late."
            found["loop_lag"] = (text, {"limit_s": limits.loop_lag_s, "times": readings.laggards})
        used = readings.disk_total - readings.disk_free
        self._share(found, "disk_nearly_full", "The disk of the data", used, readings.disk_total, limits.disk_percent)
        memory, total = readings.memory_used, readings.memory_total
        self._share(found, "memory_high", "The memory of the machine", memory, total, limits.memory_percent)
        for listener, end in readings.certificates.items():
            left = end - readings.now
            if limits.certificate_s and left < limits.certificate_s:
                days = max(0, int(left // 86400))
                when = f"ends in {days} days" if left > 0 else "has ended"
                details: dict[str, object] = {"listener": listener, "ends_at": end}
                found[f"certificate/{listener}"] = (f"The certificate of listener {listener} {when}.", details)
        return found

    def _share(
        self,
        found: dict[str, tuple[str, dict[str, object]]],
        name: str,
        what: str,
        used: int,
        total: int,
        limit: float,
    ) -> None:
        percent = 100 * used / total if total else 0.0
        if limit and percent >= (limit * RECOVERED if name in self._active else limit):
            details: dict[str, object] = {"percent": round(percent, 1), "limit": limit, "used": used, "total": total}
            found[name] = (f"{what} is used to {percent:.0f} %.", details)
