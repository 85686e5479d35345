"""A live broker under a flood of broken packets: it must stay up, quiet, small and exact for everybody else."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Broker
from tests.support import wire
from tests.support.client import Client
from tests.support.packet_notation import V5
from tests.support.wire_parser import Puback, Pubcomp, Publish, Pubrec, Pubrel

from .flood import Flood
from .settings import from_environment

MAX_GROWTH_BYTES = 128 * 1024 * 1024
BACK_TO_BASELINE_S = 20.0
QUEUED_MESSAGES = 50
LINES_BEHIND = 30

# The node's own lines are "<time> <level> <logger> <event> …"; anything unexpected is an error there or a traceback.
SUSPICIOUS = re.compile(r"Traceback|^\S+ (error|critical)\b|\bbug\b|Exception|never awaited", re.IGNORECASE)


def _open_sockets(pid: int) -> int:
    """Connections and listeners: files of its own it may open when it likes."""
    count = 0
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            count += os.readlink(entry).startswith("socket:")
        except FileNotFoundError:
            continue  # closed meanwhile
    return count


def _resident_bytes(pid: int) -> int:
    fields = Path(f"/proc/{pid}/statm").read_text().split()
    return int(fields[1]) * 4096


class Bystander:
    """A well-behaved client beside the flood: each of its messages must come back once and in order."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._client = Client(address, "bystander", V5)
        self._client.connect()
        self._client.subscribe(("bystander/+", 2))
        self._number = 0

    def exchange(self) -> None:
        """One message at each QoS, there and back; `receive_publish` fails at anything else that arrives."""
        for qos in (0, 1, 2):
            payload = f"message {self._number}".encode()
            self._number += 1
            packet_id = self._client.send_publish(f"bystander/{qos}", payload, qos)
            self._finish(qos, packet_id, payload)
        self._client.expect_nothing()

    def _finish(self, qos: int, packet_id: int, payload: bytes) -> None:
        """Own acknowledgements and the message itself may come in any order; count both exactly."""
        received: list[bytes] = []
        acknowledged = qos == 0
        unreleased = False
        while not (acknowledged and received and not unreleased):
            packet = self._client.receive(timeout_s=30)
            if isinstance(packet, Publish):
                assert packet.qos == qos
                received.append(packet.payload)
                if qos == 1:
                    self._client.send(wire.puback(packet.packet_id))
                elif qos == 2:
                    unreleased = True
                    self._client.send(wire.pubrec(packet.packet_id))
            elif isinstance(packet, Pubrec):
                self._client.send(wire.pubrel(packet_id))
            elif isinstance(packet, Pubrel):
                unreleased = False
                self._client.send(wire.pubcomp(packet.packet_id))
            else:
                assert isinstance(packet, (Puback, Pubcomp)), packet
                assert packet.packet_id == packet_id
                acknowledged = True
        assert received == [payload]

    def queue(self, payload: bytes) -> None:
        """For the persistent session that sleeps through the flood."""
        assert self._client.publish("sleeper/queue", payload, 1) == 0

    def ping(self) -> None:
        self._client.expect_nothing()

    def leave(self) -> None:
        self._client.disconnect()


@pytest.mark.fuzz
@pytest.mark.realtime
def test_broker_survives_a_flood_of_mutated_packets(
    start_broker: Callable[..., Broker], report: Callable[[str], None]
) -> None:
    settings = from_environment()
    report(f"RMQ_FUZZ_SEED={settings.seed}")
    broker = start_broker()
    process = broker.process
    assert process is not None
    bystander = Bystander(broker.address)
    bystander.exchange()
    sleeper = Client(broker.address, "sleeper", V5)
    sleeper.connect(clean=False, properties=[(wire.SESSION_EXPIRY, 3600)])
    sleeper.subscribe(("sleeper/queue", 1))
    sleeper.disconnect()
    baseline_sockets = _open_sockets(process.pid)
    baseline_bytes = _resident_bytes(process.pid)

    flood = Flood(broker.address, settings.seed)
    started = time.monotonic()
    queued: list[bytes] = []
    try:
        while flood.tally.reached < settings.packets and time.monotonic() - started < settings.seconds:
            flood.round()
            bystander.exchange()
            if len(queued) < QUEUED_MESSAGES:
                queued.append(f"queued {len(queued)}".encode())
                bystander.queue(queued[-1])
        flood.read_answers()
    except BaseException as error:
        error.add_note(f"RMQ_FUZZ_SEED={settings.seed}; {flood.tally}\nthe node's last lines:\n{process.log[-4000:]}")
        raise
    finally:
        flood.close()
    seconds = time.monotonic() - started
    report(f"{flood.tally}; {seconds:.1f} s")

    # Alive (the bystander just talked to it), and no connection of the flood is held any longer. Each ping is
    # answered in a later turn of the broker's loop, so this is no busy waiting for a clock.
    deadline = time.monotonic() + BACK_TO_BASELINE_S
    while _open_sockets(process.pid) > baseline_sockets and time.monotonic() < deadline:
        bystander.ping()
    assert _open_sockets(process.pid) == baseline_sockets, "connections leaked"

    growth = _resident_bytes(process.pid) - baseline_bytes
    report(f"memory: {baseline_bytes / 2**20:.0f} MiB before, {growth / 2**20:+.0f} MiB after")
    assert growth < MAX_GROWTH_BYTES

    lines = process.log.splitlines()
    suspicious = [number for number, line in enumerate(lines) if SUSPICIOUS.search(line)]
    excerpt = "\n".join(line for number in suspicious[:5] for line in lines[number : number + LINES_BEHIND])
    assert not suspicious, f"{len(suspicious)} suspicious lines in the log, the first:\n{excerpt}"

    assert flood.tally.reached >= settings.packets, f"too slow: {flood.tally} in {seconds:.0f} s"
    assert 0.05 < flood.tally.refused / flood.tally.reached < 0.99, "the mutations are too tame or too wild"
    bystander.leave()
    woken = Client(broker.address, "sleeper", V5)
    assert woken.connect(clean=False, properties=[(wire.SESSION_EXPIRY, 0)]).session_present
    assert [woken.receive_publish().payload for _ in queued] == queued
    woken.expect_nothing()
    woken.disconnect()
