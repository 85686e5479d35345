"""The disk of one node fails: it says so and stands aside, the others go on."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.integration.cluster.conftest import SetUp
from tests.integration.cluster.guests import Guests
from tests.integration.storage.test_full_disk import fill
from tests.support.broker_process import interpreter
from tests.support.client import Client, ConnectionClosed, Silence
from tests.support.cluster_processes import ClusterProcesses, Member
from tests.support.load.load import Load
from tests.support.retained import equal_everywhere
from tests.support.wire_parser import Disconnect, Puback

pytestmark = pytest.mark.slow

PATIENCE_S: Final = 60.0


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """A file system of that size at a folder; unmounted whatever happens."""
    folder.mkdir()
    mount = shutil.which("mount")
    if mount is None:
        pytest.skip("mount is missing")
    command = [mount, "-t", "tmpfs", "-o", f"size={size}", "rmq-test", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    # It unmounts when its standard input ends: also when this process is killed and can't do it itself.
    unmounter = subprocess.Popen(
        ["sh", "-c", 'read -r _; exec umount -l "$0"', str(folder)], stdin=subprocess.PIPE, start_new_session=True
    )
    try:
        yield
    finally:
        unmounter.communicate()
        assert unmounter.returncode == 0


@pytest.fixture
def cluster(set_up: SetUp) -> ClusterProcesses:
    """A cluster of its own, started."""
    made = set_up()
    made.start()
    return made


def others_go_on(cluster: ClusterProcesses, guests: Guests, without: Member, topic: str, payload: bytes) -> None:
    """Messages for persistent sessions are acknowledged by all other nodes."""
    for member in cluster.others(without.number):
        publisher = guests.passing(member)
        publisher.send_publish(topic, payload, 1)
        assert publisher.expect(Puback, 10).code == 0


@pytest.mark.usefixtures("_root")
@pytest.mark.parametrize("leads", [True, False], ids=["leader", "follower"])
def test_a_full_disk(set_up: SetUp, guests: Guests, leads: bool) -> None:
    cluster = set_up("storage.timeout=1s")
    with small_disk(cluster[3].data, "4m"):
        cluster.start()
        try:
            full_disk(cluster, guests, leads=leads)
        finally:
            cluster.close()


def full_disk(cluster: ClusterProcesses, guests: Guests, *, leads: bool) -> None:
    full = cluster[3]
    cluster.leader().ask("transfer_leadership", node_id=3 if leads else 1)
    assert (cluster.leader() is full) == leads
    guests.off_line(cluster[1], "s", ("t", 1))
    there = guests.passing(full)
    filler = fill(full.data)
    # The last page of its log may have room for some.
    acknowledged = [b"%d" % number for number in range(100) if said_yes(there, b"%d" % number)]
    for number in range(5):
        others_go_on(cluster, guests, full, "t", b"others %d" % number)
    status = cluster[1].ask("status")
    assert status["leader"] in (1, 2), "it has stepped out"
    assert full.is_running and full.ask("status")["alarms"], "it says so"
    assert any("disk" in str(event.get("event", "")) or "space" in str(event) for event in full.events()), full.log
    filler.unlink()
    restart(cluster, full)
    assert guests.passing(full).publish("t", b"again", 1) == 0
    subscriber = guests.connect(full, "s", present=True)
    found: list[bytes] = []
    while not found or found[-1] != b"again":
        found.append(subscriber.receive_publish().payload)
    assert set(acknowledged) <= set(found) and {b"others %d" % n for n in range(5)} <= set(found)


def restart(cluster: ClusterProcesses, member: Member) -> None:
    """What an operator does who has made room: a node that has stepped out stays out until then."""
    member.ask_to_stop()
    member.wait(15)
    member.start()
    cluster.wait_until_serving()


def said_yes(client: Client, payload: bytes) -> bool:
    """Whether the node acknowledged a message; it may as well refuse it, be silent, or close."""
    try:
        client.send_publish("t", payload, 1)
        answer = client.receive(0.3)
    except (ConnectionClosed, Silence, OSError):
        return False
    if isinstance(answer, Disconnect):
        return False
    assert isinstance(answer, Puback) and answer.code in (0, 0x97), answer
    return answer.code == 0


def the_log(member: Member) -> Path:
    """The newest file of its Raft log, which must have some records."""
    *_, path = sorted(path for path in (member.data / "cluster" / "raft").iterdir() if path.stat().st_size > 4000)
    return path


def spoil(path: Path) -> None:
    """Change a byte in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def give_it_something(cluster: ClusterProcesses, guests: Guests) -> list[bytes]:
    guests.off_line(cluster[1], "s", ("t", 1))
    publisher = guests.passing(cluster[2])
    sent = [b"%d" % number + bytes(100) for number in range(100)]
    for payload in sent:
        assert publisher.publish("t", payload, 1) == 0
    publisher.publish("r", b"kept", 1, retain=True)
    return sent


def test_a_corrupt_log_is_told_and_rebuilt_by_one_command(cluster: ClusterProcesses, guests: Guests) -> None:
    sent = give_it_something(cluster, guests)
    bad = cluster[3]
    bad.kill()
    path = the_log(bad)
    spoil(path)
    bad.start()
    others_go_on(cluster, guests, bad, "t", b"others")
    sent += [b"others"] * 2
    deadline = time.monotonic() + PATIENCE_S
    while str(path) not in bad.log and not bad.ends_within(0.05):
        assert time.monotonic() < deadline, "it doesn't say which file is bad"
    if bad.ends_within(5):
        assert bad.wait(0) != 0
    assert str(path) in bad.log and "Traceback" not in bad.log, bad.log[-1500:]
    # It doesn't vote: with one more gone there is no majority.
    cluster[2].kill()
    assert not cluster[1].serves()
    cluster[2].start()
    cluster.wait_until_serving(1, 2)
    done = command(bad, "rebuild", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    if not bad.is_running:
        bad.start()
    cluster.wait_until_serving()
    cluster[2].kill()
    subscriber = guests.connect(bad, "s", present=True)
    assert [m.payload for m in subscriber.receive_publishes(len(sent))] == sent
    assert equal_everywhere([cluster[1], bad], "r") == {"r": b"kept"}


def command(member: Member, *arguments: str) -> subprocess.CompletedProcess[str]:
    """``rmq-node cluster`` to a node, as a person types it."""
    python, environment = interpreter()
    return subprocess.run(
        [python, "-m", "rmq", "cluster", *arguments, "--id", str(member.number), "--data-dir", str(member.data)],
        cwd=member.directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_torn_tail_is_cut_off_and_caught_up(cluster: ClusterProcesses, guests: Guests) -> None:
    sent = give_it_something(cluster, guests)
    torn = cluster[3]
    torn.kill()
    path = the_log(torn)
    content = path.read_bytes()
    path.write_bytes(content[:-7])
    torn.start()
    cluster.wait_until_serving()
    assert "cut off" in torn.log, torn.log[-1500:]
    cluster[1].kill()
    subscriber = guests.connect(torn, "s", present=True)
    assert [m.payload for m in subscriber.receive_publishes(len(sent))] == sent


@pytest.mark.usefixtures("_root")
def test_under_load_a_full_disk_loses_nothing(set_up: SetUp) -> None:
    cluster = set_up("storage.timeout=1s")
    with small_disk(cluster[3].data, "400m"):
        try:
            cluster.start()
            with Load(cluster, 1) as load:
                load.wait_for(200)
                load.fault("the disk of node 3 is full")
                filler = fill(cluster[3].data)
                load.wait_for(300)
                filler.unlink()
                restart(cluster, cluster[3])
                load.over()
                load.finish()
        finally:
            cluster.close()
