"""The keys that all bridges have, and the values that many of them have."""

import os
import re
import ssl
from functools import partial
from typing import Annotated, Final

import trio
from pydantic import AfterValidator, Field, model_validator

from rmq.plugin_api import PluginConfig, PluginError, SomeTime, WholeSeconds

# How many connections of an entry there may be: each is a session.
MAX_CLIENTS: Final = 64
# A session has so many packet identifiers for what waits; beside the queue stands what is in flight.
MAX_QUEUE: Final = 60_000
MAX_INFLIGHT: Final = 1_000

_FROM_ENVIRONMENT: Final = re.compile(r"\$\{ENV:([A-Za-z_][A-Za-z0-9_]*)\}")


def _is_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", text):
        raise ValueError("a name has up to 64 letters, digits, dots, hyphens and underscores")
    return text


def _with_environment(text: str) -> str:
    missing = [name for name in _FROM_ENVIRONMENT.findall(text) if name not in os.environ]
    if missing:
        raise ValueError(f"the environment has no {missing[0]}")
    return _FROM_ENVIRONMENT.sub(lambda found: os.environ[found[1]], text)


Qos = Annotated[int, Field(ge=0, le=2)]
FromEnvironment = Annotated[str, AfterValidator(_with_environment)]
BridgeName = Annotated[str, AfterValidator(_is_name)]
QueueLength = Annotated[int, Field(ge=1, le=MAX_QUEUE)]
Inflight = Annotated[int, Field(ge=1, le=MAX_INFLIGHT)]
Clients = Annotated[int, Field(ge=1, le=MAX_CLIENTS)]


class BridgeBaseConfig(PluginConfig):
    """What every bridge has, in either direction; times in seconds."""

    enable: bool = False
    name: BridgeName
    client_cert: str = ""
    client_key: str = ""
    reconnect_interval: SomeTime = 5.0
    session_retention: Annotated[WholeSeconds, Field(ge=60)] = 7 * 86_400

    @model_validator(mode="after")
    def _fits_together(self) -> "BridgeBaseConfig":
        if bool(self.client_cert) != bool(self.client_key):
            raise ValueError("client_cert and client_key belong together")
        return self


async def read_tls(bridge: BridgeBaseConfig, authorities: str) -> ssl.SSLContext:
    """How a bridge secures its connections; ``authorities`` is a PEM file, "" those of the machine.

    Raises ``PluginError`` naming the file that is wrong.
    """
    path = authorities
    try:
        # In a thread: reading all authorities of a machine takes a tenth of a second.
        context = await trio.to_thread.run_sync(partial(ssl.create_default_context, cafile=path or None))
        if bridge.client_cert:
            path = bridge.client_cert
            context.load_cert_chain(bridge.client_cert, bridge.client_key)
    except OSError as error:
        raise PluginError(f"bridge {bridge.name}: {path}: {error}") from None
    return context
