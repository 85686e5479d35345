"""The cluster around a node: what is said when it can't begin, and when it ends by itself."""

from __future__ import annotations

import errno

import pytest
import trio

from rmq.config import ConfigError
from rmq.node.member import ENDED, Member
from tests.support.engine import Engine


class Cluster:
    """Fails before or after it has started."""

    def __init__(self, before: Exception | None, after: Exception | None = None) -> None:
        self._before = before
        self._after = after

    async def run(self, *, task_status: trio.TaskStatus[int]) -> None:
        async with trio.open_nursery():
            if self._before is not None:
                raise self._before
            task_status.started(0)
            await trio.lowlevel.checkpoint()
            assert self._after is not None
            raise self._after


class BareMember(Member):
    """A member that has nothing but its cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._broker = Engine().broker
        self._started = False
        self._ended = trio.Event()


def problems(group: BaseExceptionGroup[BaseException]) -> list[str]:
    found = group.subgroup(ConfigError)
    assert found is not None
    (error,) = found.exceptions
    while isinstance(error, BaseExceptionGroup):
        (error,) = error.exceptions
    assert isinstance(error, ConfigError)
    return [str(problem) for problem in error.problems]


async def test_an_address_that_cant_be_had_is_named_with_its_key() -> None:
    member = BareMember(Cluster(OSError(errno.EADDRINUSE, "Address already in use")))
    with pytest.raises(BaseExceptionGroup) as caught:
        async with trio.open_nursery() as nursery:
            await nursery.start(member._run)
    assert ["bind" in line and "in use" in line for line in problems(caught.value)] == [True]


@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), KeyError("bug")])
async def test_a_cluster_that_ends_by_itself_is_a_bug_and_the_last_line_says_so(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    member = BareMember(Cluster(None, error))
    with pytest.raises(BaseExceptionGroup) as caught:
        async with trio.open_nursery() as nursery:
            await nursery.start(member._run)
    assert ENDED in problems(caught.value)[0]
    assert "bind" not in problems(caught.value)[0]
    assert member._broker.counters.internal_errors == 1
    assert type(error).__name__ in "".join(capsys.readouterr())
