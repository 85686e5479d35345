"""One interop test's world: clients of one library (or of a pair), names nobody else uses, clean-up at the end."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace

from .adapters.aiomqtt_client import AiomqttClient
from .adapters.base import V31, Connect, Door, InteropClient, Will
from .adapters.gmqtt_client import GmqttClient
from .adapters.mqttjs_client import MqttJsClient, NodeProcess
from .adapters.paho_client import PahoClient
from .relay import Relay

SCENARIO_TIMEOUT_S = 90.0


class Lab:
    """Makes connected clients and disconnects whatever a scenario leaves behind."""

    def __init__(self, door: Door, library: str, version: int, stack: AsyncExitStack) -> None:
        self.version = version
        self.library = library
        self.name = uuid.uuid4().hex[:12]
        self._door = door
        self._stack = stack
        self._counter = itertools.count(1)
        self._node: NodeProcess | None = None
        self._open: set[InteropClient] = set()

    def topic(self, rest: str) -> str:
        """A topic name or filter below a prefix of this test alone."""
        return f"interop/{self.name}/{rest}"

    def client_id(self, role: str) -> str:
        return f"{role}-{self.name}"

    async def connect(
        self,
        role: str,
        *,
        library: str | None = None,
        clean: bool = True,
        session_expiry_s: int = 0,
        will: Will | None = None,
        relay: tuple[str, int] | None = None,
    ) -> tuple[InteropClient, bool | None]:
        """A connected client and the session present flag it was told."""
        door = replace(self._door, address=relay or self._door.address)
        options = Connect(door, self.client_id(role), self.version, clean, session_expiry_s, will)
        client = await self._make(library or self.library, options)
        session_present = await client.connect()
        self._open.add(client)
        # MQTT 3.1 has no such flag: the byte is reserved.
        return client, None if self.version == V31 else session_present

    async def client(self, role: str, *, library: str | None = None) -> InteropClient:
        """A client with a clean session, the usual case."""
        return (await self.connect(role, library=library))[0]

    async def disconnect(self, client: InteropClient) -> None:
        self._open.discard(client)
        await client.disconnect()

    async def abandon(self, client: InteropClient) -> None:
        """The network connection of this client is gone already."""
        self._open.discard(client)
        await client.abandon()

    async def relay(self) -> tuple[Relay, tuple[str, int]]:
        relay = Relay(self._door.address)
        address = await relay.start()
        self._stack.push_async_callback(relay.stop)
        return relay, address

    async def disconnect_all(self) -> None:
        for client in list(self._open):
            await self.disconnect(client)

    async def abandon_all(self) -> None:
        for client in list(self._open):
            await self.abandon(client)

    async def _make(self, library: str, options: Connect) -> InteropClient:
        if library == "paho":
            return PahoClient(options)
        if library == "aiomqtt":
            return AiomqttClient(options)
        if library == "gmqtt":
            return GmqttClient(options)
        if library == "mqttjs":
            if self._node is None:
                self._node = await NodeProcess.start()
                self._stack.push_async_callback(self._node.stop)
            return MqttJsClient(options, self._node, f"client-{next(self._counter)}")
        raise LookupError(f"no adapter for client library {library!r}")


Scenario = Callable[[Lab], Awaitable[None]]


def run_scenario(door: Door, library: str, version: int, scenario: Scenario) -> None:
    """Run one scenario in an event loop of its own, bounded in time."""

    async def run() -> None:
        async with asyncio.timeout(SCENARIO_TIMEOUT_S), AsyncExitStack() as stack:
            lab = Lab(door, library, version, stack)
            try:
                await scenario(lab)
                await lab.disconnect_all()
            except BaseException:
                # Whatever state the clients are in now, their threads and tasks must not outlive this loop.
                await lab.abandon_all()
                raise

    asyncio.run(run())
