"""What clients were promised and what they got: the books of the kill test, and what is wrong in them.

Every message belongs to a stream: one topic at one QoS, from one publisher. Within a stream messages are numbered from
0, and the number is in the payload. They come in the order in which they were sent [MQTT-4.6.0-6], so one counter for
each subscriber tells a new message from a duplicate and from one before which another is missing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

Stream = tuple[str, int]
"""Topic and QoS."""

KEPT_EVENTS: Final = 12


@dataclass(slots=True)
class Entry:
    """One message: when it was sent and acknowledged, as seconds of the test and kills until then."""

    size: int
    sent: str
    acknowledged: str = ""


@dataclass(slots=True)
class Account:
    """What one subscriber has of one stream: all before ``expected``; ``last`` are its latest deliveries."""

    qos: int
    expected: int = 0
    last: list[str] = field(default_factory=list)


def payload_of(stream: Stream, number: int, size: int) -> bytes:
    """The payload of a message: its stream and number, and from them as many bytes as it has."""
    head = f"{stream[0]}|{stream[1]}|{number}|{size}|".encode()
    return (head * (size // len(head) + 1))[: max(size, len(head))]


def read_payload(payload: bytes) -> tuple[Stream, int]:
    """Stream and number of a payload; ValueError unless every byte is as it was sent."""
    topic, qos, number, size, _ = payload.split(b"|", 4)
    stream = (topic.decode(), int(qos))
    if payload != payload_of(stream, int(number), int(size)):
        raise ValueError("the payload isn't what was sent")
    return stream, int(number)


class Ledger:
    """Sent, acknowledged and delivered messages of all clients, each in a thread of its own.

    ``violations`` are the promises that were broken, each with what is known about the message.
    """

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.violations: list[str] = []
        self.kills: list[float] = []
        self.acknowledged = 0
        self.delivered = 0
        self.duplicates = 0
        self._begin = time.monotonic()
        self._streams: dict[Stream, list[Entry]] = {}
        self._accounts: dict[str, dict[Stream, Account]] = {}

    def now(self) -> str:
        """The moment, for people: seconds since the test began, and kills so far."""
        return f"{time.monotonic() - self._begin:.3f} s after {len(self.kills)} kills"

    def killed(self) -> None:
        """The node was killed."""
        with self.changed:
            self.kills.append(time.monotonic() - self._begin)

    def violation(self, text: str) -> None:
        """A promise was broken."""
        with self.changed:
            self.violations.append(f"[{self.now()}] {text}")
            self.changed.notify_all()

    def open_account(self, subscriber: str, streams: Iterable[Stream], qos: int) -> None:
        """The subscriber is subscribed to these streams at this QoS, and gets all that is sent from now on."""
        with self.changed:
            accounts = self._accounts.setdefault(subscriber, {})
            for stream in streams:
                accounts[stream] = Account(min(qos, stream[1]))

    def send(self, stream: Stream, size: int) -> tuple[int, bytes]:
        """A new message of a stream is about to be sent: its number and payload."""
        with self.changed:
            entries = self._streams.setdefault(stream, [])
            entries.append(Entry(size, self.now()))
            number = len(entries) - 1
        return number, payload_of(stream, number, size)

    def acknowledge(self, stream: Stream, number: int) -> None:
        """The publisher has PUBACK or PUBREC for it."""
        with self.changed:
            entry = self._streams[stream][number]
            assert not entry.acknowledged, "a publisher counts every acknowledgement once"
            entry.acknowledged = self.now()
            self.acknowledged += 1
            self.changed.notify_all()

    def deliver(self, subscriber: str, topic: str, payload: bytes, qos: int, how: str) -> None:
        """The subscriber has a message that is no duplicate by its packet identifier; ``how`` it came, for people."""
        try:
            stream, number = read_payload(payload)
        except ValueError as error:
            self.violation(f"{subscriber}: {error}: {topic} {payload[:100]!r} {how}")
            return
        with self.changed:
            account = self._accounts[subscriber].get(stream)
            if stream[0] != topic or account is None or account.qos != qos:
                self.violation(f"{subscriber}: {stream} came on {topic} at QoS {qos} {how}")
                return
            account.last = [*account.last[1 - KEPT_EVENTS :], f"number {number} {how} {self.now()}"]
            if number == account.expected:
                account.expected += 1
                self.delivered += 1
            elif number > account.expected:
                self.violation(self._story(subscriber, stream, account.expected, f"number {number} came before it"))
                account.expected = number + 1
            elif qos == 2:
                self.violation(self._story(subscriber, stream, number, "QoS 2, delivered twice"))
            else:
                self.duplicates += 1
            self.changed.notify_all()

    def backlog(self, subscriber: str) -> int:
        """How many messages the subscriber hasn't got yet of those that were sent."""
        with self.changed:
            accounts = self._accounts[subscriber].items()
            return sum(len(self._streams.get(stream, ())) - account.expected for stream, account in accounts)

    def last_acknowledged(self, stream: Stream) -> int:
        """The highest number of a stream that was acknowledged, -1 for none."""
        with self.changed:
            entries = self._streams.get(stream, [])
            return next((n for n in range(len(entries) - 1, -1, -1) if entries[n].acknowledged), -1)

    def check_complete(self) -> None:
        """Whether every subscriber has everything that was acknowledged."""
        with self.changed:
            for subscriber, accounts in self._accounts.items():
                for stream, account in accounts.items():
                    entries = self._streams.get(stream, [])
                    for number in range(account.expected, len(entries)):
                        if entries[number].acknowledged:
                            self.violation(self._story(subscriber, stream, number, "never came"))
                            break

    def report(self) -> str:
        """All that is wrong, and when the node was killed."""
        kills = ", ".join(f"{moment:.3f}" for moment in self.kills)
        return "\n".join([*self.violations[:20], f"{len(self.violations)} violations; kills at {kills} s"])

    def summary(self) -> str:
        """The figures in a line."""
        return (
            f"{len(self.kills)} kills, {self.acknowledged} messages acknowledged, {self.delivered} delivered, "
            f"{self.duplicates} QoS 1 duplicates, {len(self.violations)} violations"
        )

    def _story(self, subscriber: str, stream: Stream, number: int, wrong: str) -> str:
        entry = self._streams[stream][number]
        last = "\n    ".join(["the latest of this stream:", *self._accounts[subscriber][stream].last])
        return (
            f"{subscriber}, {stream[0]} at QoS {stream[1]}, number {number} of {entry.size} bytes: {wrong}\n"
            f"  sent {entry.sent}, acknowledged {entry.acknowledged or 'not yet'}; {last}"
        )
