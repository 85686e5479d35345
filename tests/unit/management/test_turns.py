"""However much long work there is, whoever serves MQTT comes between any two slices of it."""

from __future__ import annotations

from itertools import pairwise

import trio

from rmq.management.turns import Turns

WORKERS = 20
SLICES = 10


async def test_one_slice_of_all_work_between_two_turns_of_others() -> None:
    turns = Turns()
    course: list[str] = []

    async def work(name: str) -> None:
        for _ in range(SLICES):
            await turns.wait()
            course.append(name)

    async def serve() -> None:
        while True:
            await trio.lowlevel.checkpoint()
            course.append("served")

    async with trio.open_nursery() as outer:
        outer.start_soon(serve)
        async with trio.open_nursery() as nursery:
            for number in range(WORKERS):
                nursery.start_soon(work, f"worker {number}")
        outer.cancel_scope.cancel()
    slices = [name for name in course if name != "served"]
    assert len(slices) == WORKERS * SLICES
    assert all("served" in pair for pair in pairwise(course))
    # Whoever waits longest comes first: nobody is two slices ahead of anybody.
    for end in range(len(slices)):
        done = [slices[:end].count(f"worker {number}") for number in range(WORKERS)]
        assert max(done) - min(done) <= 1


async def test_whoever_gives_up_takes_no_turn_away() -> None:
    turns = Turns()
    with trio.move_on_after(0):
        await turns.wait()
    with trio.fail_after(1):
        await turns.wait()
