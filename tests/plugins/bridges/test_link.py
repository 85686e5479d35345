"""When an entry tries again, without any far side."""

import trio
from rmq_plugins.bridges.link import AgainError, BridgeFailedError, Link
from rmq_plugins.bridges.place import Place
from trio.testing import MockClock, wait_all_tasks_blocked

from rmq.plugin_api import MqttFailedError, PluginHost
from tests.support.plugins import PluginBench


class HerePlace(Place):
    """Every entry runs on ``node``."""

    def __init__(self, host: PluginHost, node: int) -> None:
        super().__init__(host)
        self.move(node)

    def move(self, node: int) -> None:
        """From now on they run there."""
        self._members = (node,)
        self._changed.set()
        self._changed = trio.Event()


class ScriptedLink(Link):
    """Each attempt has the outcome that is next: an error, or None for a connection that goes on."""

    def __init__(self, host: PluginHost, place: Place, outcomes: list[Exception | None]) -> None:
        super().__init__(host, place, "$rmq/b", "far:1", 5.0)
        self.outcomes = outcomes
        self.began: list[float] = []

    async def relay(self) -> None:
        """The next outcome."""
        self.began.append(trio.current_time())
        outcome = self.outcomes.pop(0)
        if outcome is not None:
            raise outcome
        self.connected()
        await trio.sleep_forever()


async def test_attempts_have_a_pause_between_them(
    plugin_bench: PluginBench, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    host = plugin_bench.host("p")
    outcomes: list[Exception | None] = [BridgeFailedError("no"), MqttFailedError("never"), AgainError(), None]
    link = ScriptedLink(host, HerePlace(host, 7), outcomes)
    nursery.start_soon(link.run)
    await trio.sleep(20)
    assert link.began == [0, 5, 10, 10]
    assert (link.is_connected, link.figures.failed, link.figures.problem) == (True, 2, "")
    await link.end()
    assert not link.is_connected


async def test_a_bug_is_counted_and_the_next_attempt_comes_after_the_pause(
    plugin_bench: PluginBench, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    host = plugin_bench.host("p")
    link = ScriptedLink(
        host, HerePlace(host, 7), [RuntimeError("bug"), ExceptionGroup("bugs", [KeyError("bug")]), None]
    )
    nursery.start_soon(link.run)
    await trio.sleep(7)
    assert link.began == [0, 5]
    assert "internal error: ExceptionGroup" in link.figures.problem
    await trio.sleep(7)
    assert (link.is_connected, link.figures.failed, link.figures.problem) == (True, 2, "")
    assert plugin_bench.counters.hook_errors == 2
    await link.end()


async def test_a_first_attempt_that_fails_may_be_the_last(
    plugin_bench: PluginBench, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    host = plugin_bench.host("p")
    link = ScriptedLink(host, HerePlace(host, 7), [BridgeFailedError("no"), None])
    link.retries_at_first = False
    nursery.start_soon(link.run)
    await trio.sleep(1000)
    assert (link.began, link.figures.problem) == ([0], "no")
    await link.end()


async def test_it_runs_where_it_is_to_run(plugin_bench: PluginBench, nursery: trio.Nursery) -> None:
    host = plugin_bench.host("p")
    place = HerePlace(host, 8)
    link = ScriptedLink(host, place, [None, None])
    nursery.start_soon(link.run)
    for node, attempts, connected in ((8, 0, False), (7, 1, True), (8, 1, False), (7, 2, True)):
        place.move(node)
        await wait_all_tasks_blocked()
        assert (len(link.began), link.is_connected) == (attempts, connected)
    await link.end()
