"""The dialling side: back-off, names, addresses that change, and whoever answers there."""

from __future__ import annotations

from random import Random

import pytest
import trio
from rmq_cluster.links.dialling import Backoff
from rmq_cluster.links.hello import READY
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.support.memory_network import MemoryStream
from tests.unit.cluster.links.harness import LinkedNode, Village


def refusals(node: LinkedNode) -> dict[str, int]:
    return {kind: count for kind, count in node.links.counters.refusals.items() if count}


def test_waits_double_up_to_the_longest_and_begin_again() -> None:
    backoff = Backoff(0.05, 1.0, Random(1))
    for longest in (0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0):
        assert longest / 2 <= backoff.next() <= longest
    backoff.reset()
    assert backoff.next() <= 0.05


def test_chance_comes_from_the_given_random() -> None:
    one, two = (Backoff(0.05, 1.0, Random(7)) for _ in range(2))
    assert [one.next() for _ in range(9)] == [two.next() for _ in range(9)]
    assert [one.next() for _ in range(9)] != [Backoff(0.05, 1.0, Random(8)).next() for _ in range(9)]


async def test_a_node_that_is_not_there_is_dialled_until_it_is(village: Village, autojump_clock: MockClock) -> None:
    two = village.make(2)
    village.make(1)
    with capture_logs() as logged:
        await village.run(2)
        await trio.sleep(30)
    assert 30 <= two.links.counters.dials_failed <= 65
    (line,) = logged
    assert line["event"] == "cluster peer unreachable"
    assert line["peer"] == "node 1 at host-1:1900"
    assert line["text"] == "Connection refused"
    await village.run(1)
    await trio.sleep(1)
    assert two.links.connected() == {1}


async def test_names_are_resolved_again_at_every_try(village: Village, autojump_clock: MockClock) -> None:
    one, two = village.make(1, host="10.0.0.1"), village.make(2)
    village.world.names["one"] = []
    one.address = "one:1900"
    with capture_logs() as logged:
        await village.run(1, 2)
    assert logged[0]["text"] == "one: Name or service not known"
    village.world.names["one"] = ["10.0.0.9"]
    await trio.sleep(5)
    village.world.names["one"] = ["10.0.0.1"]
    await trio.sleep(2)
    assert two.links.connected() == {1}
    assert one.links.connected() == {2}


async def test_an_address_that_swallows_everything_does_not_hide_another(
    village: Village, autojump_clock: MockClock
) -> None:
    one, two = village.make(1, host="10.0.0.1"), village.make(2)
    one.address = "one:1900"
    village.world.names["one"] = ["10.0.0.9", "10.0.0.1"]
    village.world.black_holes.add("10.0.0.9")
    await village.run(1, 2)
    await trio.sleep(5)
    assert two.links.connected() == {1}
    assert refusals(two) == {"timeout": 1}


async def test_another_address_takes_effect_at_once(village: Village, autojump_clock: MockClock) -> None:
    await village.start(1, 2)
    two = village.nodes[2]
    elsewhere = village.make(1, host="host-1b")
    await village.run(1)  # which tells the new address
    await wait_all_tasks_blocked()
    assert two.handler.names() == ["up 1", "down 1", "up 1"]
    assert two.handler.events[1] == ("down", 1, "the node has another address")
    assert elsewhere.links.connected() == {2}


async def test_the_same_addresses_again_change_nothing(village: Village, autojump_clock: MockClock) -> None:
    await village.start(1, 2)
    village.introduce()
    await trio.sleep(1)
    assert village.nodes[2].handler.names() == ["up 1"]
    assert len(village.world.dialled) == 2


async def test_another_address_while_dialling_takes_effect_at_once(village: Village, autojump_clock: MockClock) -> None:
    one, two = village.make(1), village.make(2)
    village.world.black_holes.add("nowhere")
    await village.run(1)
    two.links.set_peers({1: "nowhere:1900"})
    async with trio.open_nursery() as nursery:
        await nursery.start(two.run)
        await wait_all_tasks_blocked()
        two.links.set_peers({1: one.address})
        await wait_all_tasks_blocked()
        assert two.links.connected() == {1}
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("remover", [1, 2])
async def test_a_peer_that_is_removed_is_closed(village: Village, autojump_clock: MockClock, remover: int) -> None:
    """By its dialler, or by who was dialled, who has to refuse it from then on."""
    await village.start(1, 2, 3)
    peer = 3 - remover
    node = village.nodes[remover]
    node.handler.refuse_only = peer
    node.links.set_peers({3: village.nodes[3].address})
    assert node.handler.events[-1] == ("down", peer, "the node was removed")
    await trio.sleep(10)
    assert node.links.connected() == {3}
    assert village.nodes[peer].links.connected() == {3}
    assert village.nodes[peer].handler.names().count(f"down {remover}") == 1


async def test_another_node_at_the_address(village: Village, autojump_clock: MockClock) -> None:
    village.make(1)
    three = village.make(3)
    await village.run(1)
    three.links.set_peers({2: "host-1:1900"})
    async with trio.open_nursery() as nursery:
        await nursery.start(three.run)
        with capture_logs() as logged:
            await wait_all_tasks_blocked()
        assert {line["text"] for line in logged} == {
            "node 1 answered where node 2 should be",
            "node 3 looks for node 2 here, this is node 1",
        }
        assert set(refusals(three)) == {"wrong_peer"}
        assert three.handler.checked == []
        nursery.cancel_scope.cancel()


async def test_without_a_secret_no_name_leads_to_another_machine(village: Village, autojump_clock: MockClock) -> None:
    two = village.make(2, host="127.0.0.2", secret=b"")
    village.world.names["localhost"] = ["10.0.0.1"]
    two.links.set_peers({1: "localhost:1900"})
    async with trio.open_nursery() as nursery:
        await nursery.start(two.run)
        await wait_all_tasks_blocked()
        assert refusals(two) == {"not_loopback": 1}
        assert village.world.dialled == []
        nursery.cancel_scope.cancel()


async def test_a_link_that_never_lasts_is_dialled_ever_more_slowly(village: Village, autojump_clock: MockClock) -> None:
    one = village.make(1)
    village.make(2)
    one.handler.on_up = lambda peer: one.links.close_peer(peer, "no")
    await village.run(1, 2)
    await trio.sleep(30)
    assert one.links.counters.links_up <= 60


async def test_a_link_that_lasted_is_dialled_again_soon(village: Village, autojump_clock: MockClock) -> None:
    one = village.make(1)
    village.make(2)
    one.handler.on_up = lambda peer: one.links.close_peer(peer, "no")
    await village.run(1, 2)
    await trio.sleep(30)
    one.handler.on_up = None
    await trio.sleep(10)
    assert one.links.connected() == {2}
    one.links.close_peer(2, "once")
    await trio.sleep(0.06)
    assert one.links.connected() == {2}


async def test_a_peer_that_is_removed_at_the_last_moment_gets_no_link(
    village: Village, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When both READYs have been sent, and the dialler has nothing more to wait for."""
    village.make(1)
    two = village.make(2)
    send_all = MemoryStream.send_all
    readies = []

    async def send(stream: MemoryStream, data: bytes) -> None:
        await send_all(stream, data)
        if data[4] == READY:
            readies.append(stream)
            if len(readies) == 2:
                two.links.set_peers({})

    monkeypatch.setattr(MemoryStream, "send_all", send)
    await village.run(1, 2)
    assert len(readies) == 2
    assert two.handler.events == []
    assert two.links.connected() == village.nodes[1].links.connected() == set()
    assert all(stream.is_closed for stream in readies)
