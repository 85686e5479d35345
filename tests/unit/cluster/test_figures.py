"""Everything that the cluster counts is in the one table, and the other way round."""

from __future__ import annotations

import trio
from rmq_cluster.disk import ThreadDisk
from rmq_cluster.figures import Figures
from rmq_cluster.requests import Exchange
from trio.testing import MockClock

from rmq.management.aggregate import sum_metrics, sum_stats
from rmq.management.models import Gathered, Metrics, NodeRef, Stats
from rmq.metrics.cluster_keys import CLUSTER_METRICS, CLUSTER_STATS, ClusterGauges
from tests.unit.cluster.world import Node, World


async def answer(*_: object) -> object:
    raise AssertionError("nobody asks")


def figures(node: Node) -> Figures:
    node.cluster.exchange = Exchange(node.cluster.carrier, answer)  # type: ignore[arg-type]  # nobody asks
    return Figures(node.cluster)


async def test_each_has_a_name_and_each_name_a_value(world: World, autojump_clock: MockClock) -> None:
    waiting = await world.start(1)
    assert figures(waiting).counters().keys() == CLUSTER_METRICS.keys()
    assert figures(waiting).gauges().keys() == CLUSTER_STATS.keys()
    await world.start(2)
    await world.start(3)
    await world.ready()
    leader = await world.leader()
    await leader.port.commit("one")
    counters, gauges = figures(leader).counters(), figures(leader).gauges()
    assert counters.keys() == CLUSTER_METRICS.keys() and gauges.keys() == CLUSTER_STATS.keys()
    assert all(type(value) is int for value in (counters | gauges).values())
    assert counters["cluster.links.up"] == gauges["cluster.links"] == 2
    assert counters["cluster.links.control.frames.sent"] > 0 < counters["cluster.links.control.bytes.received"]
    expected = {"cluster.leader": 1, "cluster.quorum": 1, "cluster.stepped_out": 0, "cluster.alarms": 0}
    assert expected.items() <= gauges.items()
    leader.cluster.replication.step_out("a test")
    expected = {"cluster.leader": 0, "cluster.quorum": 0, "cluster.stepped_out": 1, "cluster.alarms": 1}
    assert expected.items() <= figures(leader).gauges().items()


def test_counters_are_added_up_and_gauges_by_their_rules() -> None:
    gauges = ClusterGauges()
    first = gauges.sampled(dict.fromkeys(CLUSTER_STATS, 5))
    second = gauges.sampled(dict.fromkeys(CLUSTER_STATS, 3))
    refs = NodeRef(1, "1"), NodeRef(2, "2")
    total = sum_stats(Gathered((Stats((refs[0],), first), Stats((refs[1],), second)), ())).values
    assert (total["cluster.links.count"], total["cluster.links.max"]) == (8, 10)
    assert (total["cluster.term.count"], total["cluster.term.max"]) == (5, 5)
    metrics = Gathered(tuple(Metrics((ref,), {"cluster.links.up": 2}) for ref in refs), ())
    assert sum_metrics(metrics).values == {"cluster.links.up": 4}


async def test_a_bug_behind_a_call_of_the_disk_is_counted() -> None:
    found: list[tuple[str, Exception]] = []
    told = trio.Event()

    def on_bug(what: str, error: Exception) -> None:
        found.append((what, error))
        told.set()

    disk = ThreadDisk("a-disk", on_bug)
    wrong = ValueError("wrong")

    def done(_: object, __: Exception | None) -> None:
        raise wrong

    disk.submit(lambda: None, done)
    with trio.fail_after(5):
        await told.wait()
    assert disk.close(5.0)
    assert found == [("what follows a call of a-disk", wrong)]
