"""Management through a running node: real connections, a real journal, plugins that are loaded and unloaded."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from copy import copy
from pathlib import Path
from typing import TypeVar

import pytest
import trio

from rmq import __version__
from rmq.config import Override, load
from rmq.management import ManagementService
from rmq.management.errors import ClientNotFound, ListenerNotFound, PluginNotFound, PluginRefused
from rmq.management.models import Published
from rmq.management.node.alarms import AlarmReadings
from rmq.management.queries import ClientQuery
from rmq.management.requests import FilterRequest, PublishRequest
from rmq.mqtt import codes
from rmq.node import Clock, Node
from rmq.node.alarm_watch import watch_alarms
from tests.support import wire
from tests.support.client import Client
from tests.support.wire_parser import Disconnect

pytestmark = pytest.mark.realtime

T = TypeVar("T")


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("RMQ_") and name != "RMQ_TEST_TIMEOUT"]:
        monkeypatch.delenv(name)


@asynccontextmanager
async def running_node() -> AsyncIterator[Node]:
    """A node of its own in this process; its data stays in the folder."""
    keys = {
        "plugins.default_startups": '["rmq-sys-topic"]',
        "listener.tcp.external.addr": "127.0.0.1:0",
        "listener.tcp.external.max_subscriptions": "4",
        "log.to": "off",
    }
    node = Node(load(overrides=[Override("--set", key, value) for key, value in keys.items()]), Clock(), 0.2)
    node.open()
    started = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(node.run, started.set)
        await started.wait()
        yield node
        nursery.cancel_scope.cancel()


async def in_thread(work: Callable[[], T]) -> T:
    """What a blocking client does, while the node goes on here."""
    with trio.fail_after(20):
        return await trio.to_thread.run_sync(work)


def connected(node: Node, client_id: str, expiry: int = 0, *, clean: bool = True) -> Client:
    """A client over TCP."""
    listener = node.listeners[0]
    client = Client((listener.host, listener.port), client_id)
    client.connect(clean, properties=[(wire.SESSION_EXPIRY, expiry)] if expiry else [])
    return client


async def test_from_the_first_client_to_the_last() -> None:
    async with running_node() as node:
        service: ManagementService = node.management
        client = await in_thread(lambda: connected(node, "a", 300))
        found = await service.client("a")
        assert (found.connected, found.ip_address, found.listener) == (True, "127.0.0.1", "tcp.external")
        assert found.max_subscriptions == 4 and found.expiry_interval == 300

        await service.publish(PublishRequest(("kept/1",), b"kept", 1, retain=True))
        outcomes = await service.subscribe("a", (FilterRequest("t/#", 1), FilterRequest("kept/+", 1)))
        assert [outcome.reason_code for outcome in outcomes] == [1, 1]
        retained = await in_thread(lambda: client.receive_publish(b"kept"))
        assert retained.retain
        (published,) = await service.publish(PublishRequest(("t/1",), b"live", 1))
        assert published == Published("t/1", None)  # stored first: the journal knows when
        await in_thread(lambda: client.receive_publish(b"live"))
        await service.unsubscribe("a", ("kept/+",))
        assert [row.topic_filter for row in await service.client_subscriptions("a")] == ["t/#"]

        await in_thread(client.disconnect)
        client.close()
        await service.publish(PublishRequest(("t/2",), b"waits", 1))
        found = await service.client("a")
        assert (found.connected, found.queue_length, found.ip_address) == (False, 1, "127.0.0.1")
        assert [row.client_id for row in (await service.clients(ClientQuery(queue_from=1))).items] == ["a"]

        other = await in_thread(lambda: connected(node, "b", 300))
        await service.kick("b")
        await in_thread(lambda: other.expect_disconnect(codes.ADMINISTRATIVE_ACTION))
        other.close()
        with pytest.raises(ClientNotFound):
            await service.client("b")
        assert (await service.stats_sum()).values["message_queues.count"] == 1

    async with running_node() as node:  # once more, with the data that is there
        service = node.management
        found = await service.client("a")
        assert (found.connected, found.queue_length, found.ip_address, found.connected_at) == (False, 1, "", None)
        assert (await service.retained_message("kept/1")).payload == b"kept"
        await service.delete_retained("kept/1")
        assert (await service.kick("a")).client_id == "a"

    async with running_node() as node:
        assert (await node.management.clients()).items == ()
        assert (await node.management.retained("kept/#")).items == ()


async def test_the_node_and_its_plugins() -> None:
    async with running_node() as node:
        service = node.management
        (info,) = (await service.nodes()).answers
        assert (info.version, info.connections, info.node.node_id) == (__version__, 0, 1)
        assert info.disk_total > 0
        assert (await service.broker(1)).uptime_s >= 0
        plugin = await service.plugin(1, "rmq-sys-topic")
        assert plugin.active and plugin.version
        assert plugin.name in {view.name for view in (await service.plugins_of(1)).plugins}
        assert await service.plugin_config(1, "rmqtt-sys-topic") == await service.plugin_config(1, "rmq-sys-topic")
        assert await service.unload_plugin(1, "rmq-sys-topic")
        assert not (await service.plugin(1, "rmq-sys-topic")).active
        with pytest.raises(PluginRefused, match="isn't running"):
            await service.reload_plugin(1, "rmq-sys-topic")
        assert await service.load_plugin(1, "rmq-sys-topic")
        await service.reload_plugin(1, "rmq-sys-topic")
        for call in (service.plugin(1, "none"), service.load_plugin(1, "none"), service.plugin_config(1, "none")):
            with pytest.raises(PluginNotFound):
                await call
        for other in (service.unload_plugin(1, "none"), service.reload_plugin(1, "none")):
            with pytest.raises(PluginNotFound):
                await other


async def test_a_listener_is_stopped_and_started() -> None:
    async with running_node() as node:
        operations = node.management.operations
        (listener,) = node.listeners
        port = listener.port
        client = await in_thread(lambda: connected(node, "a"))
        (answer,) = (await operations.listeners()).answers
        (view,) = answer.listeners
        assert (view.name, view.kind, view.running, view.connections) == ("tcp.external", "tcp", True, 1)
        assert view.address == f"127.0.0.1:{port}"
        listener.limits = copy(listener.limits)  # as a change of its settings does

        for _ in range(2):
            assert await operations.change_listener("tcp.external", "stop") == ()
        goodbye = await in_thread(lambda: client.receive())
        assert isinstance(goodbye, Disconnect) and goodbye.code == codes.ADMINISTRATIVE_ACTION
        client.close()
        with pytest.raises(ConnectionRefusedError):
            await in_thread(lambda: connected(node, "b"))
        assert not (await operations.listeners()).answers[0].listeners[0].running

        taken = socket.create_server(("127.0.0.1", port))
        (failed,) = await operations.change_listener("tcp.external", "start")
        assert failed.node_id == 1 and "in use" in failed.reason
        taken.close()
        for action in ("start", "start", "restart"):
            assert await operations.change_listener("tcp.external", action) == ()
            again = await in_thread(lambda: connected(node, "b"))
            assert listener.port == port
            again.close()
        with pytest.raises(ListenerNotFound):
            await operations.change_listener("tcp.internal", "stop")


async def test_alarms_of_a_node_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running_node() as node:
        alarms = node.management.local.operations.alarms
        alarms.limits.disk_percent = 0.001
        before = alarms.judge
        judged = trio.Event()

        def judge(readings: AlarmReadings) -> None:
            before(readings)
            judged.set()

        monkeypatch.setattr(alarms, "judge", judge)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch_alarms, node.broker, node.management.local, ".", 3600.0)
            with trio.fail_after(10):
                await judged.wait()
            nursery.cancel_scope.cancel()
        assert [alarm.name for alarm in alarms.active()] == ["disk_nearly_full"]
