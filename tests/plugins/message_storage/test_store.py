"""The parts of rmq-message-storage without a node: topics, segments, bounds, batches, and marks."""

import random
from collections.abc import Sequence
from pathlib import Path

import pytest
import structlog
import trio
from hypothesis import given
from hypothesis import strategies as st
from rmq_plugins.message_storage.finding import Finder, read_page
from rmq_plugins.message_storage.intake import Intake
from rmq_plugins.message_storage.marks import CLOSED, ENTERING, EVERYTHING, LIVE, Mark, Marks
from rmq_plugins.message_storage.marks_file import MarksFile, row_of
from rmq_plugins.message_storage.record import packed, unpacked_all
from rmq_plugins.message_storage.segment import paths
from rmq_plugins.message_storage.store import Batch, Store
from rmq_plugins.message_storage.topics import TopicTree

from rmq.plugin_api import Message, topic_matches

levels = st.sampled_from(["", "a", "b", "$s"])
names = st.lists(levels, min_size=1, max_size=4).map("/".join).filter(bool)
filters = st.tuples(st.lists(st.sampled_from(["", "a", "b", "$s", "+"]), max_size=4), st.booleans()).map(
    lambda parts: "/".join([*parts[0], *(["#"] if parts[1] else [])])
)


@given(st.sets(names, max_size=12), filters.filter(bool))
def test_the_tree_finds_what_the_filter_matches(topics: set[str], topic_filter: str) -> None:
    tree = TopicTree()
    ids = {topic: number for number, topic in enumerate(sorted(topics), 1)}
    for topic, number in ids.items():
        tree.node(topic).ids.append(number)
    found = [id_ for node in tree.find(topic_filter) if node is not None for id_ in node.ids]
    assert sorted(found) == [number for topic, number in ids.items() if topic_matches(topic_filter, topic)]


def test_a_topic_without_messages_is_forgotten() -> None:
    tree = TopicTree()
    tree.node("a/b/c").ids.extend([1, 2, 3])
    tree.node("a/b").ids.append(2)
    tree.node("a/b/c").forget_until(3)
    assert [node.ids.tolist() for node in tree.find("#") if node is not None] == [[2]]
    tree.node("a/b").forget({2})
    assert tree._root.children == {}


@given(
    st.text(min_size=1, max_size=50),
    st.binary(max_size=100),
    st.integers(0, 2),
    st.booleans(),
    st.text(max_size=20),
    st.binary(max_size=20),
    st.integers(0, 4),
)
def test_a_message_comes_back_as_it_was(
    topic: str, payload: bytes, qos: int, retain: bool, publisher: str, properties: bytes, origin: int
) -> None:
    message = Message(topic, payload, qos, retain, publisher, properties, 12.5, 11.25, origin)
    data = packed(77, 99.5, message, payload)
    kept, second = unpacked_all(data * 2)
    assert (kept.id, kept.keep_until) == (second.id, second.keep_until) == (77, 99.5)
    for name in ("topic", "payload", "qos", "retain", "publisher", "properties", "expires_at", "created_at", "origin"):
        assert getattr(kept.message, name) == getattr(message, name)


@pytest.mark.parametrize("data", [b"\x01", b"\x91\x01", b"\xc1", b"\x99" + b"\x01" * 9])
def test_what_is_no_record_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        list(unpacked_all(data))


class Incoming:
    """A message to be added."""

    def __init__(self, id_: int, topic: str = "t", payload: bytes = b"x" * 100, keep_until: float = 1000.0) -> None:
        self.id = id_
        self.topic = topic
        self.keep_until = keep_until
        self.record = packed(id_, keep_until, Message(topic, payload, 0, False, ""), payload)


async def add(store: Store, messages: Sequence[Incoming], now: float) -> None:
    batch = Batch()
    for one in messages:
        store.put(batch, one.id, one.keep_until, store.node(one.topic), one.record)
    await store.add(batch, now)


async def contents(store: Store, topic_filter: str = "#") -> list[int]:
    ids = sorted(id_ for node in store.find(topic_filter) if node is not None for id_ in node.ids)
    return [kept.id for record in await store.read(ids) for kept in unpacked_all(record)]


def new_store(folder: Path | None, capacity: int = 1 << 20, max_count: int = 10_000, age: float = 1e9) -> Store:
    return Store(folder, capacity, max_count, age, 10)


@pytest.mark.parametrize("in_memory", [True, False])
async def test_count_and_bytes_are_bounded_and_the_oldest_go(tmp_path: Path, in_memory: bool) -> None:
    store = new_store(None if in_memory else tmp_path, max_count=160)
    for start in range(1, 1001, 7):
        await add(store, [Incoming(id_, f"t/{id_ % 5}") for id_ in range(start, start + 7)], 1.0)
    assert 140 <= store.count <= 160 and store.count + store.dropped == 1001
    assert await contents(store) == list(range(1002 - store.count, 1002))
    assert await contents(store, "t/3") == [id_ for id_ in range(1002 - store.count, 1002) if id_ % 5 == 3]
    big = new_store(None if in_memory else tmp_path / "big")
    await big.open()
    for id_ in range(1, 101):
        await add(big, [Incoming(id_, payload=b"x" * 50_000)], 1.0)
    assert 900_000 < big.size <= 1 << 20
    if not in_memory:
        assert sum(path.stat().st_size for path in (tmp_path / "big").iterdir()) == big.size


async def test_what_is_over_goes_wherever_it_stands(tmp_path: Path) -> None:
    store = new_store(tmp_path, age=1.0)
    await add(store, [Incoming(1, keep_until=100.0), Incoming(2, keep_until=5.0)], 0.0)
    await add(store, [Incoming(3, keep_until=5.0), Incoming(4, "u", keep_until=5.0)], 2.0)
    await add(store, [Incoming(5, keep_until=100.0)], 4.0)
    await store.tidy(6.0)
    assert await contents(store) == [1, 2, 5]
    await store.tidy(101.0)
    assert await contents(store) == [] and store.count == store.size == 0
    assert paths(tmp_path) == [] and store.tree._root.children == {}


async def test_a_torn_end_is_cut_off_and_the_rest_is_there(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    for id_ in range(1, 11):
        await add(store, [Incoming(id_)], 1.0)
    await store.close()
    (path,) = paths(tmp_path)
    whole = path.read_bytes()
    cut = random.Random(1)
    for _ in range(20):
        path.write_bytes(whole[: cut.randrange(1, len(whole))])
        torn = new_store(tmp_path)
        await torn.open()
        there = path.stat().st_size // (len(whole) // 10) if path.exists() else 0
        assert await contents(torn) == list(range(1, there + 1))
        await add(torn, [Incoming(50)], 1.0)
        await torn.close()
        again = new_store(tmp_path)
        await again.open()
        assert await contents(again) == [*range(1, there + 1), 50] and again.last == 50
        await again.close()
        for other in paths(tmp_path):
            other.unlink()


class Kept:
    """A store with its intake and its finder, on a clock of its own."""

    def __init__(self, topics: tuple[str, ...] = ("#",), max_waiting: int = 100_000) -> None:
        self.now = 1000.0
        self.store = new_store(None, 1 << 28, 1_000_000)
        self.marks = Marks(100)
        logger = structlog.stdlib.get_logger("test")
        self.intake = Intake(self.store, topics, 60.0, 100.0, max_waiting, lambda: self.now, logger)
        self.finder = Finder(self.store, self.intake, self.marks)

    def publish(self, topic: str, payload: bytes = b"", expires_at: float = 0.0) -> None:
        self.intake.take(Message(topic, payload, 1, False, "", b"", expires_at, self.now))

    async def all(self, topic_filter: str, after: int = 0) -> list[tuple[str, bytes]]:
        found: list[tuple[str, bytes]] = []
        while True:
            page = read_page(await self.finder.page(topic_filter, after, self.intake.last), self.now)
            found += [(kept.message.topic, kept.message.payload) for kept in page.messages]
            after = page.last
            if not page.more:
                return found


async def test_ids_go_up_whatever_the_clock_does_and_a_position_is_between_them() -> None:
    kept = Kept()
    places: list[int] = []
    for step in (0.0, 0.0, -5.0, 1.0, -2.0):
        kept.now += step
        kept.publish("t")
        places += [kept.intake.last, kept.intake.position()]
    assert places == sorted(places)
    assert all(before < after for before, after in zip(places[1::2], places[2::2], strict=False))


async def test_pages_have_everything_once_in_order() -> None:
    kept = Kept()
    for number in range(2000):
        kept.publish(f"t/{number % 700}", b"%d" % number)
    found = await kept.all("t/+")
    assert [payload for _, payload in found] == [b"%d" % number for number in range(2000)]
    kept.publish("t/big", b"x" * 1_000_000)
    kept.publish("t/big", b"y" * 1_000_000)
    assert len(await kept.all("t/big")) == 2


async def test_times_to_live_and_topics_that_are_not_wanted() -> None:
    kept = Kept(("a/#",))
    kept.publish("a", b"default")
    kept.publish("a", b"short", 1001.0)
    kept.publish("a", b"longest", 5000.0)
    kept.publish("b", b"not wanted")
    kept.now = 1002.0
    assert await kept.all("#") == [("a", b"default"), ("a", b"longest")]
    kept.now = 1061.0
    assert await kept.all("#") == [("a", b"longest")]
    kept.now = 1103.0
    assert await kept.all("#") == []


async def test_too_many_that_wait_are_counted_and_a_disk_that_fails_too(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Kept(max_waiting=3)
    for _ in range(5):
        kept.publish("t")
    assert (kept.intake.waiting, kept.intake.dropped) == (3, 2)

    async def fail(batch: Batch, now: float) -> None:
        await trio.lowlevel.checkpoint()
        raise OSError("no space left")

    with monkeypatch.context() as patched:
        patched.setattr(kept.store, "add", fail)
        await kept.intake.flush()
    assert (kept.intake.failed, kept.intake.error, kept.intake.waiting) == (3, "no space left", 0)
    kept.publish("t", b"later")
    assert await kept.all("t") == [("t", b"later")] and kept.intake.error == ""


def test_marks_through_the_life_of_a_client() -> None:
    marks = Marks(10)
    marks.enter("c", "a")
    assert marks.of("c")["a"].covers() == 0
    marks.of("c")["a"].state = LIVE
    assert marks.of("c")["a"].covers() == EVERYTHING and marks.has_clients()
    marks.leave("c", 50)
    assert marks.of("c")["a"].covers() == 50 and not marks.has_clients()
    assert marks.resume("c", ["a"]) == [] and marks.of("c")["a"].covers() == EVERYTHING
    marks.leave("c", 70)
    marks.begin_anew("c", 99)
    assert (marks.of("c")["a"].state, marks.of("c")["a"].until) == (CLOSED, 70)
    marks.enter("c", "a")
    marks.leave("c", 80)
    assert marks.of("c")["a"].covers() == 70  # it hasn't been given the rest
    assert marks.resume("c", ["a"]) == ["a"]
    marks.end("c", "a", 90)
    assert marks.of("c")["a"].covers() == 70
    marks.forget_before(71)
    assert marks.of("c") == {} and marks.count == 0


def test_marks_are_bounded_and_clients_that_are_away_make_room() -> None:
    marks = Marks(2)
    assert marks.enter("a", "t") and marks.enter("b", "t")
    assert not marks.enter("c", "t") and marks.lost == 1
    marks.leave("a", 5)
    assert marks.enter("c", "t")
    assert [client_id for client_id, _, _ in marks.all()] == ["b", "c"] and marks.count == 2


def test_marks_come_back_from_disk(tmp_path: Path) -> None:
    path = tmp_path / "marks"
    file = MarksFile(path)
    marks = Marks(10)
    assert file.read(marks) == 0.0
    file.write([("c", "a", LIVE, 0, 0), ("c", "b/\u00e9", CLOSED, 7, 0), ("d", "a", ENTERING, 3, 0)])
    file.write([row_of("d", "a", None), row_of("c", "a", Mark(LIVE, 0, 9))])
    file.close()
    with path.open("ab") as torn:
        torn.write(b'["e", "a", 2, ')
    again = MarksFile(path)
    assert again.read(marks) > 0
    rows = sorted(row_of(*row) for row in marks.all())
    assert rows == [("c", "a", LIVE, 0, 9), ("c", "b/\u00e9", CLOSED, 7, 0)] and marks.changed == {}
    again.write([("f", "a", LIVE, 0, 0)])
    fresh = Marks(10)
    again.read(fresh)
    assert fresh.count == 3
    again.write_anew(rows)
    assert len(path.read_bytes().splitlines()) == 2
    again.write([("f", "a", LIVE, 0, 0)])
    again.close()
    last = Marks(10)
    MarksFile(path).read(last)
    assert sorted(row_of(*row) for row in last.all()) == [*rows, ("f", "a", LIVE, 0, 0)]


async def test_a_file_that_cant_be_removed_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = new_store(tmp_path)
    await add(store, [Incoming(1, keep_until=5.0)], 0.0)

    def unlink(self: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", unlink)
    await store.tidy(6.0)
    assert await contents(store) == [] and store.unremoved == 1
    monkeypatch.undo()
    await store.tidy(7.0)
    assert store.unremoved == 0 and paths(tmp_path) == []
