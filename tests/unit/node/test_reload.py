"""Reloading part by part: what fails is told and holds up nobody."""

from __future__ import annotations

import trio
from structlog.testing import capture_logs
from trio.testing import wait_all_tasks_blocked

from rmq.config import ConfigError, Problem
from rmq.node.reload import Part, Reload, ReloadError


def failing(error: Exception) -> Part:
    def part() -> None:
        raise error

    return part


async def test_every_part_is_reloaded_and_each_failure_is_a_line() -> None:
    story: list[str] = []

    async def waits() -> None:
        await trio.lowlevel.checkpoint()
        story.append("waited")

    reload = Reload()
    reload.parts += [
        ("a", lambda: story.append("at once")),
        ("b", failing(OSError(13, "Permission denied", "rmq.log"))),
        ("c", failing(ReloadError(["one", "two"]))),
        ("d", failing(ConfigError([Problem("rmq.toml", "log.to", "must be text")]))),
        ("e", failing(RuntimeError())),
        ("f", waits),
    ]
    with capture_logs() as lines:
        assert not await reload.run()
    assert story == ["at once", "waited"]
    problems = [(line["part"], line["problem"]) for line in lines if line["log_level"] == "error"]
    assert problems == [
        ("b", "[Errno 13] Permission denied: 'rmq.log'"),
        ("c", "one"),
        ("c", "two"),
        ("d", "rmq.toml: log.to: must be text"),
        ("e", "RuntimeError"),
    ]
    assert (lines[-1]["parts"], lines[-1]["failed"]) == (["a", "f"], ["b", "c", "d", "e"])


async def test_requests_that_come_together_are_one_and_none_is_lost(nursery: trio.Nursery) -> None:
    begun: list[int] = []
    gate = trio.Event()

    async def part() -> None:
        begun.append(len(begun))
        await gate.wait()

    reload = Reload()
    reload.parts.append(("a", part))
    nursery.start_soon(reload.serve)
    reload.request()
    reload.request()
    await wait_all_tasks_blocked()
    assert begun == [0]
    reload.request()  # while the first is on its way
    gate.set()
    await wait_all_tasks_blocked()
    assert begun == [0, 1]
