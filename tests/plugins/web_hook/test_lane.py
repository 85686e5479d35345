"""One URL's lane: order, retries, refusals, limits; by a virtual clock."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog
import trio
from rmq_plugins.web_hook.config import WebHookConfig
from rmq_plugins.web_hook.disk_queue import DiskQueue
from rmq_plugins.web_hook.lane import Lane
from rmq_plugins.web_hook.posting import FAILED, REFUSED, SENT
from trio.testing import MockClock

T0 = 1_700_000_000.0


class Other:
    """The other side: what arrived, and what it answers until it is told otherwise."""

    def __init__(self) -> None:
        self.arrived: list[list[str]] = []
        self.tried: list[float] = []
        self.answer: Callable[[list[str]], int] = lambda events: SENT
        self.changed = trio.Event()

    async def send(self, events: Sequence[bytes]) -> tuple[int, str]:
        names = [event.decode() for event in events]
        outcome = self.answer(names)
        self.tried.append(trio.current_time())
        if outcome == SENT:
            self.arrived.append(names)
        self.changed.set()
        self.changed = trio.Event()
        return outcome, "because"

    @property
    def names(self) -> list[str]:
        return [name for batch in self.arrived for name in batch]

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            await self.changed.wait()


def new_lane(folder: Path, other: Other, **keys: object) -> Lane:
    config = WebHookConfig.model_validate(keys)
    queue = DiskQueue(folder / "queue")
    return Lane("http://there/", queue, other.send, config, lambda: T0 + trio.current_time(), structlog.get_logger())


@asynccontextmanager
async def running(lane: Lane) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lane.run)
        yield
        await lane.close()


@pytest.fixture
def other(autojump_clock: MockClock) -> Other:
    # Threads take real time: a clock that jumps at once would pass the pauses by while a thread works.
    autojump_clock.autojump_threshold = 0.05
    return Other()


def put(lane: Lane, *names: str) -> None:
    for name in names:
        lane.put(T0 + trio.current_time(), name.encode())


NAMES = [f"e{number:03d}" for number in range(300)]


async def test_each_event_arrives_alone_and_in_order(tmp_path: Path, other: Other, autojump_clock: MockClock) -> None:
    lane = new_lane(tmp_path, other)
    async with running(lane):
        put(lane, *NAMES)
        await other.until(lambda: len(other.names) == 300)
    assert other.arrived == [[name] for name in NAMES]
    assert lane.sent == 300 and lane.length == 0


async def test_batches_are_bounded_by_events_and_bytes(tmp_path: Path, other: Other, autojump_clock: MockClock) -> None:
    lane = new_lane(tmp_path, other, batch_max_events=50, batch_max_size="1KB")
    async with running(lane):
        put(lane, *NAMES, "x" * 600, "y" * 600)
        await other.until(lambda: len(other.names) == 302)
    assert other.names[:300] == NAMES
    assert max(len(batch) for batch in other.arrived) <= 50
    assert all(sum(len(name) + 1 for name in batch) <= 1024 for batch in other.arrived)
    assert len(other.arrived) < 60


async def test_a_batch_waits_to_fill_up(tmp_path: Path, other: Other, autojump_clock: MockClock) -> None:
    lane = new_lane(tmp_path, other, batch_max_events=10, batch_interval="5s")
    async with running(lane):
        put(lane, "a")
        await trio.sleep(2)
        put(lane, "b")
        await other.until(lambda: len(other.names) == 2)
    assert other.arrived == [["a", "b"]]


async def test_the_pauses_grow_up_to_a_limit_and_nothing_is_overtaken(
    tmp_path: Path, other: Other, autojump_clock: MockClock
) -> None:
    other.answer = lambda events: SENT if len(other.tried) >= 8 else FAILED
    lane = new_lane(tmp_path, other, retry_interval="1s", retry_multiplier=2.0, retry_max_interval="10s")
    async with running(lane):
        put(lane, "a", "b")
        await other.until(lambda: len(other.names) == 2)
    pauses = [round(after - before) for before, after in zip(other.tried, other.tried[1:], strict=False)]
    assert pauses[:8] == [1, 2, 4, 8, 10, 10, 10, 10]
    assert other.names == ["a", "b"] and lane.failed == 8


async def test_an_hour_of_a_dead_endpoint_loses_nothing(
    tmp_path: Path, other: Other, autojump_clock: MockClock
) -> None:
    other.answer = lambda events: SENT if trio.current_time() > 3600 else FAILED
    lane = new_lane(tmp_path, other)
    async with running(lane):
        put(lane, *NAMES)
        await other.until(lambda: lane.failed >= 10)
        assert lane.attrs()["queued"] == 300
        age = lane.attrs()["oldest_age_s"]
        assert isinstance(age, float) and age > 60
        await other.until(lambda: len(other.names) == 300)
    assert other.names == NAMES and lane.dropped == {}


async def test_what_is_too_old_is_dropped_and_counted(tmp_path: Path, other: Other, autojump_clock: MockClock) -> None:
    other.answer = lambda events: SENT if "new" in events else FAILED
    lane = new_lane(tmp_path, other, retry_max_elapsed_time="60s")
    async with running(lane):
        put(lane, "a", "b")
        await trio.sleep(50)
        put(lane, "new")
        await other.until(lambda: len(other.names) == 1)
    assert other.names == ["new"] and lane.dropped == {"expired": 2}


async def test_a_refused_event_does_not_hold_up_the_others(
    tmp_path: Path, other: Other, autojump_clock: MockClock
) -> None:
    other.answer = lambda events: REFUSED if "bad" in events else SENT
    lane = new_lane(tmp_path, other, batch_max_events=10)
    async with running(lane):
        put(lane, "a", "bad", "b")
        await other.until(lambda: len(other.names) == 2)
    assert other.names == ["a", "b"] and lane.dropped == {"refused": 1}


@pytest.mark.parametrize(("keys", "room"), [({"queue_capacity": 5}, 5), ({"queue_max_size": 1024}, 5)])
async def test_a_full_queue_drops_what_comes_then(
    tmp_path: Path, other: Other, autojump_clock: MockClock, keys: dict[str, object], room: int
) -> None:
    other.answer = lambda events: FAILED
    lane = new_lane(tmp_path, other, **keys)
    names = [str(number) * 150 for number in range(9)]
    async with running(lane):
        put(lane, *names)
        assert lane.dropped == {"queue_full": 9 - lane.length}
        assert lane.length == room or (lane.length == 6 and "queue_max_size" in keys)
        kept = lane.length
        other.answer = lambda events: SENT
        lane.configure(lane.config, other.send)
        await other.until(lambda: len(other.names) == kept)
        put(lane, "again")
        await other.until(lambda: other.names[-1] == "again")
    assert other.names == [*names[:kept], "again"]


async def test_what_was_not_sent_is_sent_after_a_restart(
    tmp_path: Path, other: Other, autojump_clock: MockClock
) -> None:
    other.answer = lambda events: SENT if len(other.names) < 2 else FAILED
    first = new_lane(tmp_path, other)
    async with running(first):
        put(first, *NAMES[:5])
        await other.until(lambda: len(other.names) == 2 and first.failed > 0)
        put(first, *NAMES[5:8])  # never seen by the tasks: closing writes it
    other.answer = lambda events: SENT
    second = new_lane(tmp_path, other)
    async with running(second):
        put(second, *NAMES[8:10])
        await other.until(lambda: len(other.names) == 10)
    assert other.names == NAMES[:10]


async def test_a_lane_waits_for_the_one_of_before(tmp_path: Path, other: Other, autojump_clock: MockClock) -> None:
    first, second = new_lane(tmp_path, other), new_lane(tmp_path, other)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(first.run)
        put(first, "a")
        await other.until(lambda: other.names == ["a"])
        nursery.start_soon(second.run)
        put(second, "b")
        await trio.sleep(5)
        assert other.names == ["a"]
        await first.close()
        await other.until(lambda: other.names == ["a", "b"])
        await second.close()


async def test_another_configuration_ends_a_pause(tmp_path: Path, other: Other, autojump_clock: MockClock) -> None:
    other.answer = lambda events: FAILED
    lane = new_lane(tmp_path, other, retry_interval="1000h", retry_max_interval="1000h")
    async with running(lane):
        put(lane, "a")
        await other.until(lambda: len(other.tried) == 1)
        other.answer = lambda events: SENT
        while other.names != ["a"]:
            lane.configure(lane.config, other.send)
            await trio.sleep(0.2)
    assert trio.current_time() < 60


async def test_a_machine_without_threads_to_spare_loses_no_event(
    tmp_path: Path, other: Other, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_sync = trio.to_thread.run_sync
    missing = 3

    async def without(call: Callable[[], object], **options: Any) -> object:
        nonlocal missing
        if missing:
            missing -= 1
            raise RuntimeError("can't start new thread")
        return await run_sync(call, **options)

    lane = new_lane(tmp_path, other)
    async with running(lane):
        put(lane, *NAMES[:2])
        await other.until(lambda: len(other.names) == 2)
        monkeypatch.setattr(trio.to_thread, "run_sync", without)
        put(lane, *NAMES[2:4])
        await other.until(lambda: len(other.names) == 4)
    assert missing == 0
