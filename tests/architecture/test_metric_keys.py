"""The one table of stats and metrics holds every key we are held to, and everything that is counted."""

from __future__ import annotations

import json
from dataclasses import fields

from rmq_cluster.links.counters import CLOSES, DROPS, REFUSALS
from rmq_cluster.requests import RequestCounters

from rmq.metrics.cluster_keys import CLUSTER_METRICS, CLUSTER_STATS
from rmq.metrics.counters import Counters
from rmq.metrics.gauges import Stats
from rmq.metrics.keys import METRICS, STATS, metrics_snapshot, stats_snapshot
from tests.architecture.sources import ROOT

CONTRACT = json.loads((ROOT / "tests" / "contracts" / "rmqtt_v1.json").read_text())


def test_every_metric_of_the_contract_is_there() -> None:
    assert set(CONTRACT["metrics_keys"]) <= set(metrics_snapshot(Counters()))


def test_every_stat_of_the_contract_is_there() -> None:
    assert set(CONTRACT["stats_keys"]) <= set(stats_snapshot(Stats()))


def test_every_counter_has_one_name_and_every_name_its_counter() -> None:
    assert sorted(metric.attribute for metric in METRICS) == sorted(Counters.__slots__)
    assert len({metric.name for metric in METRICS}) == len(METRICS)


def test_every_gauge_has_one_name_and_every_name_its_gauge() -> None:
    assert sorted(stat.attribute for stat in STATS) == sorted(Stats.__slots__)
    assert len({stat.name for stat in STATS}) == len(STATS)


def test_every_reason_that_links_count_has_its_name() -> None:
    for what, reasons in (("dropped", DROPS), ("refused", REFUSALS), ("closed", CLOSES)):
        prefix = f"cluster.links.{what}."
        assert {f"{prefix}{reason}" for reason in reasons} == {n for n in CLUSTER_METRICS if n.startswith(prefix)}


def test_everything_that_requests_count_has_its_name() -> None:
    prefix = "cluster.requests."
    named = {name.removeprefix(prefix) for name in CLUSTER_METRICS if name.startswith(prefix)}
    assert named == {field.name for field in fields(RequestCounters)}


def test_no_name_is_given_twice() -> None:
    ours = {metric.name for metric in METRICS} | {stat.name for stat in STATS}
    assert not ours & (CLUSTER_METRICS.keys() | CLUSTER_STATS.keys())


def test_a_snapshot_reads_the_counter_it_names() -> None:
    for metric in METRICS:
        counters = Counters()
        setattr(counters, metric.attribute, 7)
        assert {name for name, value in metrics_snapshot(counters).items() if value} == {metric.name}
