"""A gauge keeps the highest value it had."""

from rmq.metrics.gauges import Gauge


def test_counting_up_and_down_keeps_the_peak() -> None:
    gauge = Gauge()
    gauge.inc()
    gauge.inc()
    gauge.dec()
    gauge.inc()
    gauge.dec()
    gauge.dec()
    assert (gauge.count, gauge.max) == (0, 2)


def test_a_value_that_is_set_is_a_peak_only_when_it_is_one() -> None:
    gauge = Gauge()
    gauge.set(5)
    gauge.set(3)
    assert (gauge.count, gauge.max) == (3, 5)
    gauge.set(6)
    assert (gauge.count, gauge.max) == (6, 6)
