"""What Prometheus is told: of this node, of all, of one that is down, and of all as one."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from prometheus_client.parser import text_string_to_metric_families

from rmq.metrics.cluster_keys import CLUSTER_STATS
from rmq.metrics.keys import metrics_snapshot
from tests.unit.http_api.api import Api, problem
from tests.unit.management.world import Peers, World

RMQTT = "/api/v1/metrics/prometheus"
Samples = Mapping[tuple[str, tuple[tuple[str, str], ...]], float]


class Figured:
    """A cluster of which there are figures."""

    def counters(self) -> dict[str, int]:
        return {"cluster.links.dials.failed": 3, "cluster.links.data.bytes.sent": 70}

    def gauges(self) -> dict[str, int]:
        found = dict.fromkeys(CLUSTER_STATS, 0)
        return found | {"cluster.log.committed": 20, "cluster.log.applied": 17, "cluster.silence": 1500}


async def scrape(api: Api, path: str = "/metrics") -> Samples:
    """Every sample with its labels."""
    answer = await api.ask("GET", path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    found = {}
    for family in text_string_to_metric_families(answer.text):
        assert family.documentation, family.name
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found, key
            found[key] = sample.value
    return found


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, tuple(sorted(labels.items()))]


def three(*down: int) -> Api:
    """Node 1 of three, each with a client more than the one before, and the same retained message."""
    worlds = [World(2), World(3)]
    api = Api(World(1, Peers(worlds, set(down))))
    for number, world in enumerate([api.world, *worlds]):
        for client in range(number):
            world.engine.connect(f"c{number}{client}")
        world.engine.connect("p").publish("kept", b"x", retain=True)
    return api


async def test_every_figure_of_this_node(api: Api) -> None:
    client = api.world.engine.connect("c")
    client.subscribe(("t", 1))
    client.publish("t", b"x", 1)
    client.publish("nobody", b"x", 0)
    samples = await scrape(api)
    assert value(samples, "rmq_up", node="1") == 1
    assert value(samples, "rmq_connections", node="1") == 1
    assert value(samples, "rmq_messages_received_total", node="1", qos="1") == 1
    assert value(samples, "rmq_messages_received_total", node="1", qos="0") == 1
    assert value(samples, "rmq_messages_nonsubscribed_total", node="1", origin="custom") == 1
    assert value(samples, "rmq_packets_sent_total", node="1", type="puback") == 1
    counters = metrics_snapshot(api.world.engine.counters)
    assert value(samples, "rmq_received_bytes_total", node="1") == counters["bytes.received"]
    assert value(samples, "rmq_process_resident_memory_bytes", node="1") > 1e6
    # Histograms are cumulative, and their last bucket has all.
    buckets = [found for (name, _), found in samples.items() if name == "rmq_publish_to_deliver_seconds_bucket"]
    assert buckets == sorted(buckets)
    assert buckets[-1] == value(samples, "rmq_publish_to_deliver_seconds_count", node="1") == 1


async def test_counters_of_parts_add_up_to_what_is_not_told(api: Api) -> None:
    client = api.world.engine.connect("c")
    client.subscribe(("t", 0))
    for qos in (0, 1, 2):
        client.publish("t", b"x", qos)
    samples = await scrape(api)
    counters = metrics_snapshot(api.world.engine.counters)
    for family, name in (("published", "publish"), ("delivered", "delivered"), ("dropped", "dropped")):
        parts = [found for (found_name, _), found in samples.items() if found_name == f"rmq_messages_{family}_total"]
        assert sum(parts) == counters[f"messages.{name}"]
    assert counters["messages.publish"] == 3


async def test_limits_certificates_and_cluster(api: Api) -> None:
    figures = api.world.local.figures
    figures.limits = {"storage.memory_budget": 256, "storage.disk_budget": 0}
    figures.certificates = lambda: {"tls.external": 1.8e9}
    api.world.local.cluster_figures = Figured()
    samples = await scrape(api)
    assert value(samples, "rmq_storage_memory_budget_bytes", node="1") == 256
    assert value(samples, "rmq_storage_disk_budget_bytes", node="1") == 0
    assert value(samples, "rmq_certificate_not_after_timestamp_seconds", node="1", listener="tls.external") == 1.8e9
    assert value(samples, "rmq_cluster_apply_lag_entries", node="1") == 3
    assert value(samples, "rmq_cluster_links_dials_failed_total", node="1") == 3
    assert value(samples, "rmq_cluster_sent_bytes_total", node="1", channel="data") == 70
    assert value(samples, "rmq_cluster_silence_seconds", node="1") == 1.5


async def test_a_node_alone_has_nothing_of_a_cluster(api: Api) -> None:
    assert not [name for name, _ in await scrape(api) if "cluster" in name]


async def test_all_nodes_one_of_them_down() -> None:
    api = three(3)
    samples = await scrape(api, RMQTT)
    assert [value(samples, "rmq_up", node=node) for node in "123"] == [1, 1, 0]
    assert [value(samples, "rmq_connections", node=node) for node in "12"] == [1, 2]
    assert ("rmq_connections", (("node", "3"),)) not in samples


async def test_the_own_figures_ask_nobody_else() -> None:
    api = three()
    samples = await scrape(api)
    assert {dict(labels)["node"] for _, labels in samples} == {"1"}


async def test_one_node() -> None:
    api = three(3)
    assert value(await scrape(api, f"{RMQTT}/2"), "rmq_connections", node="2") == 2
    assert problem(await api.ask("GET", f"{RMQTT}/3")) == (503, "NODE_UNREACHABLE")
    assert problem(await api.ask("GET", f"{RMQTT}/9")) == (404, "NODE_NOT_FOUND")
    assert problem(await api.ask("GET", f"{RMQTT}/abc")) == (400, "BAD_PARAMETER")


@pytest.mark.parametrize(("down", "connections", "published"), [((), 6, 3), ((3,), 3, 2)])
async def test_the_sum(down: tuple[int, ...], connections: int, published: int) -> None:
    api = three(*down)
    samples = await scrape(api, f"{RMQTT}/sum")
    assert value(samples, "rmq_connections", node="all") == connections
    assert value(samples, "rmq_retained_messages", node="all") == 1  # all have the same
    assert value(samples, "rmq_messages_published_total", node="all", origin="custom") == published
    assert [value(samples, "rmq_up", node=node) for node in "123"] == [1, 1, 0 if down else 1]


async def test_histograms_of_all_nodes_are_added_up() -> None:
    api = three()
    for world in (api.world, World(1)):
        world.engine.broker.ctx.latencies.ack.observe(0.0007)
    one = value(await scrape(api), "rmq_publish_to_ack_seconds_count", node="1")
    assert one == 1
    samples = await scrape(api, f"{RMQTT}/sum")
    assert value(samples, "rmq_publish_to_ack_seconds_count", node="all") == 1
    assert value(samples, "rmq_publish_to_ack_seconds_bucket", node="all", le="0.001") == 1
    assert value(samples, "rmq_publish_to_ack_seconds_bucket", node="all", le="0.0005") == 0
    assert value(samples, "rmq_publish_to_ack_seconds_sum", node="all") == pytest.approx(0.0007)


async def test_the_loop_lag_is_there(api: Api) -> None:
    api.world.engine.broker.ctx.latencies.loop_lag.observe(0.3)
    samples = await scrape(api)
    assert value(samples, "rmq_event_loop_lag_seconds_bucket", node="1", le="0.25") == 0
    assert value(samples, "rmq_event_loop_lag_seconds_bucket", node="1", le="0.5") == 1


async def test_what_the_handlers_of_plugins_cost(api: Api) -> None:
    other = World(2)
    both = Api(World(1, Peers([other], set())))
    for world in (both.world, other):
        world.engine.hooks.register("client_connected", lambda client: None, "rmq-greeter")
        world.engine.hooks.register("message_publish", lambda client, message: 1 / 0, "rmq-greeter")
    both.world.engine.connect("a").publish("t", b"x", 0)
    other.engine.connect("b")
    other.engine.connect("c")

    def of(samples: Samples, node: str, what: str, point: str) -> float:
        return value(samples, f"rmq_plugin_hook_{what}_total", node=node, plugin="rmq-greeter", point=point)

    own = await scrape(both)
    assert [of(own, "1", "calls", point) for point in ("client_connected", "message_publish")] == [1, 1]
    assert [of(own, "1", "errors", point) for point in ("client_connected", "message_publish")] == [0, 1]
    assert of(own, "1", "overruns", "message_publish") == 0
    assert 0 < of(own, "1", "seconds", "message_publish") < 1
    each, total = await scrape(both, RMQTT), await scrape(both, f"{RMQTT}/sum")
    assert [of(each, node, "calls", "client_connected") for node in "12"] == [1, 2]
    assert (of(total, "all", "calls", "client_connected"), of(total, "all", "errors", "message_publish")) == (3, 1)
