"""A node alone and the loss of power: what goes out is synced under ``quorum_fsync``, lost identifiers are skipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from rmq.session.limits import ACK_QUORUM_FSYNC, Limits
from rmq.storage import boot
from rmq.storage.boot import RUNNING
from rmq.storage.journal import journal_path
from rmq.storage.packet_ids import SKIPPED_PACKET_IDS
from tests.support import wire
from tests.support.engine import Client
from tests.support.wire_parser import Publish, Pubrec
from tests.unit.storage.conftest import StartEngine
from tests.unit.storage.disk_engine import SYNCER, DiskEngine, resumed


def fsyncing() -> Limits:
    limits = Limits("tcp.safe")
    limits.ack_policy = ACK_QUORUM_FSYNC
    return limits


def subscribed(engine: DiskEngine, limits: Limits | None = None) -> Client:
    client = engine.connect("s", expiry=1000, limits=limits)
    client.subscribe(("t", 2))
    return client


def another_boot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boot, "boot_id", lambda: "another one")


class LosesPower:
    """A node whose machine stops at ``lose``: what was written since ``now`` is gone."""

    def __init__(self, engine: DiskEngine) -> None:
        self._engine = engine
        self._journal = journal_path(engine.port.folder, engine.port.journal.number)
        self._size = self._journal.stat().st_size

    def lose(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._engine.kill()
        with self._journal.open("r+b") as file:
            file.truncate(self._size)
        another_boot(monkeypatch)


def test_a_qos_2_message_is_delivered_when_it_is_synced(start: StartEngine) -> None:
    engine = start(limits=fsyncing())
    subscriber = subscribed(engine)
    publisher = engine.connect("p", expiry=1000)
    engine.hold(SYNCER)
    publisher.send(wire.publish("t", b"1", 2, 1), wire.publish("t", b"2", 1, 2))
    assert subscriber.read() == publisher.read() == []
    engine.go_on()
    assert subscriber.payloads() == [b"1", b"2"]
    assert len(publisher.read()) == 2


def test_it_is_synced_at_once_for_a_subscriber_alone(start: StartEngine) -> None:
    """Its publisher doesn't ask for it."""
    engine = start()
    subscriber = subscribed(engine, fsyncing())
    publisher = engine.connect("p", expiry=1000)
    engine.hold(SYNCER)
    publisher.send(wire.publish("t", b"1", 2, 1))
    publisher.take(Pubrec)
    assert subscriber.read() == []
    engine.go_on()
    assert subscriber.payloads() == [b"1"]


def test_under_quorum_it_is_delivered_when_it_is_written(start: StartEngine) -> None:
    engine = start()
    subscriber = subscribed(engine)
    engine.hold(SYNCER)
    engine.connect("p", expiry=1000).publish("t", b"1", 2)
    assert subscriber.payloads() == [b"1"]


def test_a_message_that_is_lost_with_the_power_reaches_nobody_twice(
    start: StartEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = start(limits=fsyncing())
    subscriber = subscribed(engine)
    publisher = engine.connect("p", expiry=1000)
    power = LosesPower(engine)
    engine.hold(SYNCER)
    publisher.send(wire.publish("t", b"1", 2, 1))
    got = subscriber.payloads()
    power.lose(monkeypatch)
    engine = start(limits=fsyncing())
    subscriber, publisher = resumed(engine), resumed(engine, "p")
    publisher.send(wire.publish("t", b"1", 2, 1, dup=True))
    publisher.take(Pubrec)
    assert got + subscriber.payloads() == [b"1"]


def test_identifiers_that_were_given_before_the_power_went_arent_given_again_soon(
    start: StartEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its client has answered the lost message with PUBREC and would take the other one for the same."""
    engine = start()
    subscriber = subscribed(engine)
    power = LosesPower(engine)
    publisher = engine.connect("p", expiry=1000)
    publisher.publish("t", b"lost", 2)
    lost = subscriber.take(Publish)
    subscriber.send(wire.pubrec(lost.packet_id))
    power.lose(monkeypatch)
    engine = start()
    subscriber = resumed(engine)
    engine.connect("p").publish("t", b"other", 2)
    other = subscriber.take(Publish)
    assert other.packet_id == lost.packet_id + SKIPPED_PACKET_IDS
    engine.kill()
    engine = start()  # what it did then is part of its data
    again = resumed(engine).take(Publish)
    assert (again.packet_id, again.payload) == (other.packet_id, b"other")


@pytest.mark.parametrize("ending", ["killed", "stopped, and the machine too"])
def test_identifiers_go_on_where_nothing_can_be_lost(
    start: StartEngine, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    engine = start()
    subscriber = subscribed(engine)
    engine.connect("p").publish("t", b"1", 2)
    first = subscriber.take(Publish)
    if ending == "killed":
        engine.kill()
    else:
        engine.stop()
        another_boot(monkeypatch)
    engine = start()
    subscriber = resumed(engine)
    subscriber.receive_all()
    engine.connect("p").publish("t", b"2", 2)
    assert subscriber.take(Publish).packet_id == first.packet_id + 1


def test_what_a_killed_node_has_written_is_synced_by_the_next_one(
    start: StartEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    engine = start()
    engine.kill()
    assert (tmp_path / "data" / RUNNING).read_text() == boot.boot_id()
    synced: list[str] = []
    monkeypatch.setattr("rmq.storage.journal.Journal.sync", lambda journal: synced.append("journal"))
    start()
    assert synced
