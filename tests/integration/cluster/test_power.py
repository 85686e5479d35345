"""All machines lose power at once: what no fsync had made safe is gone, on every disk."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from tests.integration.cluster.conftest import SetUp
from tests.integration.cluster.guests import Guests
from tests.integration.cluster.members import status, until
from tests.support.client import Client
from tests.support.cluster_processes import ClusterProcesses, Member
from tests.support.load.load import Load
from tests.support.odd_machine import stuck, undo_unsynced, unsynced_bytes
from tests.support.power import boot, give_machines, lose_power
from tests.support.wire_parser import Publish

pytestmark = pytest.mark.slow


@pytest.fixture
def machines(set_up: SetUp, tmp_path: Path, request: pytest.FixtureRequest) -> ClusterProcesses:
    """A cluster, not started, whose nodes record what is safe; each on a machine with a boot id of its own."""
    policy: str = getattr(request, "param", "quorum_fsync")
    made = set_up(f"storage.ack_policy={policy}")
    give_machines(made, tmp_path)
    return made


@pytest.mark.usefixtures("_root")
def test_under_quorum_fsync_everything_acknowledged_is_there(machines: ClusterProcesses, guests: Guests) -> None:
    machines.start()
    guests.off_line(machines[1], "s", ("t", 1))
    guests.off_line(machines[1], "whatever", ("unknown", 1))
    sent: list[bytes] = []
    lost = 0
    for count in range(2, 5):
        publishers = [guests.passing(member) for member in machines]
        for number in range(100):
            payload = b"%d before the failure %d" % (number, count) * 10
            assert publishers[number % 3].publish("t", payload, 1) == 0
            sent.append(payload)
            publishers[number % 3].publish(f"r/{number % 10}", payload, 1, retain=True)
        for member in machines:
            assert member.sync_record is not None
            stuck(member.sync_record).touch()
        for publisher in publishers:
            publisher.send_publish("unknown", b"x" * 50_000, 1)
        for member in machines:
            until(member, "writing what isn't safe", partial(would_lose, member))
        lost += lose_power(machines, count)
        machines.wait_until_serving()
    subscriber = guests.connect(machines[2], "s", present=True)
    assert [m.payload for m in subscriber.receive_publishes(len(sent))] == sent
    subscriber.expect_nothing()
    for member in machines:
        reader = guests.passing(member)
        reader.subscribe("r/#")
        assert retained(reader) == set(sent[-10:])
    assert lost > 3 * 3 * 50_000, "a loss of power that takes nothing shows nothing"


def would_lose(member: Member) -> bool:
    """Whether a loss of power would take a message."""
    assert member.sync_record is not None
    return unsynced_bytes(member.data, member.sync_record) > 50_000


def retained(client: Client) -> set[bytes]:
    return {packet.payload for packet in client.drain() if isinstance(packet, Publish)}


@pytest.mark.usefixtures("_root")
def test_under_quorum_fsync_nothing_is_lost_under_load(machines: ClusterProcesses) -> None:
    machines.start()
    with Load(machines, 1) as load:
        for count in range(2, 5):
            load.wait_for(300)
            load.fault("all machines lose power")
            lose_power(machines, count)
            load.over()
        load.finish()


@pytest.mark.parametrize("machines", ["quorum"], indirect=True)
@pytest.mark.usefixtures("_root")
def test_under_quorum_a_node_says_so_and_waits_for_all(machines: ClusterProcesses, guests: Guests) -> None:
    """What a majority had written may be gone on all of them: only all nodes together know the most there is."""
    machines.start()
    guests.off_line(machines[1], "s", ("t", 1))
    for member in machines:
        member.kill()
        boot(member, 2)
    for number in (1, 2):
        machines[number].start()
    for number in (1, 2):
        machines.wait_for_control(machines[number])
    for number in (1, 2):
        waiting = machines[number]
        assert not waiting.serves(), "two cold nodes can't know what the third one has"
        until(waiting, "waiting for node 3 alone", partial(waits_for_node_3, waiting))
        assert "shut down cleanly" in waiting.log, waiting.log[-1500:]
    machines[3].start()
    machines.wait_until_serving()
    guests.connect(machines[3], "s", present=True)


def waits_for_node_3(member: Member) -> bool:
    alarms = status(member).get("alarms", ())
    return any("wasn't shut down cleanly" in alarm and "no link to node 3." in alarm for alarm in alarms)


@pytest.mark.usefixtures("_root")
def test_one_machine_that_loses_power_catches_up_before_it_votes(machines: ClusterProcesses, guests: Guests) -> None:
    machines.start()
    guests.off_line(machines[1], "s", ("t", 1))
    publisher = guests.passing(machines[1])
    victim = machines[2]
    for number in range(50):
        assert publisher.publish("t", b"%d" % number, 1) == 0
    victim.kill()
    assert victim.sync_record is not None
    undo_unsynced(victim.data, victim.sync_record)
    boot(victim, 2)
    for number in range(50, 100):
        assert publisher.publish("t", b"%d" % number, 1) == 0
    victim.start()
    machines.wait_until_serving()
    machines[3].kill()
    assert publisher.publish("t", b"100", 1) == 0
    subscriber = guests.connect(victim, "s", present=True)
    assert [m.payload for m in subscriber.receive_publishes(101)] == [b"%d" % number for number in range(101)]
