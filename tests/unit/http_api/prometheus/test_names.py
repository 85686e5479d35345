"""What figures are called in Prometheus: each has one place, and nobody else's."""

from __future__ import annotations

import re

import pytest
from rmq_http_api.prometheus.names import COUNTER_PLACES, GAUGE_PLACES, SUMS

from rmq.metrics.cluster_keys import CLUSTER_METRICS, CLUSTER_STATS
from rmq.metrics.keys import METRICS, STATS

NAME = re.compile(r"rmq_[a-z][a-z0-9_]*")


def test_every_counter_has_a_place_or_is_a_sum() -> None:
    assert {name for name, _ in COUNTER_PLACES} | SUMS == {metric.name for metric in METRICS} | set(CLUSTER_METRICS)
    assert not {name for name, _ in COUNTER_PLACES} & SUMS


def test_every_gauge_has_a_place() -> None:
    assert {name for name, _ in GAUGE_PLACES if name.endswith(".count")} == {
        f"{name}.count" for name in ({stat.name for stat in STATS} | set(CLUSTER_STATS)) - {"cluster.silence"}
    }


def test_no_two_figures_share_a_place() -> None:
    places = [place for _, place in (*COUNTER_PLACES, *GAUGE_PLACES)]
    assert len({(place.family, place.label, place.value) for place in places}) == len(places)
    families = {place.family: (place.label, place.help_text) for place in places}
    for place in places:  # a family has one label and one meaning
        assert families[place.family] == (place.label, place.help_text)
        assert NAME.fullmatch(place.family) and place.help_text
    gauges = {place.family for _, place in GAUGE_PLACES}
    assert not gauges & {f"{place.family}_total" for _, place in COUNTER_PLACES}


@pytest.mark.parametrize(
    ("name", "family", "label", "value"),
    [
        ("messages.dropped.queue_full", "rmq_messages_dropped", "reason", "queue_full"),
        ("messages.qos1.received", "rmq_messages_received", "qos", "1"),
        ("packets.puback.sent", "rmq_packets_sent", "type", "puback"),
        ("messages.delivered.custom", "rmq_messages_delivered", "origin", "custom"),
        ("messages.delivered.retain", "rmq_messages_delivered_retained", "", ""),
        ("bytes.received", "rmq_received_bytes", "", ""),
        ("client.connected", "rmq_client_connected", "", ""),
        ("cluster.links.data.bytes.sent", "rmq_cluster_sent_bytes", "channel", "data"),
        ("cluster.links.control.frames.received", "rmq_cluster_frames_received", "channel", "control"),
        ("cluster.links.dropped.no_link", "rmq_cluster_link_drops", "reason", "no_link"),
    ],
)
def test_the_place_of_a_counter(name: str, family: str, label: str, value: str) -> None:
    place = dict(COUNTER_PLACES)[name]
    assert (place.family, place.label, place.value) == (family, label, value)
