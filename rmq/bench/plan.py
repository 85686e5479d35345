"""What one run shall do: every option, checked once."""

from __future__ import annotations

from dataclasses import dataclass

from rmq.bench import frames
from rmq.bench.load import FAN_IN, FAN_OUT, PAIR, PUB, SUB

MODES = {"pub": PUB, "sub": SUB, "pair": PAIR, "fan-in": FAN_IN, "fan-out": FAN_OUT}
PROTOCOLS = {"3.1": frames.V31, "3.1.1": frames.V311, "5": frames.V5}

PERSISTENT_S = 3600

Address = tuple[str, int]


class PlanError(ValueError):
    """Options that don't go together; the text says which."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One run of rmq-bench."""

    mode: str
    host: str = "127.0.0.1"
    port: int = 1883
    protocol: str = "3.1.1"
    qos: int = 0
    clients: int = 1
    size: int = 64
    window: int = 16
    rate: float = 0.0
    duration_s: float = 5.0
    messages: int = 0
    warmup_s: float = 1.0
    drain_s: float = 10.0
    topic: str = "bench"
    client_id: str = "bench"
    username: str | None = None
    password: str | None = None
    keep_alive_s: int = 0
    subscribe: bool = True
    hold_s: float = 0.0
    in_flight: int = 50
    timeout_s: float = 30.0
    persistent: bool = False
    retain: bool = False
    until_acked: bool = False
    at: tuple[Address, ...] = ()
    publishers_at: tuple[Address, ...] = ()
    ack_latency: bool = False
    spin: bool = True

    def check(self) -> None:
        """Raise PlanError when options don't go together."""
        for name in ("clients", "window", "in_flight", "size"):
            if getattr(self, name) < 1:
                raise PlanError(f"{name} must be at least 1")
        if self.mode in ("pair", "fan-in", "fan-out") and self.size < frames.STAMP_SIZE:
            raise PlanError(f"size must be at least {frames.STAMP_SIZE}: a payload carries its publisher and its time")
        if self.clients > 99_999:
            raise PlanError("clients must be at most 99999")
        if self.window > 65_535:
            raise PlanError("window must be at most 65535, the number of packet ids")
        if self.rate < 0 or self.duration_s <= 0 or self.warmup_s < 0 or self.hold_s < 0 or self.messages < 0:
            raise PlanError("rate, warm-up, hold and messages can't be negative, and duration must be positive")
        if any(c in self.topic for c in "+#\0"):
            raise PlanError("topic must not hold wildcards")
        if self.persistent and not self.subscribers:
            raise PlanError(f"persistent is for sessions that receive, and {self.mode} has none")
        if self.retain and not self.publishers:
            raise PlanError(f"retain is for publishers, and {self.mode} has none")
        if self.until_acked and (self.mode not in ("pair", "fan-in", "fan-out") or not self.qos or self.rate):
            raise PlanError("until-acked is for the windows of pair, fan-in and fan-out, QoS 1 or 2, without a rate")
        if self.ack_latency and not (self.publishers and self.qos and self.rate):
            raise PlanError("ack-latency is for publishers with QoS 1 or 2 and a rate")
        if self.publishers_at and not self.publishers:
            raise PlanError(f"publishers-at is for publishers, and {self.mode} has none")

    @property
    def version(self) -> int:
        """The protocol level of CONNECT."""
        return PROTOCOLS[self.protocol]

    @property
    def expiry_s(self) -> int:
        """How long the sessions of subscribers outlive their connections, in seconds."""
        return PERSISTENT_S if self.persistent else 0

    @property
    def publishers(self) -> int:
        """How many connections publish."""
        return {"sub": 0, "conn": 0, "fan-out": 1}.get(self.mode, self.clients)

    @property
    def subscribers(self) -> int:
        """How many connections subscribe and receive."""
        return {"pub": 0, "conn": 0, "fan-in": 1}.get(self.mode, self.clients)

    def address(self, index: int) -> Address:
        """Where connection `index` goes that is no publisher."""
        return self.at[index % len(self.at)] if self.at else (self.host, self.port)

    def publisher_address(self, index: int) -> Address:
        """Where publisher `index` connects."""
        return self.publishers_at[index % len(self.publishers_at)] if self.publishers_at else self.address(index)

    def publish_topic(self, index: int) -> str:
        """The topic of publisher `index`; all of one length, so that all deliveries of a run have one length."""
        return f"{self.topic}/{0 if self.mode == 'fan-out' else index:05d}"

    def subscribe_filter(self, index: int) -> str:
        """The filter of subscriber `index`."""
        if self.mode == "fan-in" or (self.mode == "sub" and self.clients == 1):
            return f"{self.topic}/#"
        return f"{self.topic}/{0 if self.mode == 'fan-out' else index:05d}"


def addresses(text: str) -> tuple[Address, ...]:
    """The addresses in `host:port,host:port,…`; an IPv6 host stands in brackets. Raises PlanError."""
    found: list[Address] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        host, _, port = part.rpartition(":")
        if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
            raise PlanError(f"{part!r} is no address: host:port is one")
        found.append((host.strip("[]"), int(port)))
    return tuple(found)
