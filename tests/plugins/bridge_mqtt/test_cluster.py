"""Bridges of a cluster: one node relays, and when it dies another one goes on."""

from collections.abc import Callable
from pathlib import Path

import pytest
from rmq_plugins.bridges.entries import entry_key
from rmq_plugins.bridges.place import runs_on

from tests.plugins.bridge_mqtt.conftest import Mosquitto, await_subscriber, bridge_option, receive_all
from tests.support.client import Client
from tests.support.cluster_processes import ClusterProcesses

pytestmark = [pytest.mark.realtime, pytest.mark.slow]


def runner(direction: str, *parts: str) -> int:
    """The node of three that an entry of the bridge "link" runs on."""
    return runs_on(f"$rmq/bridge/{direction}/link/{entry_key(*parts)}/0", (1, 2, 3))


def started(directory: Path, *sets: str) -> ClusterProcesses:
    cluster = ClusterProcesses(directory, sets)
    try:
        cluster.start()
    except BaseException:
        cluster.close()
        raise
    return cluster


def test_the_node_that_sends_out_is_killed(
    tmp_path: Path, make_mosquitto: Callable[..., Mosquitto], dial: Callable[..., Client]
) -> None:
    remote = make_mosquitto()
    remote.start()
    subscriber = dial(remote.address, "sub")
    subscriber.subscribe(("out", 2))
    cluster = started(
        tmp_path,
        'plugins.default_startups=["rmq-bridge-egress-mqtt"]',
        bridge_option("egress", f"tcp://127.0.0.1:{remote.address[1]}", '[{ local.topic_filter = "out" }]'),
    )
    try:
        victim = cluster[runner("egress", "out", "${local.topic}", "0")]
        publisher = dial(cluster.others(victim.number)[0].address, "pub")
        await_subscriber(publisher, "out")
        for number in range(100):
            publisher.publish("out", b"%d" % number, 2)
            if number == 30:
                victim.kill()
        assert receive_all(subscriber, 100) == [b"%d" % number for number in range(100)]
        subscriber.expect_nothing()
        assert not [member.number for member in cluster if "Traceback" in member.whole_log]
    finally:
        cluster.close()


def test_the_node_that_fetches_is_killed(
    tmp_path: Path, make_mosquitto: Callable[..., Mosquitto], dial: Callable[..., Client]
) -> None:
    remote = make_mosquitto()
    remote.start()
    cluster = started(
        tmp_path,
        'plugins.default_startups=["rmq-bridge-ingress-mqtt"]',
        bridge_option("ingress", f"tcp://127.0.0.1:{remote.address[1]}", '[{ remote.topic = "far", remote.qos = 2 }]'),
    )
    try:
        victim = cluster[runner("ingress", "far", "${remote.topic}")]
        subscriber = dial(cluster.others(victim.number)[0].address, "sub", keeping=True)
        subscriber.subscribe(("far", 2))
        publisher = dial(remote.address, "pub")
        await_subscriber(publisher, "far")
        for number in range(100):
            publisher.publish("far", b"%d" % number, 2)
            if number == 30:
                victim.kill()
        assert receive_all(subscriber, 100) == [b"%d" % number for number in range(100)]
        subscriber.expect_nothing()
        assert not [member.number for member in cluster if "Traceback" in member.whole_log]
    finally:
        cluster.close()
