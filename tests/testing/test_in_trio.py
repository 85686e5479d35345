"""Broker: in the test's own trio loop, by the test's own clock."""

from __future__ import annotations

import time

import pytest
import trio
import trio.testing

from rmq.testing import Broker, BrokerDownError, ConfigError
from tests.support import wire
from tests.support.packet_notation import V5
from tests.support.wire import Properties

CONNACK = 0x20
SUBACK = 0x90
PUBLISH = 0x30
DISCONNECT = 0xE0


class TrioClient:
    """A raw client that awaits: one packet at a time, its type and the bytes after the length (below 128)."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._received = b""

    async def packet(self) -> tuple[int, bytes]:
        while len(self._received) < 2 or len(self._received) < 2 + self._received[1]:
            data = await self.stream.receive_some()
            assert data, "closed where a packet was expected"
            self._received += data
        size = 2 + self._received[1]
        packet, self._received = self._received[:size], self._received[size:]
        return packet[0], packet[2:]


async def connect(broker: Broker, client_id: str, keep_alive: int = 0, properties: Properties = ()) -> TrioClient:
    client = TrioClient(await trio.open_tcp_stream(*broker.address()))
    await client.stream.send_all(wire.connect(client_id, V5, True, keep_alive, properties))
    kind, _body = await client.packet()
    assert kind == CONNACK
    return client


async def test_serves_in_the_same_loop() -> None:
    async with Broker() as broker:
        client = await connect(broker, "c")
        await client.stream.send_all(wire.subscribe(1, [("a", 0)]))
        assert (await broker.wait_for_subscription("a", "c")).qos == 0
        assert (await client.packet())[0] == SUBACK
        assert broker.publish("a", "hello") == 1
        kind, body = await client.packet()
        assert kind == PUBLISH and body.endswith(b"hello")
        assert [message.text for message in broker.messages()] == ["hello"]
        assert [found.client_id for found in broker.clients()] == ["c"]
        broker.kick("c")
        assert (await client.packet())[0] == DISCONNECT
        await broker.wait_for_disconnect("c")
        await client.stream.aclose()


async def test_waiting_calls() -> None:
    async def come_and_go() -> None:
        await (await connect(broker, "c")).stream.aclose()

    async with Broker() as broker, trio.open_nursery() as nursery:
        nursery.start_soon(come_and_go)
        assert (await broker.wait_for_client("c")).protocol == "5.0"
        with pytest.raises(TimeoutError, match=r"after 0\.01 s no message on 'a'"):
            await broker.wait_for_message("a", timeout=0.01)
        broker.publish("a", "1")
        assert (await broker.wait_for_message("a")).text == "1"
        assert len(await broker.wait_for_messages("a")) == 1


async def test_follows_the_test_clock(autojump_clock: trio.testing.MockClock) -> None:
    before = time.monotonic()
    async with Broker() as broker:
        client = await connect(broker, "c", keep_alive=60)
        began, at = trio.current_time(), broker.clock.now()
        assert (await client.packet())[0] == DISCONNECT
        assert 90 <= trio.current_time() - began < 91
        assert broker.clock.now() - at == pytest.approx(trio.current_time() - began)
        with pytest.raises(TimeoutError):
            await broker.wait_for_client("c", timeout=300)
        await client.stream.aclose()
    assert time.monotonic() - before < 60


async def test_jumps_under_a_clock_that_stands(mock_clock: trio.testing.MockClock) -> None:
    async with Broker() as broker:
        client = await connect(broker, "c", properties=[(wire.SESSION_EXPIRY, 60)])
        await client.stream.aclose()
        broker.clock.advance(0)  # what the clients have done is taken in
        assert len(broker.sessions()) == 1
        broker.clock.advance(60)
        assert broker.sessions() == []


async def test_stops_under_a_clock_that_stands_whoever_is_connected(mock_clock: trio.testing.MockClock) -> None:
    async with Broker() as broker:
        client = await connect(broker, "c")
    assert (await client.packet())[0] == DISCONNECT
    await client.stream.aclose()


async def test_the_exception_of_a_test_comes_out_as_it_is() -> None:
    with pytest.raises(KeyError, match="mine"):
        async with Broker():
            raise KeyError("mine")


async def test_a_cancelled_test_stops_its_broker() -> None:
    broker = Broker()
    with trio.CancelScope() as scope:
        async with broker:
            scope.cancel()
            await trio.sleep_forever()
    assert scope.cancelled_caught
    with pytest.raises(OSError):
        await trio.open_tcp_stream(*broker.address())


async def test_settings_and_their_errors() -> None:
    with pytest.raises(ConfigError, match=r"mqtt\.nonsense"):
        Broker(mqtt={"nonsense": 1})
    with pytest.raises(ConfigError, match="nonsense"):
        async with Broker(plugins={"default_startups": ["nonsense"]}):
            raise AssertionError
    async with Broker() as broker:
        taken = {"tcp": {"external": {"addr": f"127.0.0.1:{broker.port}"}}}
        with pytest.raises(ConfigError, match="in use"):
            async with Broker(listener=taken):
                raise AssertionError


async def test_outage_and_restart() -> None:
    async with Broker() as broker:
        address = broker.address()
        async with broker.outage():
            with pytest.raises(OSError):
                await trio.open_tcp_stream(*address)
            with pytest.raises(BrokerDownError, match="down"):
                broker.clients()
        await broker.restart()
        assert broker.address() == address
        await (await connect(broker, "c")).stream.aclose()


async def test_asked_before_it_runs() -> None:
    broker = Broker()
    with pytest.raises(BrokerDownError, match="async with"):
        broker.clients()
    with pytest.raises(BrokerDownError, match="async with"):
        broker.address()
    async with broker:
        with pytest.raises(RuntimeError, match="once"):
            async with broker:
                raise AssertionError
    with pytest.raises(BrokerDownError):
        broker.clients()
