"""What the hook tests stand on: chains with a registry, a clock that is turned by hand, and things to pass through."""

from rmq.hooks.async_runner import AsyncRunner
from rmq.hooks.chains import HookChains
from rmq.hooks.registry import HookRegistry
from rmq.metrics.counters import Counters
from rmq.mqtt.message import Message
from rmq.session.client_info import ClientInfo

BUDGET_S = 0.1
ASYNC_BUDGET_S = 5.0


class HandClock:
    """Time goes on only when ``pass_s`` is called."""

    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time

    def pass_s(self, seconds: float) -> None:
        self.time += seconds


class World:
    """A registry without a node."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.chains = HookChains()
        self.counters = Counters()
        self.registry = HookRegistry(self.chains, self.counters, BUDGET_S, self.clock, ASYNC_BUDGET_S)
        self.runner = AsyncRunner(self.chains, self.registry)


def client(client_id: str = "c1") -> ClientInfo:
    return ClientInfo(1, client_id, None, 5, "192.0.2.1", 50_000, "tcp.external", 1883)


def message(topic: str = "a/b", payload: bytes = b"x") -> Message:
    return Message(topic, payload, 0, False, "c1")
