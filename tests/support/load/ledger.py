"""What publishers were told and subscribers got while nodes fail: the books, and what is wrong in them.

Every message belongs to a stream (one topic at one QoS, from one publisher) and has a number; both are in its payload.
A publisher may be told that it was acknowledged, or that it was refused, or nothing at all. What must follow:

acknowledged  every subscriber gets it
refused       nobody gets it
unknown       any subscriber may get it or not
In any case: at QoS 2 once, and messages of a stream for the first time in their order [MQTT-4.6.0-6].
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

UNKNOWN: Final = "unknown"
ACKNOWLEDGED: Final = "acknowledged"
REFUSED: Final = "refused"


@dataclass(slots=True)
class Entry:
    """One message; ``sent`` and ``told`` are moments and places, for people."""

    size: int
    sent: list[str]
    outcome: str = UNKNOWN
    told: str = ""


@dataclass(slots=True)
class Account:
    """What one subscriber has of one stream, from number ``first`` on; ``last`` are its latest deliveries."""

    qos: int
    first: int
    numbers: set[int] = field(default_factory=set)
    highest: int = -1
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
    """Messages of all clients, each client in a thread of its own, and the faults there were.

    ``violations`` are the promises that were broken, each with what is known about the message.
    """

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.violations: list[str] = []
        self.faults: list[str] = []
        self.acknowledged = 0
        self.refused = 0
        self.delivered = 0
        self.duplicates = 0
        self.takeovers = 0
        self._begin = time.monotonic()
        self._streams: dict[Stream, list[Entry]] = {}
        self._accounts: dict[str, dict[Stream, Account]] = {}

    def now(self) -> str:
        """The moment, for people: seconds since the test began, and faults so far."""
        return f"{time.monotonic() - self._begin:.3f} s after {len(self.faults)} faults"

    def fault(self, what: str) -> None:
        """Something was done to the nodes."""
        with self.changed:
            self.faults.append(f"{time.monotonic() - self._begin:.3f} s: {what}")

    def violation(self, text: str) -> None:
        """A promise was broken."""
        with self.changed:
            self.violations.append(f"[{self.now()}] {text}")
            self.changed.notify_all()

    def took_over(self) -> None:
        """A client has gone to another node while its last connection stood."""
        with self.changed:
            self.takeovers += 1

    def open_account(self, subscriber: str, streams: Iterable[Stream], qos: int) -> None:
        """The subscriber is subscribed to these streams at this QoS, and gets all that is sent from now on."""
        with self.changed:
            accounts = self._accounts.setdefault(subscriber, {})
            for stream in streams:
                accounts[stream] = Account(min(qos, stream[1]), len(self._streams.get(stream, ())))

    def send(self, stream: Stream, size: int, where: str) -> tuple[int, bytes]:
        """A new message of a stream is about to be sent: its number and payload."""
        with self.changed:
            entries = self._streams.setdefault(stream, [])
            entries.append(Entry(size, [f"{where} {self.now()}"]))
            number = len(entries) - 1
        return number, payload_of(stream, number, size)

    def send_again(self, stream: Stream, number: int, where: str) -> None:
        """It is about to be sent again."""
        with self.changed:
            self._streams[stream][number].sent.append(f"{where} {self.now()}")

    def acknowledge(self, stream: Stream, number: int, where: str) -> None:
        """The publisher has PUBACK or PUBREC for it."""
        with self.changed:
            entry = self._streams[stream][number]
            assert entry.outcome == UNKNOWN, "a publisher counts every answer once"
            entry.outcome, entry.told = ACKNOWLEDGED, f"{where} {self.now()}"
            self.acknowledged += 1
            self.changed.notify_all()

    def refuse(self, stream: Stream, number: int, where: str) -> None:
        """The publisher was told a reason why not.

        Where it was sent more than once, only the last try is known to have failed.
        """
        with self.changed:
            entry = self._streams[stream][number]
            assert entry.outcome == UNKNOWN, "a publisher counts every answer once"
            entry.told = f"refused {where} {self.now()}"
            if len(entry.sent) > 1:
                return
            entry.outcome = REFUSED
            self.refused += 1
            for subscriber, accounts in self._accounts.items():
                account = accounts.get(stream)
                if account is not None and number in account.numbers:
                    self.violation(self._story(subscriber, stream, number, "refused when it was delivered already"))
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
            if number in account.numbers:
                self.duplicates += 1
                if qos != 1:
                    self.violation(self._story(subscriber, stream, number, f"delivered twice at QoS {qos}"))
            else:
                if number < account.highest:
                    wrong = f"came for the first time after number {account.highest}"
                    self.violation(self._story(subscriber, stream, number, wrong))
                if self._streams[stream][number].outcome == REFUSED:
                    self.violation(self._story(subscriber, stream, number, "delivered though it was refused"))
                account.numbers.add(number)
                account.highest = max(number, account.highest)
                self.delivered += 1
            self.changed.notify_all()

    def backlog(self, subscriber: str) -> int:
        """How many messages the subscriber hasn't got of those it should have or may get, newer than its newest."""
        with self.changed:
            accounts = self._accounts[subscriber].items()
            return sum(len(self._streams.get(s, ())) - max(a.highest + 1, a.first) for s, a in accounts)

    def owed(self, subscriber: str) -> int:
        """How many messages the subscriber hasn't got that were acknowledged."""
        with self.changed:
            return sum(len(self._missing(stream, account)) for stream, account in self._accounts[subscriber].items())

    def last_acknowledged(self, stream: Stream) -> int:
        """The highest number of a stream that was acknowledged, -1 for none."""
        with self.changed:
            entries = self._streams.get(stream, [])
            acknowledged = (n for n in range(len(entries) - 1, -1, -1) if entries[n].outcome == ACKNOWLEDGED)
            return next(acknowledged, -1)

    def check_complete(self) -> None:
        """Whether every subscriber has everything that was acknowledged."""
        with self.changed:
            for subscriber, accounts in self._accounts.items():
                for stream, account in accounts.items():
                    missing = self._missing(stream, account)
                    if missing:
                        wrong = f"never came, and so with {len(missing)} of this stream: {missing[:20]}"
                        self.violation(self._story(subscriber, stream, missing[0], wrong))

    def report(self) -> str:
        """All that is wrong, and what was done to the nodes."""
        return "\n".join(
            [*self.violations[:20], f"{len(self.violations)} violations; faults:", *self.faults[-40:], self.summary()]
        )

    def summary(self) -> str:
        """The figures in a line."""
        unknown = sum(1 for entries in self._streams.values() for entry in entries if entry.outcome == UNKNOWN)
        return (
            f"{len(self.faults)} faults, {self.acknowledged} messages acknowledged, {self.refused} refused, "
            f"{unknown} unknown, {self.delivered} delivered, {self.duplicates} QoS 1 duplicates, "
            f"{self.takeovers} takeovers, {len(self.violations)} violations"
        )

    def _missing(self, stream: Stream, account: Account) -> list[int]:
        entries = self._streams.get(stream, [])
        return [
            number
            for number in range(account.first, len(entries))
            if entries[number].outcome == ACKNOWLEDGED and number not in account.numbers
        ]

    def _story(self, subscriber: str, stream: Stream, number: int, wrong: str) -> str:
        entry = self._streams[stream][number]
        last = "\n    ".join(["the latest of this stream:", *self._accounts[subscriber][stream].last])
        return (
            f"{subscriber}, {stream[0]} at QoS {stream[1]}, number {number} of {entry.size} bytes: {wrong}\n"
            f"  sent {'; '.join(entry.sent)}; {entry.outcome} {entry.told}; {last}"
        )
