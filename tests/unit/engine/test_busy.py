"""When a node is busy, when no longer, and what a client hears then."""

from __future__ import annotations

import pytest

from rmq.engine.busy import BusyCheck, BusyLimits, Readings
from tests.support.engine import Engine
from tests.support.packet_notation import V5, V31, V311

NAMES = ["loop_lag_s", "memory", "loadavg", "cpu_percent", "handshakes"]


def limits(**values: float) -> BusyLimits:
    made = BusyLimits()
    for name, value in values.items():
        setattr(made, name, value)
    return made


def readings(**values: float) -> Readings:
    made = Readings()
    for name, value in values.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize("name", NAMES)
def test_each_reading_has_its_limit(name: str) -> None:
    check = BusyCheck(limits(**{name: 100}))
    assert not check.judge(readings(**{name: 100}))
    assert check.reason == ""
    assert check.judge(readings(**{name: 101}))
    assert "101 is over 100" in check.reason
    assert not check.judge(readings(**{name: 102}))
    assert "102" in check.reason


@pytest.mark.parametrize("name", NAMES)
def test_no_limit_is_never_reached(name: str) -> None:
    check = BusyCheck(limits(**{other: 1 for other in NAMES if other != name}))
    assert not check.judge(readings(**{name: 1e12}))


def test_it_is_over_only_when_it_is_calm_twice_in_a_row() -> None:
    check = BusyCheck(limits(cpu_percent=90))
    assert check.judge(readings(cpu_percent=95))
    assert not check.judge(readings(cpu_percent=71))
    assert not check.judge(readings(cpu_percent=73))  # not over the limit, but not below 80 % of it: begins anew
    assert check.reason
    assert not check.judge(readings(cpu_percent=70))
    assert check.judge(readings(cpu_percent=70))
    assert check.reason == ""
    assert not check.judge(readings(cpu_percent=80))


def test_all_that_is_over_is_named_as_in_the_configuration() -> None:
    check = BusyCheck(limits(loop_lag_s=0.5, memory=1000, handshakes=5))
    check.judge(readings(loop_lag_s=1.25, memory=2000, handshakes=5))
    assert check.reason == "loop_lag 1.25 is over 0.5, memory 2000 is over 1000"


@pytest.mark.parametrize(("level", "code"), [(V5, 0x89), (V311, 3), (V31, 3)])
def test_a_busy_broker_refuses_new_clients_before_it_asks_anybody(engine: Engine, level: int, code: int) -> None:
    asked: list[object] = []
    for point in ("client_connect", "client_authenticate"):
        engine.hooks.register(point, lambda *given: asked.append(given), "test", 1000)
    connected = engine.connect("old")
    asked.clear()
    engine.broker.busy = True
    refused = engine.connect("new", level, code=code)
    assert refused.closed and asked == []
    assert engine.counters.connections_refused_busy == 1
    assert engine.counters.client_connack_unavailable_error == 1
    assert not connected.closed
    assert connected.publish("t", qos=1) in (0, 0x10)
    engine.broker.busy = False
    assert not engine.connect("new", level).closed
