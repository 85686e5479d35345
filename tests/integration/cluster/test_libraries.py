"""Client libraries that others have written, each at a node of its own: paho, aiomqtt, gmqtt, and mosquitto's tools."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from tests.integration.interop.adapters.aiomqtt_client import AiomqttClient
from tests.integration.interop.adapters.base import Connect, Door, InteropClient, Message, Subscribe
from tests.integration.interop.adapters.gmqtt_client import GmqttClient
from tests.integration.interop.adapters.paho_client import PahoClient
from tests.integration.interop.mosquitto_cli import Terminal
from tests.support.cluster_processes import ClusterProcesses, Member

LIBRARIES: dict[str, Callable[[Connect], InteropClient]] = {
    "paho": PahoClient,
    "aiomqtt": AiomqttClient,
    "gmqtt": GmqttClient,
}
VERSIONS = pytest.mark.parametrize("version", [4, 5], ids=["v311", "v5"])


def run(scenario: Callable[[AsyncExitStack], Awaitable[None]]) -> None:
    """A scenario in an event loop of its own; what it pushes on the stack is undone at its end."""

    async def bounded() -> None:
        async with asyncio.timeout(60), AsyncExitStack() as stack:
            await scenario(stack)

    asyncio.run(bounded())


async def connected(
    stack: AsyncExitStack, library: str, member: Member, client_id: str, version: int, *, persistent: bool = False
) -> InteropClient:
    options = Connect(Door(member.address), client_id, version, not persistent, 1000 if persistent else 0)
    client = LIBRARIES[library](options)
    await client.connect()
    stack.push_async_callback(client.disconnect)
    return client


@VERSIONS
@pytest.mark.parametrize(("sender", "receiver"), [*itertools.permutations(LIBRARIES, 2)])
def test_messages_cross_nodes(cluster: ClusterProcesses, name: str, sender: str, receiver: str, version: int) -> None:
    async def scenario(stack: AsyncExitStack) -> None:
        transient = await connected(stack, receiver, cluster[1], f"{name}-t", version)
        persistent = await connected(stack, receiver, cluster[3], f"{name}-p", version, persistent=True)
        publisher = await connected(stack, sender, cluster[2], f"{name}-s", version)
        for client in (transient, persistent):
            assert await client.subscribe(Subscribe(f"{name}/#", 2)) == 2
        for qos in (0, 1, 2):
            sent = [Message(f"{name}/{qos}/{n}", bytes([n]), qos) for n in range(30)]
            await publisher.publish_all(sent)
            for client in (transient, persistent):
                assert await client.receive_many(30) == sent

    run(scenario)


@VERSIONS
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_session_is_found_at_another_node(cluster: ClusterProcesses, name: str, library: str, version: int) -> None:
    async def scenario(stack: AsyncExitStack) -> None:
        async with AsyncExitStack() as first_visit:
            first = await connected(first_visit, library, cluster[1], name, version, persistent=True)
            await first.subscribe(Subscribe(name, 2))
        publisher = await connected(stack, "paho", cluster[2], f"{name}-s", version)
        sent = [Message(name, b"%d" % number, 2) for number in range(10)]
        await publisher.publish_all(sent)
        again = await connected(stack, library, cluster[3], name, version, persistent=True)
        assert await again.receive_many(10) == sent

    run(scenario)


@VERSIONS
def test_mosquittos_tools_at_different_nodes(cluster: ClusterProcesses, name: str, version: int) -> None:
    if shutil.which("mosquitto_sub") is None or shutil.which("mosquitto_pub") is None:
        reason = "mosquitto's tools are missing: install Debian's package mosquitto-clients"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)

    async def scenario(stack: AsyncExitStack) -> None:
        terminals = [Terminal(Door(member.address), version) for member in cluster]
        for terminal in terminals:
            stack.push_async_callback(terminal.end)
        for qos, number in itertools.product("012", range(3)):
            topic = f"{name}/{qos}/{number}"
            subscriber = await terminals[(number + 1) % 3].sub("-t", topic, "-q", qos)
            lines = [f"line {n}".encode() for n in range(100)]
            _, received = await asyncio.gather(
                terminals[number].pub("-t", topic, "-q", qos, "-l", stdin=b"\n".join(lines) + b"\n"),
                subscriber.messages(100),
            )
            assert [message.payload for message in received] == lines

    run(scenario)
