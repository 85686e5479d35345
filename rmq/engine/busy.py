"""Whether a node is too busy to take new clients: readings held against limits, with hysteresis."""

from typing import Final

# It is over when every reading is below so much of its limit, so often in a row: at the limit it would flicker.
RECOVERED: Final = 0.8
CALM_READINGS: Final = 2


class BusyLimits:
    """Above these the node is busy; 0 is no limit.

    ``loop_lag_s`` is how late something that was due came to run, in seconds; ``memory`` the resident size of the
    process in bytes; ``loadavg`` the machine's load average of one minute; ``cpu_percent`` the processor time of the
    process in percent of one core; ``handshakes`` connections whose CONNECT isn't decided.
    """

    __slots__ = ("cpu_percent", "handshakes", "loadavg", "loop_lag_s", "memory")

    def __init__(self) -> None:
        self.loop_lag_s = 0.0
        self.memory = 0
        self.loadavg = 0.0
        self.cpu_percent = 0.0
        self.handshakes = 0


class Readings:
    """What was measured, by the same names."""

    __slots__ = ("cpu_percent", "handshakes", "loadavg", "loop_lag_s", "memory")

    def __init__(self) -> None:
        self.loop_lag_s = 0.0
        self.memory = 0
        self.loadavg = 0.0
        self.cpu_percent = 0.0
        self.handshakes = 0


class BusyCheck:
    """``reason`` says what is over its limit, with both values; empty while the node isn't busy."""

    def __init__(self, limits: BusyLimits) -> None:
        self._limits = limits
        self._calm = 0
        self.reason = ""

    def judge(self, readings: Readings) -> bool:
        """Take new readings into account; True when the node became busy, or is no longer."""
        pairs = _pairs(readings, self._limits)
        over = [f"{name} {reading:g} is over {limit:g}" for name, reading, limit in pairs if reading > limit]
        if over:
            self._calm = 0
            changed = not self.reason
            self.reason = ", ".join(over)
            return changed
        if not self.reason:
            return False
        if any(reading > limit * RECOVERED for _name, reading, limit in pairs):
            self._calm = 0
            return False
        self._calm += 1
        if self._calm < CALM_READINGS:
            return False
        self.reason = ""
        return True


def _pairs(readings: Readings, limits: BusyLimits) -> list[tuple[str, float, float]]:
    """Name, reading and limit of what is limited; names as in the configuration."""
    pairs: list[tuple[str, float, float]] = [
        ("loop_lag", round(readings.loop_lag_s, 3), limits.loop_lag_s),
        ("memory", readings.memory, limits.memory),
        ("loadavg", readings.loadavg, limits.loadavg),
        ("cpuloadavg", round(readings.cpu_percent, 1), limits.cpu_percent),
        ("handshaking", readings.handshakes, limits.handshakes),
    ]
    return [pair for pair in pairs if pair[2] > 0]
