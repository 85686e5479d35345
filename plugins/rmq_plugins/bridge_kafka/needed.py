"""Whether Kafka's client library is installed, which it isn't where nobody asked for it, and takes a configuration."""

from collections.abc import Callable, Iterable
from importlib.util import find_spec
from typing import TypeVar

import trio

from rmq.plugin_api import PluginError
from rmq_plugins.bridge_kafka.config import BridgeConfig
from rmq_plugins.bridges.link import BridgeFailedError

B = TypeVar("B", bound=BridgeConfig)


def need_library() -> None:
    """``PluginError`` says what to install."""
    if find_spec("confluent_kafka") is None:
        raise PluginError("Kafka's client library isn't installed: pip install 'rmq[kafka]', or confluent-kafka")


async def need_taken(bridges: Iterable[B], check: Callable[[B], None]) -> None:
    """``PluginError`` says that there is no library, or which bridge it doesn't take, as ``check`` found, and why."""
    need_library()
    # In a thread: files are read.
    await trio.to_thread.run_sync(_check, bridges, check)


def _check(bridges: Iterable[B], check: Callable[[B], None]) -> None:
    for bridge in bridges:
        if bridge.enable:
            try:
                check(bridge)
            except BridgeFailedError as error:
                raise PluginError(f"bridge {bridge.name}: {error}") from None
