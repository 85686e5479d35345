"""Gauges of one node: a current value and the highest one since start."""


class Gauge:
    """``count`` now and ``max`` ever."""

    __slots__ = ("count", "max")

    def __init__(self) -> None:
        self.count = 0
        self.max = 0

    def inc(self) -> None:
        """One more."""
        self.count += 1
        if self.count > self.max:
            self.max = self.count

    def dec(self) -> None:
        """One less."""
        self.count -= 1

    def set(self, count: int) -> None:
        """The value is known: it is ``count``."""
        self.count = count
        if count > self.max:
            self.max = count


class Stats:
    """All gauges of a node; names as outside, dialect names are in ``keys``."""

    __slots__ = (
        "busy",
        "connections",
        "delayed_publishes",
        "forwards",
        "handshakes",
        "handshakes_active",
        "handshakes_rate",
        "in_inflights",
        "message_queues",
        "message_storages",
        "out_inflights",
        "retained",
        "routes",
        "sessions",
        "storage_bytes",
        "storage_failed",
        "storage_held",
        "storage_queued_bytes",
        "subscriptions",
        "subscriptions_persistent",
        "subscriptions_shared",
        "topics",
    )

    def __init__(self) -> None:
        self.busy = Gauge()
        self.connections = Gauge()
        self.delayed_publishes = Gauge()
        self.forwards = Gauge()
        self.handshakes = Gauge()
        self.handshakes_active = Gauge()
        self.handshakes_rate = Gauge()
        self.in_inflights = Gauge()
        self.message_queues = Gauge()
        self.message_storages = Gauge()
        self.out_inflights = Gauge()
        self.retained = Gauge()
        self.routes = Gauge()
        self.sessions = Gauge()
        self.storage_bytes = Gauge()
        self.storage_failed = Gauge()
        self.storage_held = Gauge()
        self.storage_queued_bytes = Gauge()
        self.subscriptions = Gauge()
        self.subscriptions_persistent = Gauge()
        self.subscriptions_shared = Gauge()
        self.topics = Gauge()
