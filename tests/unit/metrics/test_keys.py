"""The names of the metrics: what RMQTT's users look for, and a reason for every dropped message.

That every counter and every gauge is in the table is tests/architecture/test_metric_keys.py's business.
"""

from rmq.metrics.cluster_keys import CLUSTER_METRICS, CLUSTER_STATS
from rmq.metrics.counters import Counters
from rmq.metrics.gauges import Stats
from rmq.metrics.keys import METRICS, ONCE, STATS, SUM, metrics_snapshot, stats_snapshot

# Those of a running RMQTT: more than the contract's excerpt.
_ORIGINS = ("custom", "admin", "lastwill", "system", "bridge")
RMQTT_METRICS = [
    "client.authenticate",
    "client.auth.anonymous",
    "client.auth.anonymous.error",
    "client.handshaking.timeout",
    "client.connect",
    "client.connack",
    "client.connack.auth.error",
    "client.connack.unavailable.error",
    "client.connack.error",
    "client.connected",
    "client.disconnected",
    "client.subscribe.check.acl",
    "client.publish.check.acl",
    "client.subscribe",
    "client.unsubscribe",
    "client.subscribe.error",
    "client.subscribe.auth.error",
    "client.publish.auth.error",
    "client.publish.error",
    "client.publish.duplicate",
    "session.subscribed",
    "session.unsubscribed",
    "session.created",
    "session.resumed",
    "session.terminated",
    "messages.publish",
    *(f"messages.publish.{origin}" for origin in _ORIGINS),
    "messages.delivered",
    *(f"messages.delivered.{origin}" for origin in (*_ORIGINS, "retain")),
    "messages.acked",
    *(f"messages.acked.{origin}" for origin in (*_ORIGINS, "retain")),
    "messages.nonsubscribed",
    *(f"messages.nonsubscribed.{origin}" for origin in _ORIGINS),
    "messages.dropped",
]
RMQTT_STATS = [
    "handshakings",
    "handshakings_active",
    "handshakings_rate",
    "connections",
    "sessions",
    "subscriptions",
    "subscriptions_shared",
    "retained",
    "retaineds",
    "message_queues",
    "out_inflights",
    "in_inflights",
    "forwards",
    "message_storages",
    "delayed_publishs",
    "topics",
    "routes",
]


def test_all_metrics_of_rmqtt_are_there() -> None:
    assert set(RMQTT_METRICS) <= set(metrics_snapshot(Counters()))


def test_all_stats_of_rmqtt_are_there_with_count_and_max() -> None:
    snapshot = stats_snapshot(Stats())
    assert {f"{name}.{part}" for name in RMQTT_STATS for part in ("count", "max")} <= set(snapshot)


def test_a_snapshot_shows_now_and_the_peak() -> None:
    stats = Stats()
    stats.retained.set(9)
    stats.retained.set(4)
    snapshot = stats_snapshot(stats)
    assert (snapshot["retained.count"], snapshot["retained.max"]) == (4, 9)
    assert (snapshot["retaineds.count"], snapshot["retaineds.max"]) == (4, 9)


def test_every_reason_to_drop_a_message_is_named_by_its_counter() -> None:
    named = {metric.name: metric.attribute for metric in METRICS if metric.name.startswith("messages.dropped.")}
    reasons = [attribute for attribute in dir(Counters) if attribute.startswith("dropped_")]
    assert named == {f"messages.dropped.{reason.removeprefix('dropped_')}": reason for reason in reasons}


def test_every_node_knows_all_topics_routes_retained_and_delayed_messages_and_only_those() -> None:
    assert {stat.name for stat in STATS if stat.merge == ONCE} == {"retained", "topics", "routes", "delayed_publishs"}
    assert {stat.merge for stat in STATS} == {ONCE, SUM}


def test_each_key_is_explained() -> None:
    texts = {metric.name: metric.help_text for metric in METRICS} | {stat.name: stat.help_text for stat in STATS}
    texts |= CLUSTER_METRICS | {name: text for name, (_, text) in CLUSTER_STATS.items()}
    assert len(texts) == len(METRICS) + len(STATS) + len(CLUSTER_METRICS) + len(CLUSTER_STATS)
    for name, text in texts.items():
        assert text[:1].isupper() and not text.endswith("."), name
