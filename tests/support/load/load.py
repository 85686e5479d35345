"""Clients at work on a cluster while a test does things to it, and the books of all they were told."""

from __future__ import annotations

import random
from types import TracebackType
from typing import Final, Self

import pytest

from tests.support.cluster_processes import ClusterProcesses
from tests.support.load.clients import Publisher, RoamingClient, Subscriber, join
from tests.support.load.course import LIMIT_S, Course
from tests.support.load.ledger import Ledger, Stream, read_payload
from tests.support.retained import equal_everywhere

ONE: Final[list[Stream]] = [(f"load/a/{number}", 1) for number in range(3)]
TWO: Final[list[Stream]] = [(f"load/b/{number}", 2) for number in range(3)]
MIXED: Final[list[Stream]] = [(f"load/c/{number}", qos) for number in range(2) for qos in (1, 2)]
RETAINED: Final[list[Stream]] = [(f"load/r/{number}", 1) for number in range(5)]


class Load:
    """Three subscribers and four publishers with persistent sessions, all of which roam over the nodes.

    Leaving it ends them; ``finish`` before that holds what they got against what they were told.
    """

    def __init__(self, cluster: ClusterProcesses, seed: int) -> None:
        self.cluster = cluster
        self.rng = random.Random(seed)
        self.ledger = Ledger()
        self.course = Course(cluster, self.ledger)
        self._seed = seed
        self._subscribers: list[Subscriber] = []
        self._publishers: list[Publisher] = []

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()
        if error is not None:
            error.add_note(f"seed {self._seed}: {self.ledger.report()}")

    def fault(self, what: str) -> None:
        """Something is about to be done to the cluster: connections may end, messages may be refused."""
        self.course.calm.clear()
        self.ledger.fault(what)

    def over(self, *numbers: int) -> None:
        """Nothing is wrong any more, as soon as these nodes serve clients; all if none is named."""
        self.cluster.wait_until_serving(*numbers, timeout_s=2 * LIMIT_S)
        everywhere = {member.number for member in self.cluster}
        self.course.out = frozenset(everywhere.difference(numbers or everywhere))
        self.course.calm.set()

    def wait_for(self, count: int, timeout_s: float = 2 * LIMIT_S) -> None:
        """Wait until so many more messages are acknowledged, and a moment more: not always just behind one."""
        ledger = self.ledger
        goal = ledger.acknowledged + count
        with ledger.changed:
            done = ledger.changed.wait_for(lambda: ledger.acknowledged >= goal or ledger.violations, timeout_s)
            assert done, f"nothing goes on: {ledger.summary()}"
            ledger.changed.wait_for(lambda: ledger.violations, self.rng.uniform(0, 0.1))
        self.check()

    def check(self) -> None:
        """Fail as soon as a promise was broken."""
        if self.ledger.violations:
            pytest.fail(f"seed {self._seed}: {self.ledger.report()}")

    def finish(self, *numbers: int) -> None:
        """Nothing fails any more at these nodes, all if none is named: what was promised is there."""
        self.over(*numbers)
        self.course.stopping.set()
        join(self.course, self._publishers)
        self.check()
        self.course.draining.set()
        join(self.course, self._subscribers)
        self.check()
        self.course.check_left()
        self.ledger.check_complete()
        self.check()
        self.check_retained(*numbers)

    def check_retained(self, *numbers: int) -> None:
        """The same is retained on all nodes, and of every topic the value acknowledged last or one sent after it."""
        floor = {stream: self.ledger.last_acknowledged(stream) for stream in RETAINED}
        found = dict.fromkeys(RETAINED, -1)
        members = [self.cluster[number] for number in numbers] or self.cluster
        for payload in equal_everywhere(members, "load/r/#").values():
            stream, number = read_payload(payload)
            found[stream] = number
        assert all(found[stream] >= floor[stream] for stream in RETAINED), (found, floor)

    def _start(self) -> None:
        for name, level, topic_filters, qos, streams in (
            ("load-all", 5, ["load/#"], 2, [*ONE, *TWO, *MIXED, *RETAINED]),
            ("load-once", 5, ["load/a/#", "load/c/#", "load/r/#"], 1, [*ONE, *MIXED, *RETAINED]),
            ("load-twice", 4, ["load/b/#", "load/c/+"], 2, [*TWO, *MIXED]),
        ):
            self.ledger.open_account(name, streams, qos)
            subscriber = Subscriber(self.course, name, level, random.Random(self.rng.random()), topic_filters, qos)
            self._subscribers.append(subscriber)
            self._launch(subscriber)
        for name, level, streams, largest in (
            ("load-one", 5, ONE, 500),
            ("load-two", 4, TWO, 500),
            ("load-mixed", 5, MIXED, 8000),
            ("load-retained", 4, RETAINED, 500),
        ):
            publisher = Publisher(self.course, name, level, random.Random(self.rng.random()), streams, largest)
            publisher.retain = streams is RETAINED
            publisher.subscribers = self._subscribers
            self._publishers.append(publisher)
            self._launch(publisher)

    def _launch(self, client: RoamingClient) -> None:
        client.start()
        assert client.ready.wait(LIMIT_S), self.ledger.report()

    def _end(self) -> None:
        self.course.given_up.set()
        self.course.draining.set()
        for client in (*self._publishers, *self._subscribers):
            if client.ident is not None:
                client.join(LIMIT_S)
        self.course.close()
