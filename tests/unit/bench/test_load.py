"""The load loop with sockets in the test's hands: windows, credit, acknowledgements, odd splits."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmq.bench import frames, load
from rmq.bench.peers import LoadError, Peer
from rmq.bench.sender import EPOLLIN
from tests.unit.bench.fakes import FakePoller, FakeSocket

PAYLOAD = 64


def publisher(socket: FakeSocket, index: int, qos: int, version: int = frames.V311) -> Peer:
    """A publisher as rmq.bench.run makes them."""
    peer = Peer(socket, index, True, version)
    head = frames.publish_head(version, f"bench/{index:05d}", qos, PAYLOAD)
    properties = b"\x00" if version == frames.V5 else b""
    stamp_head = properties + frames.STAMP_MAGIC + index.to_bytes(4, "big")
    peer.set_message(head, stamp_head, frames.payload_tail(PAYLOAD))
    return peer


class Bench:
    """A load with its sockets."""

    def __init__(
        self, mode: int, qos: int, window: int, pubs: int = 1, subs: int = 1, version: int = frames.V311
    ) -> None:
        self.pub_sockets = [FakeSocket() for _ in range(pubs)]
        self.sub_sockets = [FakeSocket() for _ in range(subs)]
        self.poller = FakePoller(*self.pub_sockets, *self.sub_sockets)
        self.load = load.Load(
            mode, version, qos, window, self.poller,
            [publisher(socket, i, qos, version) for i, socket in enumerate(self.pub_sockets)],
            [Peer(socket, i, False, version) for i, socket in enumerate(self.sub_sockets)],
        )  # fmt: skip
        self.frame_len = len(self.load.publishers[0].head) + (2 if qos else 0) + PAYLOAD + (version == frames.V5)

    def turn(self) -> None:
        """Run until every inbox is empty and what follows from it was sent."""
        while any(socket.inbox for socket in self.poller.sockets.values()) or self.load.dirty:
            self.turn_once()

    def turn_once(self) -> None:
        """Let the loop look at its sockets at least once, unless this machine is very busy."""
        self.load.run_until(time.monotonic_ns() + 200_000)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """`data` in pieces."""
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[a:b] for a, b in itertools.pairwise(edges)]


def packet_ids(data: bytes, first: int) -> list[int]:
    """The ids of acknowledgements that all begin with this byte."""
    assert set(data[0::4]) <= {first} and set(data[1::4]) <= {2}
    return [int.from_bytes(data[at + 2 : at + 4], "big") for at in range(0, len(data), 4)]


def test_a_publisher_fills_its_window_and_no_more() -> None:
    bench = Bench(load.PAIR, 0, window=5)
    bench.load.start()
    bench.turn()
    assert len(bench.pub_sockets[0].take()) == 5 * bench.frame_len
    bench.turn()
    assert bench.pub_sockets[0].take() == b""


@given(st.lists(st.integers(0, 10_000), max_size=12), st.sampled_from([frames.V311, frames.V5]))
def test_deliveries_cut_anywhere_are_counted_acknowledged_and_credited(places: list[int], version: int) -> None:
    bench = Bench(load.PAIR, 1, window=20, version=version)
    bench.load.start()
    bench.turn()
    sent = bench.pub_sockets[0].take()
    bench.sub_sockets[0].inbox = cut(sent, places)
    bench.turn()
    assert bench.load.counts.received == 20
    assert packet_ids(bench.sub_sockets[0].take(), 0x40) == list(range(1, 21))
    assert len(bench.pub_sockets[0].take()) == 20 * bench.frame_len
    assert bench.load.latency.count == 20


@given(st.lists(st.integers(0, 10_000), max_size=8))
def test_qos_2_goes_its_four_steps_on_both_sides(places: list[int]) -> None:
    bench = Bench(load.PAIR, 2, window=6)
    bench.load.budget = 6
    pub, sub = bench.pub_sockets[0], bench.sub_sockets[0]
    bench.load.start()
    bench.turn()
    sub.inbox = cut(pub.take(), places)
    bench.turn()
    received = sub.take()
    assert packet_ids(received, 0x50) == [1, 2, 3, 4, 5, 6]
    pub.inbox = cut(received, places)  # the broker's PUBRECs look just the same
    bench.turn()
    released = pub.take()
    assert packet_ids(released, 0x62) == [1, 2, 3, 4, 5, 6]
    assert not bench.load.drained()
    sub.inbox = cut(released, places)
    bench.turn()
    completed = sub.take()
    assert packet_ids(completed, 0x70) == [1, 2, 3, 4, 5, 6]
    pub.inbox = cut(completed, places)
    bench.turn()
    assert bench.load.drained()
    counts = bench.load.counts
    assert (counts.acks_in[5], counts.acks_in[7], counts.acks_in[6]) == (6, 6, 6)


def test_fan_in_gives_each_publisher_its_own_credit() -> None:
    bench = Bench(load.FAN_IN, 0, window=2, pubs=3)
    bench.load.start()
    bench.turn()
    frames_of = [socket.take() for socket in bench.pub_sockets]
    bench.sub_sockets[0].inbox = [frames_of[2] + frames_of[0][: bench.frame_len]]
    bench.turn()
    assert [len(socket.take()) // bench.frame_len for socket in bench.pub_sockets] == [1, 0, 2]


def test_fan_in_of_more_publishers_than_fit_one_byte() -> None:
    bench = Bench(load.FAN_IN, 0, window=1, pubs=300)
    bench.load.start()
    bench.turn()
    for socket in bench.pub_sockets:
        frame = socket.take()
    bench.sub_sockets[0].inbox = [frame]
    bench.turn()
    assert [len(socket.take()) for socket in bench.pub_sockets] == [0] * 299 + [bench.frame_len]


def test_fan_out_gives_credit_when_all_received() -> None:
    bench = Bench(load.FAN_OUT, 0, window=1, subs=3)
    bench.load.start()
    bench.turn()
    frame = bench.pub_sockets[0].take()
    for socket in bench.sub_sockets[:2]:
        socket.inbox = [frame]
    bench.turn()
    assert bench.pub_sockets[0].take() == b""
    bench.sub_sockets[2].inbox = [frame]
    bench.turn()
    assert len(bench.pub_sockets[0].take()) == bench.frame_len


def test_packet_ids_wrap_around_without_zero() -> None:
    bench = Bench(load.PUB, 1, window=10, subs=0)
    bench.load.publishers[0].next_id = 65530
    bench.load.start()
    bench.turn()
    sent = bench.pub_sockets[0].take()
    at = len(bench.load.publishers[0].head)
    ids = [int.from_bytes(sent[i + at : i + at + 2], "big") for i in range(0, len(sent), bench.frame_len)]
    assert ids == [65530, 65531, 65532, 65533, 65534, 65535, 1, 2, 3, 4]


def test_the_brokers_receive_maximum_is_kept() -> None:
    bench = Bench(load.PAIR, 1, window=8, version=frames.V5)
    bench.load.inflight_limit = 3
    bench.load.start()
    bench.turn()
    first = bench.pub_sockets[0].take()
    assert len(first) == 3 * bench.frame_len
    bench.sub_sockets[0].inbox = [first]
    bench.turn()
    assert bench.pub_sockets[0].take() == b""  # received, but not acknowledged yet
    bench.pub_sockets[0].inbox = [b"\x40\x02\x00\x01\x40\x02\x00\x02"]
    bench.turn()
    assert len(bench.pub_sockets[0].take()) == 2 * bench.frame_len


def test_refusals_of_mqtt_5_are_counted() -> None:
    bench = Bench(load.PUB, 1, window=2, subs=0, version=frames.V5)
    bench.load.start()
    bench.turn()
    bench.pub_sockets[0].take()
    bench.pub_sockets[0].inbox = [b"\x40\x04\x00\x01\x87\x00\x40\x03\x00", b"\x02\x10"]
    bench.turn()
    assert bench.load.counts.refused == 1
    assert bench.load.counts.acks_in[4] == 2
    assert len(bench.pub_sockets[0].take()) == 2 * bench.frame_len


def test_a_full_socket_is_continued_where_it_stopped() -> None:
    bench = Bench(load.PAIR, 0, window=3)
    socket = bench.pub_sockets[0]
    socket.room = bench.frame_len + 5
    bench.load.start()
    bench.turn()
    assert len(socket.sent) == bench.frame_len + 5
    socket.room = None
    while bench.poller.wanted[socket.fileno()] != EPOLLIN:
        bench.turn_once()
    assert len(socket.sent) == 3 * bench.frame_len
    whole = socket.take()
    assert whole[: bench.frame_len] == whole[bench.frame_len : 2 * bench.frame_len] == whole[2 * bench.frame_len :]


def test_an_open_loop_sends_what_is_due_and_stamps_the_time_it_was_due() -> None:
    bench = Bench(load.PAIR, 0, window=1, pubs=2, subs=2)
    bench.load.interval_ns = 1000.0
    bench.load.budget = 4
    bench.load.start()
    begin = int(bench.load.due_ns)
    while bench.load.budget:
        bench.turn_once()
    sent = [socket.take() for socket in bench.pub_sockets]
    assert [len(data) for data in sent] == [2 * bench.frame_len] * 2
    at = bench.frame_len - PAYLOAD + 8
    stamps = [int.from_bytes(data[i + at : i + at + 8], "big") - begin for i in (0, bench.frame_len) for data in sent]
    assert stamps == [0, 1000, 2000, 3000]


def test_a_count_of_messages_is_sent_exactly() -> None:
    bench = Bench(load.PAIR, 0, window=4, pubs=2, subs=2)
    bench.load.budget = 5
    bench.load.start()
    bench.turn()
    assert sum(len(socket.sent) for socket in bench.pub_sockets) == 5 * bench.frame_len
    assert not bench.load.drained()
    for pub, sub in zip(bench.pub_sockets, bench.sub_sockets, strict=True):
        sub.inbox = [pub.take()]
    bench.turn()
    assert bench.load.drained()


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "subscriber 0 was closed by the broker"),
        (b"\xe0\x01\x97", "reason code 0x97"),
        (b"\x30\xff\xff\xff\xff\x01", "malformed"),
    ],
)
def test_a_broken_connection_ends_the_run(data: bytes, text: str) -> None:
    bench = Bench(load.PAIR, 0, window=1, version=frames.V5)
    bench.load.start()
    bench.sub_sockets[0].inbox = [data]
    with pytest.raises(LoadError, match=text):
        bench.turn()


def test_a_count_of_messages_to_receive_ends_the_run() -> None:
    bench = Bench(load.SUB, 0, window=1)
    bench.load.goal = 3
    bench.load.start()
    frame = bench.load.publishers[0].head + frames.payload_tail(PAYLOAD + frames.STAMP_SIZE)
    bench.sub_sockets[0].inbox = [frame * 2, frame * 2, frame]
    bench.load.run_until(time.monotonic_ns() + 60_000_000_000)
    assert bench.load.counts.received == 4


def test_one_send_in_seven_tells_its_time_once_it_has_run_for_a_while() -> None:
    bench = Bench(load.PAIR, 0, window=2)
    bench.load.start()
    bench.turn()
    told = 0
    for _ in range(49 + 70):
        frame = bench.pub_sockets[0].take()
        told += frame[bench.frame_len - PAYLOAD + 8 : bench.frame_len - PAYLOAD + 16] != bytes(8)
        bench.sub_sockets[0].inbox = [frame]
        bench.turn()
    assert told == 49 + 10
    assert bench.load.latency.count == 2 * told
