"""A node ends with more sessions than are looked at in one tick: their time goes on all the same."""

from __future__ import annotations

import pytest

from rmq.engine import late_timers
from tests.support import wire
from tests.unit.engine.cluster.conftest import Three
from tests.unit.engine.cluster.group import Group


@pytest.fixture(autouse=True)
def two_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two sessions a tick."""
    monkeypatch.setattr(late_timers, "AT_ONCE", 2)


def test_all_of_them_expire_when_they_are_due(group: Group, three: Three) -> None:
    one, _, last = three
    names = [f"s{number}" for number in range(9)]
    for name in names:
        last.connect(name, expiry=20)
    group.tick()
    last.kill()
    group.declare_down(3)
    group.pass_time(19)
    assert all(one.has_session(name) for name in names)
    group.pass_time(3)
    assert not any(one.has_session(name) for name in names)


@pytest.mark.parametrize("expiry", [0, 1000])
def test_all_their_wills_are_published_once(group: Group, three: Three, expiry: int) -> None:
    one, _, last = three
    watcher = one.connect("w")
    watcher.subscribe(("will/#", 1))
    for number in range(9):
        last.connect(f"s{number}", expiry=expiry, will=wire.Will(f"will/{number}", b"gone", 1))
    last.kill()
    group.declare_down(3)
    group.pass_time(10)
    assert sorted(m.topic for m in watcher.receive_all()) == [f"will/{number}" for number in range(9)]


def test_a_will_is_published_when_its_session_ends_before_its_timer_began(group: Group, three: Three) -> None:
    one, _, last = three
    watcher = one.connect("w")
    watcher.subscribe(("will/#", 1))
    for number in range(9):
        delay = [(wire.WILL_DELAY, 500)]
        will = wire.Will(f"will/{number}", b"gone", 1, properties=delay)
        last.connect(f"s{number}", expiry=1000, will=will)
    last.kill()
    group.declare_down(3)
    for number in range(9):
        one.connect(f"s{number}")  # a clean start ends the session, and with it the delay [MQTT-3.1.3-9]
    group.settle()
    assert sorted(m.topic for m in watcher.receive_all()) == [f"will/{number}" for number in range(9)]
    group.pass_time(600)
    assert watcher.receive_all() == []


def test_what_waits_for_members_of_a_share_group_goes_to_others(group: Group, three: Three) -> None:
    one, _, last = three
    publisher = one.connect("p")
    for number in range(9):
        last.connect(f"s{number}", expiry=1000).subscribe(("$share/g/t", 1))
    for number in range(18):
        publisher.publish("t", b"%d" % number, 1)
    heir = one.connect("heir", expiry=1000)
    heir.subscribe(("$share/g/t", 1))
    last.kill()
    group.declare_down(3)
    group.pass_time(3)
    assert sorted(int(m.payload) for m in heir.receive_all()) == list(range(18))
