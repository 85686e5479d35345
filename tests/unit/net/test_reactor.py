"""The reactor over real sockets: large messages, slow and silent readers, ends of connections, caps."""

from __future__ import annotations

import hashlib
import socket
import struct

import pytest
import trio

from rmq.hooks.verdicts import ALLOW
from rmq.net.listener import ListenerOptions
from rmq.session.client_info import ClientInfo
from rmq.session.limits import Limits
from tests.support import wire
from tests.support.packet_notation import V311
from tests.support.wire import Will
from tests.support.wire_parser import Connack, Disconnect, Pingresp, Puback, Publish, Pubrel
from tests.unit.net.harness import Server, SlowClient, connect, open_client, serving

pytestmark = pytest.mark.realtime


def roomy(out_buffer_limit: int = 1_048_576) -> Limits:
    limits = Limits("tcp.external")
    limits.max_packet_size = 50_000_000
    limits.out_buffer_limit = out_buffer_limit
    return limits


async def until_silent(server: Server, client: SlowClient) -> None:
    """Everything that was sent before is handled."""
    await client.send(wire.pingreq())
    while not isinstance(await client.packet(), Pingresp):
        pass


@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_messages_of_many_sizes_arrive_whole_and_in_order(qos: int) -> None:
    sizes = [0, 1, 100, 16_383, 16_384, 65_530, 65_536, 70_000, 1_000_000, 8_000_000, 3]
    sent = [hashlib.shake_128(str(size).encode()).digest(size) for size in sizes]
    async with serving(roomy(50_000_000)) as server:
        subscriber, publisher = await connect(server, "s"), await connect(server, "p")
        await subscriber.subscribe("t", qos)

        async def publish() -> None:
            for number, payload in enumerate(sent):
                await publisher.send(wire.publish("t", payload, qos, number + 1 if qos else 0))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(publish)
            received: list[bytes] = []
            while len(received) < len(sent):
                packet = await subscriber.packet()
                if isinstance(packet, Publish):
                    received.append(packet.payload)
                    if qos:
                        answer = wire.puback if qos == 1 else wire.pubrec
                        await subscriber.send(answer(packet.packet_id))
                elif isinstance(packet, Pubrel):
                    await subscriber.send(wire.pubcomp(packet.packet_id))
            assert received == sent


async def test_a_reader_that_stops_bounds_the_memory_and_delays_nobody() -> None:
    limit, size, count = 200_000, 20_000, 1_000
    async with serving(roomy(limit)) as server:
        stuck = await connect(server, "stuck", receive_buffer=4096)
        quick, publisher = await connect(server, "quick"), await connect(server, "p")
        for client in (stuck, quick):
            await client.subscribe("t")
        largest = 0
        for number in range(count):
            await publisher.send(wire.publish("t", b"%06d" % number + bytes(size)))
            assert (await quick.take(Publish)).payload.startswith(b"%06d" % number)
            largest = max(largest, server.channel("stuck").out_size)
        assert limit <= largest <= limit + 2 * size
        dropped = server.counters.dropped_out_buffer_full
        assert dropped == server.counters.messages_dropped > count // 2
        # It reads again: what wasn't dropped is there, whole and in order.
        await publisher.send(wire.publish("t", b"last"))
        numbers: list[int] = []
        while len(numbers) < count - dropped:
            numbers.append(int((await stuck.take(Publish)).payload[:6]))
        assert numbers == sorted(numbers)


async def test_qos1_for_a_reader_that_stops_waits_and_flows_later() -> None:
    limits = roomy(100_000)
    limits.max_inflight, limits.max_mqueue_len = 1000, 1000
    async with serving(limits) as server:
        stuck = await connect(server, "stuck", receive_buffer=4096)
        publisher = await connect(server, "p")
        await stuck.subscribe("t", 1)
        for number in range(400):
            await publisher.send(wire.publish("t", b"%06d" % number + bytes(10_000), 1, number + 1))
        for _ in range(400):
            await publisher.take(Puback)
        assert server.channel("stuck").out_size <= 120_000
        for number in range(400):
            message = await stuck.take(Publish)
            assert int(message.payload[:6]) == number
            await stuck.send(wire.puback(message.packet_id))
        assert server.counters.messages_dropped == 0


@pytest.mark.parametrize("piece", [1, 7, 10_000])
async def test_slow_senders_are_put_together_again(piece: int) -> None:
    size = 2_000 if piece < 100 else 1_000_000
    async with serving(roomy()) as server:
        subscriber = await connect(server, "s")
        await subscriber.subscribe("#", 1)
        clients = [await open_client(server) for _ in range(5)]
        streams = [
            wire.connect(f"c{number}") + wire.publish(f"t/{number}", bytes([number]) * size, 1, 1) + wire.pingreq()
            for number in range(5)
        ]
        for at in range(0, len(streams[0]), piece):
            for client, stream in zip(clients, streams, strict=True):
                await client.send(stream[at : at + piece])
        for client in clients:
            for kind in (Connack, Puback, Pingresp):
                await client.take(kind)
        messages = [await subscriber.take(Publish) for _ in range(5)]
        assert {m.topic: m.payload for m in messages} == {f"t/{n}": bytes([n]) * size for n in range(5)}


@pytest.mark.parametrize("behind", [0, 100, 3_000_000])
async def test_the_farewell_arrives_though_input_is_pending(behind: int) -> None:
    async with serving(roomy()) as server:
        client = await connect(server, "a")
        await client.send(wire.connect("again"), bytes(behind))
        assert (await client.take(Disconnect)).code == 0x82
        await client.expect_end()


async def test_a_refusal_arrives_though_input_is_pending() -> None:
    limits = roomy()
    limits.allow_anonymous = False
    async with serving(limits) as server:
        for level, code in ((5, 0x87), (V311, 5)):
            client = await open_client(server, level)
            await client.send(wire.connect("a", level), wire.publish("t", bytes(2_000_000), level=level))
            assert (await client.take(Connack)).code == code
            await client.expect_end()


async def test_a_peer_that_never_closes_is_cut_off() -> None:
    async with serving() as server:
        client = await connect(server, "a")
        await client.send(wire.connect("again"))
        await client.take(Disconnect)
        await client.expect_end()
        await server.until(lambda: len(server.reactor) == 0)


@pytest.mark.parametrize("end", ["close", "reset", "half-close"])
async def test_what_was_sent_before_the_end_is_handled(end: str) -> None:
    async with serving() as server:
        watcher = await connect(server, "w")
        await watcher.subscribe("#")
        client = await connect(server, "a", will=Will("will", b"gone"))
        await client.send(wire.publish("t", b"last words"))
        if end == "half-close":
            client.sock.shutdown(trio.socket.SHUT_WR)
        elif end == "close":
            client.close()
        assert (await watcher.take(Publish)).payload == b"last words"
        if end == "reset":
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
        assert (await watcher.take(Publish)).payload == b"gone"
        assert server.counters.connections_lost == 1


async def test_a_client_reset_while_its_packet_waits_is_noticed() -> None:
    gone, asked = trio.Event(), trio.Event()

    async def check(client: ClientInfo, topic: str, qos: int, retain: bool) -> int:
        asked.set()
        await trio.sleep_forever()
        return ALLOW

    async with serving() as server:
        server.hooks.register("message_publish_check_acl", check, "test")
        server.hooks.register("client_disconnected", lambda client, code, text: gone.set(), "test")
        client = await connect(server, "a")
        await client.send(wire.publish("t"))
        await asked.wait()
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        await gone.wait()


async def test_the_cap_on_connections() -> None:
    options = ListenerOptions("127.0.0.1", 0)
    options.max_connections = 3
    async with serving(None, options) as server:
        clients = [await connect(server, f"c{number}") for number in range(3)]
        refused = await open_client(server)
        await refused.expect_refused(wire.connect("late"))
        assert server.counters.connections_refused_limit == 1
        await until_silent(server, clients[0])
        clients[0].close()
        await server.until(lambda: server.listener.connections == 2)
        await connect(server, "again")


async def test_the_cap_on_handshakes_counts_those_under_way() -> None:
    options = ListenerOptions("127.0.0.1", 0)
    options.max_handshakes = 2
    async with serving(None, options) as server:
        for number in range(4):
            await connect(server, f"c{number}")
        idle = [await open_client(server) for _ in range(2)]
        await server.until(lambda: server.listener.handshakes == 2)
        refused = await open_client(server)
        await refused.expect_refused(wire.connect("late"))
        await idle[0].send(wire.connect("idle"))
        await idle[0].take(Connack)
        await connect(server, "last")
        assert server.counters.connections_refused_limit == 1


async def test_hundreds_that_come_and_go_leave_nothing() -> None:
    async with serving() as server:

        async def visit(number: int) -> None:
            client = await open_client(server)
            if number % 3:
                await client.send(wire.connect(f"c{number}"))
                await client.take(Connack)
            if number % 2:
                client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()

        async with trio.open_nursery() as nursery:
            for number in range(300):
                nursery.start_soon(visit, number)
        await server.until(lambda: len(server.reactor) == 0)
        assert server.counters.connections_accepted == 300
        assert len(server.broker.registry) == server.broker.stats.handshakes.count == 0
        assert not server.broker.keepalive_timers


async def test_a_large_fan_out_reaches_everybody() -> None:
    async with serving() as server:
        subscribers = [await connect(server, f"s{number}") for number in range(700)]
        for subscriber in subscribers:
            await subscriber.subscribe("t")
        publisher = await connect(server, "p")
        for number in range(3):
            await publisher.send(wire.publish("t", b"%d" % number))
        for subscriber in subscribers:
            assert [(await subscriber.take(Publish)).payload for _ in range(3)] == [b"0", b"1", b"2"]
