"""A node that is killed again and again under load keeps every promise it made: nothing lost, nothing twice.

RMQ_KILLS      how often it is killed; 5 if nothing is said, 100 for a thorough run by hand
RMQ_KILL_SEED  repeats the schedule of a run; a run that fails tells its own
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import pytest

from tests.integration.storage.kill_clients import LIMIT_S, Course, DyingSocket, Publisher, Subscriber
from tests.integration.storage.ledger import Ledger, Stream, read_payload
from tests.support.broker_process import BrokerProcess
from tests.support.client import Client
from tests.support.wire_parser import Publish

pytestmark = [pytest.mark.realtime, pytest.mark.slow]

KILLS: Final = int(os.environ.get("RMQ_KILLS", "5"))
SEED: Final = int(os.environ.get("RMQ_KILL_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)

OPTIONS: Final = (
    "storage.snapshot_after=1MB",
    "storage.memory_budget=256KB",
    "storage.session_memory_budget=64KB",
    "storage.timeout=20s",
    "listener.tcp.external.max_mqueue_len=60000",
    "plugins.rmq-sys-topic.publish_interval=1s",
)

ONE: Final[list[Stream]] = [(f"a/{number}", 1) for number in range(3)]
TWO: Final[list[Stream]] = [(f"b/{number}", 2) for number in range(3)]
MIXED: Final[list[Stream]] = [(f"c/{number}", qos) for number in range(2) for qos in (1, 2)]
RETAINED: Final[list[Stream]] = [(f"r/{number}", 1) for number in range(5)]


class HastyNode(BrokerProcess):
    """A node that is killed while it starts, so many seconds after its process has begun."""

    def __init__(self, directory: Path, before: BrokerProcess, lives_s: float) -> None:
        self._lives_s = lives_s
        super().__init__(directory, OPTIONS, before=before)

    def _wait_until_ready(self) -> None:
        try:
            code = self._process.wait(self._lives_s)
        except subprocess.TimeoutExpired:
            self.kill()
        else:
            raise RuntimeError(f"the node ended with {code}:\n{self.log}")


class Killer:
    """Runs the node and ends it, at moments the random numbers say."""

    def __init__(self, directory: Path, rng: random.Random) -> None:
        self.rng = rng
        self.directory = directory
        self.node = BrokerProcess(directory, OPTIONS)
        self.ledger = Ledger()
        self.course = Course(self.node.address, self.ledger)
        self.course.up.set()

    def wait_for_load(self, count: int) -> None:
        """Wait until so many more messages are acknowledged, and a moment more: not always just behind one."""
        ledger = self.ledger
        goal = ledger.acknowledged + count
        with ledger.changed:
            assert ledger.changed.wait_for(lambda: ledger.acknowledged >= goal or ledger.violations, 2 * LIMIT_S), (
                f"nothing goes on: {ledger.summary()}"
            )
            ledger.changed.wait_for(lambda: ledger.violations, self.rng.uniform(0, 0.1))

    def kill(self) -> None:
        """End the node and start it again; it may be killed once more before it is ready."""
        self.course.up.clear()
        self.node.kill()
        self.ledger.killed()
        while self.rng.random() < 0.2:
            HastyNode(self.directory, self.node, self.rng.uniform(0.1, 1.0))
            self.ledger.killed()
        self.node = self.node.start_again()
        self.course.up.set()

    def check_retained(self) -> None:
        """Of every topic the value that was acknowledged last is retained, or one that was sent after it."""
        floor = {stream: self.ledger.last_acknowledged(stream) for stream in RETAINED}
        found = dict.fromkeys(RETAINED, -1)
        for message in self._read("r/#"):
            if message.retain:
                stream, number = read_payload(message.payload)
                found[stream] = number
        for stream in RETAINED:
            if found[stream] < floor[stream]:
                self.ledger.violation(
                    f"{stream[0]}: number {found[stream]} is retained, {floor[stream]} is acknowledged"
                )

    def check_dropped(self) -> None:
        """The node counts no dropped message."""
        client = Client(self.node.address, "figures", sock=DyingSocket(self.node.address))
        client.connect()
        client.subscribe("$SYS/brokers/+/metrics")
        while (message := client.expect(Publish, LIMIT_S)).retain:
            pass  # retained: from before the subscription
        client.close()
        figures = json.loads(message.payload)
        figures = figures.get("metrics", figures)
        assert figures["messages.dropped.queue_full"] == 0, figures
        assert figures["messages.qos1.received"] > 0, figures

    def _read(self, topic_filter: str) -> list[Publish]:
        client = Client(self.node.address, "reader", sock=DyingSocket(self.node.address))
        client.connect()
        client.subscribe((topic_filter, 0))
        packets = client.drain()
        client.close()
        return [packet for packet in packets if isinstance(packet, Publish)]


def subscribe(course: Course, rng: random.Random) -> list[Subscriber]:
    """Three subscribers, subscribed."""
    subscribers = []
    for name, level, topic_filters, qos, streams in (
        ("all", 5, ["#"], 2, [*ONE, *TWO, *MIXED, *RETAINED]),
        ("once", 5, ["a/#", "c/#", "r/#"], 1, [*ONE, *MIXED, *RETAINED]),
        ("twice", 4, ["b/#", "c/+"], 2, [*TWO, *MIXED]),
    ):
        course.ledger.open_account(name, streams, qos)
        subscribers.append(Subscriber(course, name, level, random.Random(rng.random()), topic_filters, qos))
    for each in subscribers:
        each.start()
        assert each.ready.wait(LIMIT_S), course.ledger.report()
    return subscribers


def publish(course: Course, rng: random.Random, subscribers: list[Subscriber]) -> list[Publisher]:
    """Four publishers at work, one of retained messages."""
    publishers = []
    for name, level, streams, largest in (
        ("one", 5, ONE, 500),
        ("two", 4, TWO, 500),
        ("mixed", 5, MIXED, 8000),
        ("retained", 4, RETAINED, 500),
    ):
        publisher = Publisher(course, name, level, random.Random(rng.random()), streams, largest)
        publisher.retain = streams is RETAINED
        publisher.subscribers = subscribers
        publishers.append(publisher)
        publisher.start()
    return publishers


def join(course: Course, clients: list[Publisher] | list[Subscriber]) -> None:
    """Wait until the clients have done all they had to do, as long as anything moves."""
    ledger = course.ledger
    for client in clients:
        while client.is_alive() and not ledger.violations:
            before = ledger.summary()
            client.join(LIMIT_S)
            assert not client.is_alive() or ledger.summary() != before, f"{client.name} doesn't end: {before}"


def keep(directory: Path) -> Path:
    """Log and data of a run that failed, where they aren't removed."""
    return Path(shutil.copytree(directory, Path(tempfile.mkdtemp(prefix="rmq-kills-")) / "node"))


def run(killer: Killer) -> None:
    """Clients and kills, until all is delivered or a promise is broken."""
    course, ledger, rng = killer.course, killer.ledger, killer.rng
    subscribers = subscribe(course, rng)
    publishers = publish(course, rng, subscribers)
    while len(ledger.kills) < KILLS and not ledger.violations:
        killer.wait_for_load(rng.choice((0, 1, 50, 200, 400, 800)))
        killer.kill()
        if rng.random() < 0.7:
            killer.check_retained()
    killer.wait_for_load(500)
    course.stopping.set()
    join(course, publishers)
    course.draining.set()
    join(course, subscribers)
    if not ledger.violations:
        ledger.check_complete()
        killer.check_retained()
        killer.check_dropped()


def test_nothing_acknowledged_is_lost_when_the_node_is_killed(tmp_path: Path) -> None:
    killer = Killer(tmp_path, random.Random(SEED))
    ledger = killer.ledger
    try:
        run(killer)
    except Exception as error:
        ledger.violation(f"{type(error).__name__}: {error}")
    finally:
        killer.course.given_up.set()
        killer.course.up.clear()
        killer.node.kill()
    sys.stdout.write(f"RMQ_KILL_SEED={SEED}: {ledger.summary()}\n")
    if ledger.violations:
        place = keep(tmp_path)
        pytest.fail(f"RMQ_KILL_SEED={SEED}: {ledger.summary()}; log and data are in {place}\n{ledger.report()}")
    assert len(ledger.kills) >= KILLS and ledger.acknowledged >= 500
