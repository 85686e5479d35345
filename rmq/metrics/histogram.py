"""Histograms of latencies: how long deliveries and acknowledgements take, and how late the event loop is.

Of deliveries and acknowledgements one in ``SAMPLE_EVERY`` PUBLISHes is measured, and the first of each second: so that
it costs next to nothing under load, and that there is something to see without.
"""

from typing import Final

SAMPLE_EVERY: Final = 1024
# Samples that wait for the end of a turn; more of them say nothing more.
MAX_WAITING: Final = 1024
# Upper bounds of the buckets, in microseconds; a last one takes what is above.
BOUNDS_US: Final[list[int]] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000,
]  # fmt: skip


class Histogram:
    """``counts`` by bucket, each without those below, the last above all bounds; ``sum_us`` of all in microseconds."""

    __slots__ = ("counts", "sum_us")

    def __init__(self) -> None:
        self.counts: list[int] = [0] * (len(BOUNDS_US) + 1)
        self.sum_us = 0

    def observe(self, seconds: float) -> None:
        """Count one; a time that went back counts as none."""
        us = int(seconds * 1e6)
        if us < 0:
            us = 0
        self.sum_us += us
        bucket = 0
        for bound in BOUNDS_US:
            if us <= bound:
                break
            bucket += 1
        self.counts[bucket] += 1


class Latencies:
    """The histograms of one node; times are seconds on the node's clock.

    ``deliver``: from reading a PUBLISH, or from its arrival through another node, until it was written to a receiver
    that was connected all the while; retained messages that a new subscription gets aren't among them.
    ``ack``: from reading a QoS 1 or 2 PUBLISH until its PUBACK or PUBREC was written.
    ``loop_lag``: how late something that was due came to run.

    What is noted waits until the bytes have left at the end of the turn: then ``settle`` is called, if ``due``.
    """

    __slots__ = ("_acked", "_delivered", "ack", "deliver", "due", "loop_lag")

    def __init__(self) -> None:
        self.deliver = Histogram()
        self.ack = Histogram()
        self.loop_lag = Histogram()
        self.due = False
        self._delivered: list[float] = []
        self._acked: list[float] = []

    def note_delivery(self, since: float) -> None:
        """A message that was read then is in an out-buffer."""
        if len(self._delivered) < MAX_WAITING:
            self._delivered.append(since)
            self.due = True

    def note_ack(self, since: float) -> None:
        """The acknowledgement of a message that was read then is in an out-buffer."""
        if len(self._acked) < MAX_WAITING:
            self._acked.append(since)
            self.due = True

    def settle(self, now: float) -> None:
        """What is in out-buffers has left."""
        for since in self._delivered:
            self.deliver.observe(now - since)
        for since in self._acked:
            self.ack.observe(now - since)
        self._delivered.clear()
        self._acked.clear()
        self.due = False
