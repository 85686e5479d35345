"""The one table of stats and metrics holds every key we are held to, and everything that is counted."""

from __future__ import annotations

import json

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


def test_a_snapshot_reads_the_counter_it_names() -> None:
    for metric in METRICS:
        counters = Counters()
        setattr(counters, metric.attribute, 7)
        assert {name for name, value in metrics_snapshot(counters).items() if value} == {metric.name}
