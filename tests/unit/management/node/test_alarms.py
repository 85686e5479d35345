"""Alarms: what puts them on and off, by hand too, and what is remembered of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rmq.management.errors import AlarmNotFound
from rmq.management.models import NodeRef
from rmq.management.node.alarms import MAX_HISTORY, AlarmReadings, Alarms
from rmq.metrics.histogram import Histogram
from rmq.node.alarm_watch import late_ones
from tests.unit.management.world import Peers, World

DAY = 86400.0


def calm(now: float = 0.0) -> AlarmReadings:
    return AlarmReadings(now, disk_total=1000, disk_free=500, memory_total=1000, memory_used=100)


def names(alarms: Alarms) -> list[str]:
    return [alarm.name for alarm in alarms.active()]


def _quorum(readings: AlarmReadings) -> None:
    readings.has_quorum = False


def _disk(readings: AlarmReadings) -> None:
    readings.disk_free = 100


def _memory(readings: AlarmReadings) -> None:
    readings.memory_used = 900


def _lag(readings: AlarmReadings) -> None:
    readings.laggards = 1


def _storage(readings: AlarmReadings) -> None:
    readings.storage_fails = True


def _busy(readings: AlarmReadings) -> None:
    readings.is_busy = True


def _cluster(readings: AlarmReadings) -> None:
    readings.cluster = ("Two nodes have one id.",)


def _certificate(readings: AlarmReadings) -> None:
    readings.certificates = {"tls.external": readings.now + 30 * DAY - 1, "tls.other": readings.now + 31 * DAY}


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("no_quorum", _quorum),
        ("disk_nearly_full", _disk),
        ("memory_high", _memory),
        ("loop_lag", _lag),
        ("storage_failed", _storage),
        ("busy", _busy),
        ("cluster", _cluster),
        ("certificate/tls.external", _certificate),
    ],
)
def test_what_puts_an_alarm_on_and_off(name: str, wrong: Callable[[AlarmReadings], None]) -> None:
    alarms = Alarms(NodeRef(1, "one"))
    alarms.judge(calm(1.0))
    assert names(alarms) == []
    readings = calm(2.0)
    wrong(readings)
    alarms.judge(readings)
    (alarm,) = alarms.active()
    assert (alarm.name, alarm.activated_at, alarm.deactivated_at) == (name, 2.0, None) and alarm.message.endswith(".")
    alarms.judge(readings)
    assert alarms.active() == (alarm,), "it is the same one"
    alarms.judge(calm(3.0))
    assert names(alarms) == []
    (over,) = alarms.history()
    assert (over.name, over.activated_at, over.deactivated_at) == (name, 2.0, 3.0)


def test_at_its_limit_an_alarm_does_not_flicker() -> None:
    alarms = Alarms(NodeRef(1, "one"))
    readings = calm()
    for free, is_on in ((101, False), (100, True), (140, True), (146, False), (101, False)):
        readings.disk_free = free
        alarms.judge(readings)
        assert (names(alarms) == ["disk_nearly_full"]) is is_on, free


def test_without_limits_there_is_none() -> None:
    alarms = Alarms(NodeRef(1, "one"))
    alarms.limits.disk_percent = alarms.limits.memory_percent = alarms.limits.certificate_s = 0.0
    readings = AlarmReadings(0.0, 10, 0, 10, 10, 0, {"tls.external": -1.0})
    alarms.judge(readings)
    assert names(alarms) == []


def test_put_off_by_hand_it_stays_off_until_it_was_right() -> None:
    alarms = Alarms(NodeRef(1, "one"))
    wrong = calm()
    _disk(wrong)
    alarms.judge(wrong)
    assert alarms.deactivate("disk_nearly_full", 5.0) and not alarms.deactivate("disk_nearly_full", 5.0)
    alarms.judge(wrong)
    assert names(alarms) == [] and len(alarms.history()) == 1
    alarms.judge(calm())
    alarms.judge(wrong)
    assert names(alarms) == ["disk_nearly_full"]


def test_the_history_is_bounded_and_can_be_forgotten() -> None:
    alarms = Alarms(NodeRef(1, "one"))
    wrong = calm()
    _busy(wrong)
    for number in range(MAX_HISTORY + 1):
        wrong.now = float(number)
        alarms.judge(wrong)
        alarms.judge(calm(float(number)))
    assert len(alarms.history()) == MAX_HISTORY and alarms.history()[0].activated_at == MAX_HISTORY
    assert alarms.clear_history() == MAX_HISTORY and alarms.history() == ()


def test_lags_are_counted_that_were_surely_above_the_limit() -> None:
    lags = Histogram()
    for lag in (0.001, 0.9, 1.0, 1.2, 4.0, 11.0):
        lags.observe(lag)
    assert late_ones(lags, 1.0) == 3 and late_ones(lags, 0.0) == 0 and late_ones(lags, 10.0) == 1


async def test_those_of_all_nodes(world: World) -> None:
    other = World(2)
    third = World(3)
    world.service._peers = Peers([other, third], {3})
    for now, one in ((5.0, world), (6.0, other)):
        readings = calm(now)
        _busy(readings)
        one.local.operations.alarms.judge(readings)
    operations = world.service.operations
    gathered = await operations.alarms(activated=True)
    assert [alarm.node.node_id for alarm in gathered.answers] == [2, 1]
    assert [node.node_id for node in gathered.missing] == [3]
    await operations.deactivate_alarm("busy")
    assert (await operations.alarms(activated=True)).answers == ()
    assert len((await operations.alarms(activated=False)).answers) == 2
    with pytest.raises(AlarmNotFound):
        await operations.deactivate_alarm("busy")
    assert (await operations.forget_alarms()).answers == (1, 1)
