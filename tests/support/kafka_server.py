"""Kafka for tests: its own server, which `make test-kafka` fetches, and the one that librdkafka has inside.

The one inside speaks the real protocol, from one process, and forgets everything when it ends.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from scripts import kafka_server
from tests.support.broker_process import free_ports

PATIENCE_S: Final = 30.0
INSIDE: Final = """
import sys
from confluent_kafka import Producer
producer = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "none"})
broker = producer.list_topics(timeout=30).brokers[1]
print(f"{broker.host}:{broker.port}", flush=True)
sys.stdin.read()
"""


class _Quiet:
    """A logger of the library that keeps to itself what a test means to happen."""

    def log(self, *_: object) -> None:
        """Say nothing."""


QUIET: Final = _Quiet()


class Server:
    """A server that may be killed and started again; ``servers`` is its address as clients want it."""

    def __init__(self, directory: Path, more: Mapping[str, str] | None = None, java: Sequence[str] = ()) -> None:
        self._directory = directory
        port, controller = free_ports(2)
        self.servers = f"127.0.0.1:{port}"
        self._java = java
        self._address = ("127.0.0.1", port)
        keys = {key: value.replace("{port}", str(port)) for key, value in (more or {}).items()}
        self._configuration = kafka_server.configuration(directory, port, controller, keys)
        kafka_server.format_storage(self._configuration)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Process id, while it runs."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it listens."""
        with (self._directory / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                kafka_server.command("kafka.Kafka", str(self._configuration)), stdout=log, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                socket.create_connection(self._address, 1).close()
                return
            except OSError:
                assert self._process.poll() is None and time.monotonic() < deadline, "Kafka doesn't listen"
                try:
                    self._process.wait(0.1)
                except subprocess.TimeoutExpired:
                    continue

    def kill(self) -> None:
        """End it as nothing but the kernel can."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class Inside:
    """The one of the library, in a process of its own; ``servers`` is its address."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", INSIDE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        self.servers = self._process.stdout.readline().strip()
        assert self.servers, "the library's Kafka doesn't start"
        self.pid = self._process.pid

    def kill(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


class Observer:
    """Someone else's producer and reader of a Kafka; ``more`` are properties of both."""

    def __init__(self, servers: str, more: Mapping[str, str] | None = None) -> None:
        self._properties = {"bootstrap.servers": servers, "reconnect.backoff.max.ms": "200", **(more or {})}

    def make_topic(self, topic: str) -> int:
        """Have a topic made, as whoever writes to one does, and wait until it is there; how many partitions it has."""
        producer = Producer(self._properties, logger=QUIET)
        deadline = time.monotonic() + PATIENCE_S
        while True:
            found = producer.list_topics(topic, timeout=PATIENCE_S).topics[topic]
            if found.error is None and found.partitions:
                break
            assert time.monotonic() < deadline, found.error
        producer.close()
        return len(found.partitions)

    def create_topic(self, topic: str) -> None:
        """Have a server make a topic that nobody has written to, where it doesn't by itself."""
        admin = AdminClient(dict(self._properties))
        for made in admin.create_topics([NewTopic(topic, 3, 1)]).values():
            made.result(PATIENCE_S)
        self.make_topic(topic)

    def write(
        self,
        topic: str,
        values: Sequence[bytes],
        key: bytes | None = None,
        headers: Sequence[tuple[str, str | bytes | None]] = (),
        partition: int = -1,
    ) -> None:
        """Write records, and wait until all are there."""
        failed: list[str] = []

        def report(error: object, _message: object) -> None:
            if error is not None:
                failed.append(str(error))

        producer = Producer({**self._properties, "enable.idempotence": True}, logger=QUIET)
        for value in values:
            producer.produce(topic, value, key, partition, on_delivery=report, headers=list(headers))
        assert producer.flush(PATIENCE_S) == 0 and not failed, failed
        producer.close()

    def read(self, topic: str, count: int) -> list[Message[bytes, bytes]]:
        """The first records of a topic, so many of all its partitions together, each partition in its order."""
        return self._read(topic, lambda found: len(found) >= count, count)

    def read_until(self, topic: str, value: bytes) -> list[Message[bytes, bytes]]:
        """The records of a topic up to one with this value; others may have come with it."""
        return self._read(topic, lambda found: any(record.value() == value for record in found), 1_000)

    def _read(
        self, topic: str, is_enough: Callable[[list[Message[bytes, bytes]]], bool], at_a_time: int
    ) -> list[Message[bytes, bytes]]:
        consumer = self._reader(topic)
        found: list[Message[bytes, bytes]] = []
        deadline = time.monotonic() + PATIENCE_S
        while not is_enough(found):
            assert time.monotonic() < deadline, f"{len(found)} records have come"
            found += _records(consumer.consume(at_a_time, 0.2))
        consumer.close()
        return found

    def committed(self, group: str, topic: str) -> list[int]:
        """How far a group has read each partition; -1001 where it hasn't said."""
        asked = [TopicPartition(topic, number) for number in range(self.make_topic(topic))]
        consumer = Consumer({**self._properties, "group.id": group}, logger=QUIET)
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                found = consumer.committed(asked, timeout=5)
                break
            except KafkaException:
                assert time.monotonic() < deadline, "nobody knows what was committed"
        consumer.close()
        return [one.offset for one in found]

    def _reader(self, topic: str) -> Consumer:
        partitions = self.make_topic(topic)
        consumer = Consumer({**self._properties, "group.id": "observer", "enable.auto.commit": False}, logger=QUIET)
        consumer.assign([TopicPartition(topic, number, 0) for number in range(partitions)])
        return consumer


def _records(messages: Sequence[Message[bytes, bytes]]) -> list[Message[bytes, bytes]]:
    return [message for message in messages if message.error() is None]
