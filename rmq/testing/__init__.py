"""Brokers for the tests of programs that talk MQTT: fixtures of a pytest plugin, a context manager, and one for trio.

pytest_plugin  the fixtures and the marker; all that pytest imports of rmq until a test wants a broker
threaded       ThreadedBroker: in a thread of its own, for synchronous tests and asyncio
in_trio        Broker: in the test's own trio loop
calls          what both offer
core           one node inside its loop: started and stopped, watched, asked
clock          its time, which can jump
settle         waits for the disk, where there is one
views          messages, clients, sessions and subscriptions as plain values
tables         from a test's tables to settings
logs           where the log goes meanwhile

docs/testing.md shows how they are used. The names below are imported when they are first asked for, because pytest
imports this package whenever it starts.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rmq.config import ConfigError
    from rmq.testing.core import BrokerDownError
    from rmq.testing.in_trio import Broker
    from rmq.testing.pytest_plugin import BrokerFactory
    from rmq.testing.threaded import ThreadedBroker
    from rmq.testing.views import Client, Message, Session, Subscription

__all__ = [
    "Broker",
    "BrokerDownError",
    "BrokerFactory",
    "Client",
    "ConfigError",
    "Message",
    "Session",
    "Subscription",
    "ThreadedBroker",
]

_HOMES = {
    "Broker": "rmq.testing.in_trio",
    "BrokerDownError": "rmq.testing.core",
    "BrokerFactory": "rmq.testing.pytest_plugin",
    "Client": "rmq.testing.views",
    "ConfigError": "rmq.config",
    "Message": "rmq.testing.views",
    "Session": "rmq.testing.views",
    "Subscription": "rmq.testing.views",
    "ThreadedBroker": "rmq.testing.threaded",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home), name)
