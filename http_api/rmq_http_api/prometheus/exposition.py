"""Metric families as Prometheus's text format, version 0.0.4; piece by piece, so that it stops nobody."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Final

from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from rmq.management.models import HistogramView
from rmq.management.turns import Turns
from rmq_http_api.prometheus.families import Family

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
# So many samples are written before others get their turns: about half a millisecond.
SAMPLES_AT_ONCE: Final = 64


class _Collector(Collector):
    """Some families for one call of ``generate_latest``."""

    def __init__(self, families: Sequence[Family]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        """As the library wants them."""
        return [_metric(family) for family in self._families]


async def expose(families: Sequence[Family], turns: Turns) -> bytes:
    """The text of these families."""
    pieces: list[bytes] = []
    for some in _pieces(families):
        pieces.append(generate_latest(_Collector(some)))
        await turns.wait()
    return b"".join(pieces)


def _pieces(families: Sequence[Family]) -> Iterator[list[Family]]:
    some: list[Family] = []
    samples = 0
    for family in families:
        some.append(family)
        samples += sum(1 if s.histogram is None else len(s.histogram.counts) + 2 for s in family.samples)
        if samples >= SAMPLES_AT_ONCE:
            yield some
            some = []
            samples = 0
    if some:
        yield some


def _metric(family: Family) -> Metric:
    labels = list(family.samples[0].labels) if family.samples else []
    if family.kind == "histogram":
        histograms = HistogramMetricFamily(family.name, family.help_text, labels=labels)
        for sample in family.samples:
            if sample.histogram is not None:
                values = [sample.labels[name] for name in labels]
                histograms.add_metric(values, _buckets(sample.histogram), sample.histogram.sum_us / 1e6)
        return histograms
    kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    metric = kind(family.name, family.help_text, labels=labels)
    for sample in family.samples:
        metric.add_metric([sample.labels[name] for name in labels], sample.value)
    return metric


def _buckets(histogram: HistogramView) -> list[tuple[str, float]]:
    bounds = [f"{bound / 1e6:g}" for bound in histogram.bounds_us] + ["+Inf"]
    return list(zip(bounds, map(float, accumulate(histogram.counts)), strict=True))
