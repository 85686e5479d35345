"""Kafka's client library, librdkafka, in threads of its own; the only file that knows confluent_kafka.

Whatever is called ``run`` is for a thread, and so is making a ``Sender`` or ``Receiver``: files may have to be read.
Everything else is for the node's own thread, and none of it waits. ``wake`` is called in the library's thread.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from rmq_plugins.bridge_kafka.offsets import Offsets
from rmq_plugins.bridge_kafka.outcomes import DELIVERED, FAILED, NO_TOPIC, REFUSED
from rmq_plugins.bridge_kafka.records import Fetched, Record
from rmq_plugins.bridges.link import BridgeFailedError

# How long a thread waits for something to happen: so long an end may take, so often offsets are looked at.
TURN_S: Final = 0.25
# What the servers may take to answer a question of ours.
ANSWER_S: Final = 10.0
LOOK_AGAIN_S: Final = 1.0
# When partitions are taken away, how long we wait for the node to acknowledge what came of them.
HANDOVER_S: Final = 2.0
BATCH: Final = 500
MAX_LINES: Final = 1_000

_REFUSALS: Final = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.INVALID_MSG_SIZE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.INVALID_RECORD,
        KafkaError.INVALID_TIMESTAMP,
    }
)
_TOPICS: Final = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.TOPIC_EXCEPTION,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._UNKNOWN_PARTITION,
    }
)
_DOWN: Final = frozenset({KafkaError._ALL_BROKERS_DOWN, KafkaError._AUTHENTICATION, KafkaError._SSL})

Wake = Callable[[], None]


class _Lines:
    """What the library has to say: a logger as it wants one, bounded."""

    def __init__(self) -> None:
        self.found: deque[tuple[int, str]] = deque(maxlen=MAX_LINES)

    def log(self, level: int, _form: str, _severity: str, _client: str, text: str) -> None:
        self.found.append((level, text))


class _Client:
    """What producers and consumers have in common.

    ``is_up``: the servers have answered, and haven't all gone since. ``problem`` says what was wrong last, ``failure``
    why this client is at its end.
    """

    def __init__(self, wake: Wake) -> None:
        self.is_up = False
        self.problem = ""
        self.failure = ""
        self._wake = wake
        self._stopping = False
        self._look_at = 0.0
        self._lines = _Lines()

    def lines(self) -> list[tuple[int, str]]:
        """What the library has logged since the last time: levels as Python's, and texts."""
        found = self._lines.found
        return [found.popleft() for _ in range(len(found))]

    def _made(self, kind: Callable[..., Any], properties: Mapping[str, str], **callbacks: Callable[..., None]) -> Any:
        try:
            return kind({**properties, "error_cb": self._heard, **callbacks}, logger=self._lines)
        except (KafkaException, TypeError, ValueError) as error:
            raise BridgeFailedError(_in_words(error)) from None

    def _heard(self, error: KafkaError) -> None:
        self.problem = error.str()
        if error.fatal():
            self.failure = self.problem
        if error.code() in _DOWN or error.fatal():
            self.is_up = False
        self._wake()

    def _look(self, client: Any) -> None:
        """While nothing is known to be up: ask the servers."""
        if self.is_up or time.monotonic() < self._look_at:
            return
        try:
            client.list_topics(timeout=LOOK_AGAIN_S)
        except KafkaException as error:
            self.problem = self.problem or _in_words(error)
            self._look_at = time.monotonic() + LOOK_AGAIN_S
        else:
            self._seen()
        self._wake()

    def _seen(self) -> None:
        """The servers are there, and what was wrong isn't any more."""
        if not self.is_up or self.problem:
            self.is_up = True
            self.problem = ""
            self._wake()


class Sender(_Client):
    """One producer. ``BridgeFailedError`` names the property that is wrong."""

    def __init__(self, properties: Mapping[str, str], wake: Wake) -> None:
        super().__init__(wake)
        self._reports: deque[tuple[int, int, str]] = deque()
        self._producer: Producer = self._made(Producer, properties)

    def send(self, record: Record, number: int) -> bool:
        """Have a record sent, under a number that its report will have; False while there is no room for it."""

        def report(error: KafkaError | None, _message: object) -> None:
            self._report(number, error)

        try:
            self._producer.produce(
                record.topic,
                record.value,
                record.key,
                record.partition,
                on_delivery=report,
                headers=list(record.headers),
            )
        except BufferError:
            return False
        except KafkaException as error:
            self._report(number, error.args[0])
            self._wake()
        return True

    def _report(self, number: int, error: KafkaError | None) -> None:
        if error is None:
            self._reports.append((number, DELIVERED, ""))
            self._seen()
        else:
            self._reports.append((number, _outcome(error), error.str()))

    def reports(self) -> list[tuple[int, int, str]]:
        """What has become of records since the last time: number, outcome, and in words what is wrong."""
        reports = self._reports
        return [reports.popleft() for _ in range(len(reports))]

    def run(self) -> None:
        """Serve the library until ``stop``; what wasn't sent by then isn't sent by this one."""
        producer = self._producer
        while not self._stopping:
            if producer.poll(TURN_S):
                self._wake()
            self._look(producer)
        producer.purge()
        producer.poll(0)
        producer.close()

    def stop(self) -> None:
        """Have ``run`` end."""
        self._stopping = True


class Receiver(_Client):
    """One consumer: of a group's share of a topic, or of given partitions. What it hands over waits to be ``done``.

    ``partitions`` None has the group share the topic out. ``start`` says where to begin where the group has
    committed nothing: "beginning", "end", an offset, or minus so many before the end. ``window`` bounds what isn't
    done, ``commit_s`` is how often offsets are committed.
    """

    def __init__(
        self,
        properties: Mapping[str, str],
        topic: str,
        partitions: range | None,
        start: str,
        window: int,
        commit_s: float,
        wake: Wake,
    ) -> None:
        super().__init__(wake)
        self._topic = topic
        self._partitions = partitions
        self._start = start
        self._window = window
        self._commit_s = commit_s
        self._cooperative = "cooperative" in properties.get("partition.assignment.strategy", "")
        self._offsets = Offsets()
        self._done: deque[tuple[int, int]] = deque()
        self._some_done = threading.Event()
        self._fetched: deque[Fetched] = deque()
        self._fetching = True
        self._commit_at = 0.0
        self._consumer: Consumer = self._made(Consumer, properties, on_commit=self._committed)

    def fetched(self) -> list[Fetched]:
        """What has come since the last time, in the order of each partition."""
        fetched = self._fetched
        return [fetched.popleft() for _ in range(len(fetched))]

    def done(self, partition: int, offset: int) -> None:
        """The node has taken a record: its offset may be committed when those before it may."""
        self._done.append((partition, offset))
        self._some_done.set()

    def pause(self) -> None:
        """Fetch no more; what was fetched may still be done."""
        self._fetching = False

    def stop(self) -> None:
        """Have ``run`` commit what is done, and end."""
        self._stopping = True
        self._some_done.set()

    def run(self) -> None:
        """Fetch until ``stop``, or until there is a ``failure``."""
        consumer = self._consumer
        try:
            self._begin(consumer)
            while not self._stopping and not self.failure:
                self._settle(consumer)
                self._look(consumer)
                self._turn(consumer)
            self._commit(consumer, wait=True)
        except KafkaException as error:
            self.failure = self.failure or _in_words(error)
        except RuntimeError as error:  # what the library raises of a consumer that is closed
            self.failure = self.failure or str(error)
        finally:
            consumer.close()
            self._wake()

    def _begin(self, consumer: Consumer) -> None:
        if self._partitions is None:
            consumer.subscribe([self._topic], self._assigned, self._revoked, self._lost)
            return
        while not self.is_up and not self._stopping:
            self._look(consumer)
            consumer.poll(TURN_S)
        if not self._stopping:
            consumer.assign(self._begun(consumer, [TopicPartition(self._topic, n) for n in self._partitions]))

    def _turn(self, consumer: Consumer) -> None:
        room = self._window - self._offsets.waiting
        if room <= 0 or not self._fetching:
            self._some_done.wait(TURN_S)
            return
        first = consumer.poll(TURN_S)
        if first is None:
            return
        self._take(first)
        if room > 1:
            for message in consumer.consume(min(room - 1, BATCH), 0):
                self._take(message)
        self._wake()

    def _take(self, message: "Message[bytes, bytes]") -> None:
        error = message.error()
        if error is not None:
            if error.code() != KafkaError._PARTITION_EOF:
                self._heard(error)
            return
        self._seen()
        partition, offset = message.partition(), message.offset()
        if partition is None or offset is None or not self._offsets.take(partition, offset):
            return
        headers = message.headers() or ()
        listed = list(headers.items()) if isinstance(headers, dict) else list(headers)
        self._fetched.append(
            Fetched(message.topic() or "", partition, offset, message.key(), message.value() or b"", listed)
        )

    def _settle(self, consumer: Consumer) -> None:
        self._note_done()
        if time.monotonic() >= self._commit_at:
            self._commit(consumer, wait=False)
            self._commit_at = time.monotonic() + self._commit_s

    def _note_done(self) -> None:
        self._some_done.clear()
        done = self._done
        for _ in range(len(done)):
            self._offsets.done(*done.popleft())

    def _commit(self, consumer: Consumer, *, wait: bool, only: frozenset[int] | None = None) -> None:
        self._note_done()
        offsets = [TopicPartition(self._topic, *pair) for pair in self._offsets.to_commit(only)]
        if not offsets:
            return
        try:
            if wait:
                consumer.commit(offsets=offsets, asynchronous=False)
            else:
                consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:
            self._committed(error.args[0], offsets)

    def _committed(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        """What became of a commit; where it failed it is tried again with the next one."""
        if error is not None:
            self.problem = error.str()
        for partition in partitions:
            if error is not None or partition.error is not None:
                self._offsets.not_committed(partition.partition)

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        begun = self._begun(consumer, partitions)
        if self._cooperative:
            consumer.incremental_assign(begun)
        else:
            consumer.assign(begun)

    def _begun(self, consumer: Consumer, partitions: list[TopicPartition]) -> list[TopicPartition]:
        """Where to begin with each, which is committed where nothing was: from then on it stays so."""
        found: list[TopicPartition] = []
        for known in consumer.committed(partitions, timeout=ANSWER_S):
            if known.error is not None:
                raise KafkaException(known.error)
            offset = known.offset
            if offset < 0:
                offset = self._first(consumer, known)
                self._offsets.begin(known.partition, offset, is_committed=False)
            else:
                self._offsets.begin(known.partition, offset, is_committed=True)
            found.append(TopicPartition(known.topic, known.partition, offset))
        return found

    def _first(self, consumer: Consumer, partition: TopicPartition) -> int:
        low, high = consumer.get_watermark_offsets(partition, timeout=ANSWER_S)
        if self._start == "beginning":
            return int(low)
        if self._start == "end":
            return int(high)
        number = int(self._start)
        return int(max(low, high + number) if number < 0 else min(max(low, number), high))

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Another one has them soon: what came of them is committed, once the node has acknowledged it."""
        gone = frozenset(partition.partition for partition in partitions)
        until = time.monotonic() + HANDOVER_S
        while self._offsets.waiting_of(gone) and time.monotonic() < until and not self._stopping:
            self._some_done.wait(TURN_S)
            self._note_done()
        self._commit(consumer, wait=True, only=gone)
        self._lost(consumer, partitions)

    def _lost(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for partition in partitions:
            self._offsets.forget(partition.partition)


def check_sender(properties: Mapping[str, str]) -> None:
    """``BridgeFailedError`` says what is wrong with the properties of a producer; nobody is connected to."""
    sender = Sender(_alone(properties), _no_wake)
    sender.stop()
    sender.run()


def check_receiver(properties: Mapping[str, str]) -> None:
    """The same of a consumer."""
    receiver = Receiver(_alone(properties), "t", range(0), "end", 1, 1.0, _no_wake)
    receiver.stop()
    receiver.run()


def _alone(properties: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in properties.items() if name != "bootstrap.servers"}


def _no_wake() -> None:
    """Nobody waits."""


def _outcome(error: KafkaError) -> int:
    if error.code() in _REFUSALS:
        return REFUSED
    return NO_TOPIC if error.code() in _TOPICS else FAILED


def _in_words(error: Exception) -> str:
    found = error.args[0] if error.args else None
    return found.str() if isinstance(found, KafkaError) else str(error)
