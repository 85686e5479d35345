"""Links over TCP on loopback."""

from __future__ import annotations

import socket
import time

import pytest
import trio
from rmq_cluster.links import CONTROL, DATA, LinkError
from rmq_cluster.links.tcp import TcpNetwork
from structlog.testing import capture_logs

from tests.integration.cluster_links.harness import PATIENCE_S, SocketNode, start

pytestmark = pytest.mark.realtime


async def test_three_nodes_and_frames_of_all_sizes(nursery: trio.Nursery) -> None:
    nodes = [SocketNode(number) for number in (1, 2, 3)]
    await start(nursery, *nodes)
    for node in nodes:
        await node.until_events(2)
    bodies = [bytes([size % 251]) * size for size in (0, 1, 100, 65_536, 262_144, 3_000_000)]
    for node in nodes:
        for peer in node.links.connected():
            for channel in (CONTROL, DATA):
                for body in bodies:
                    assert node.links.send(peer, channel, 1 + channel, body)
    for node in nodes:
        await node.until_received(4 * len(bodies))
        for peer in {1, 2, 3} - {node.node}:
            for channel in (CONTROL, DATA):
                found = [body for one, two, _, body in node.received if (one, two) == (peer, channel)]
                assert found == bodies


async def test_a_port_in_use_is_an_error_that_names_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LinkError, match=rf"127\.0\.0\.1:{port} for other nodes: Address already in use"):
            await SocketNode(1, port=port).links.run()


async def test_a_host_of_other_machines_is_an_error_that_names_it() -> None:
    with pytest.raises(LinkError, match=r"192\.0\.2\.1:0 for other nodes: Cannot assign requested address"):
        await SocketNode(1, host="192.0.2.1").links.run()


class Impatient(TcpNetwork):
    """Tells of the first name that can't be resolved."""

    def __init__(self) -> None:
        super().__init__(None)
        self.failed = trio.Event()

    async def resolve(self, host: str) -> list[str]:
        try:
            return await super().resolve(host)
        except OSError:
            self.failed.set()
            raise


@pytest.mark.parametrize("name", ["no-such-host.invalid", "a..b"])
async def test_a_name_that_does_not_exist_is_dialled_until_it_does(nursery: trio.Nursery, name: str) -> None:
    network = Impatient()
    one, two = SocketNode(1), SocketNode(2, network=network)
    await start(nursery, one)
    two.links.set_peers({1: f"{name}:{one.links.port}"})
    with capture_logs() as logged:
        await nursery.start(two.run)
        with trio.fail_after(PATIENCE_S):
            await network.failed.wait()
        two.links.set_peers({1: one.address})
        await two.until_events(1)
    assert two.links.counters.dials_failed + two.links.counters.refusals["timeout"] >= 1
    assert not [line for line in logged if line["log_level"] == "error"]


async def test_ipv6(nursery: trio.Nursery) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    one, two = SocketNode(1, host="::1"), SocketNode(2)
    await start(nursery, one, two)
    two.links.set_peers({1: f"[::1]:{one.links.port}"})
    await two.until_events(1)
    assert two.links.connected() == {1}


async def test_a_node_that_stops_is_down_at_once_and_up_again_when_it_is_back(nursery: trio.Nursery) -> None:
    one, two = SocketNode(1), SocketNode(2)
    await start(nursery, one, two)
    await two.until_events(1)
    one.scope.cancel()
    await two.until_events(2)
    assert two.events[1][0] == "down"
    again = SocketNode(1, port=one.links.port)
    await nursery.start(again.run)
    await two.until_events(3)
    assert two.links.connected() == {1}


async def test_control_is_not_delayed_by_saturated_data(nursery: trio.Nursery) -> None:
    """Round trips on CONTROL while as much DATA is sent as goes through, in one process with two nodes."""
    one, two = SocketNode(1), SocketNode(2)
    echoed = trio.Event()

    def echo(peer: int, channel: int, frames: list[tuple[int, bytes]]) -> None:
        for kind, body in frames:
            if channel == CONTROL:
                one.links.send(peer, CONTROL, kind, body)

    def note(peer: int, channel: int, frames: list[tuple[int, bytes]]) -> None:
        if channel == CONTROL:
            echoed.set()

    one.frames = echo  # type: ignore[method-assign] # another handler for this test
    two.frames = note  # type: ignore[method-assign] # the same
    await start(nursery, one, two)
    await one.until_events(1)
    await two.until_events(1)

    async def flood() -> None:
        while await two.links.wait_for_room(1, DATA, 32 << 20):
            while two.links.send(1, DATA, 10, bytes(65_536)):
                pass

    nursery.start_soon(flood)
    taken = []
    for _ in range(50):
        begun = time.perf_counter()
        assert two.links.send(1, CONTROL, 2, b"?")
        with trio.fail_after(PATIENCE_S):
            await echoed.wait()
        echoed = trio.Event()
        taken.append(time.perf_counter() - begun)
    assert two.links.counters.bytes_sent[DATA] > 0
    assert two.links.pending(1, DATA) > 16 << 20
    # What waits on DATA would take many times as long: 32 MiB and more, at some hundred MiB/s.
    assert sorted(taken)[25] < 0.05


async def test_somebody_else_may_read_in_turns_and_give_that_back(nursery: trio.Nursery) -> None:
    one, two = SocketNode(1), SocketNode(2)
    await start(nursery, one, two)
    for node in (one, two):
        await node.until_events(1)
    direct = one.links.direct
    direct.drive_elsewhere()
    assert two.links.send(1, DATA, 5, b"first")
    with trio.fail_after(PATIENCE_S):
        await trio.lowlevel.wait_readable(direct.fd)
        assert one.received == []
        while not one.received:  # a keep-alive may have been there first
            direct.read_in_turn()
            await trio.lowlevel.checkpoint()
    assert two.links.send(1, DATA, 5, b"second")
    direct.drive_here()
    await one.until_received(2)
    assert [body for _, _, _, body in one.received] == [b"first", b"second"]


async def test_what_a_socket_does_not_take_at_once_follows_in_order(nursery: trio.Nursery) -> None:
    one, two = SocketNode(1), SocketNode(2)
    await start(nursery, one, two)
    for node in (one, two):
        await node.until_events(1)
    one.links.direct.drive_elsewhere()  # it reads nothing
    bodies = [bytes([number]) * 1_000_000 for number in range(20)]
    for body in bodies:
        assert two.links.send(1, DATA, 5, body)
    assert two.links.pending(1, DATA) > 0
    one.links.direct.drive_here()
    await one.until_received(len(bodies))
    assert [body for _, _, _, body in one.received] == bodies
    with trio.fail_after(PATIENCE_S):
        assert await two.links.wait_for_room(1, DATA, 0)
    assert two.links.counters.frames_sent[DATA] == len(bodies)
