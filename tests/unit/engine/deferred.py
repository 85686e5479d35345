"""An engine whose operations are applied when a test says so, as with a journal, and what a restart makes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from rmq.engine.ports import ClusterPort
from rmq.engine.restore import restore
from rmq.flow.context import FlowContext
from rmq.flow.ports import FlowPorts
from rmq.hooks.chains import HookChains
from rmq.metrics.counters import Counters
from rmq.mqtt.packets import Will
from rmq.routing.retained_trie import RetainedTrie
from rmq.routing.router import Router
from rmq.session.receipts import Receipt
from rmq.storage.codec import decode_operation
from rmq.storage.commit_log import CommitLog
from rmq.storage.packing import packer, unpack_all
from rmq.storage.records import Operation
from rmq.storage.state import State
from tests.support.engine import Engine
from tests.unit.storage.replica import facts


class Deferred(ClusterPort):
    """Keeps what is proposed until ``write``; the batches, as bytes, are what a restart would find."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.log = CommitLog(engine.broker.state, 0, packer())
        self.batches: list[bytes] = []
        self._epoch = engine.broker.state.last_epoch
        engine.broker.cluster = self

    def propose(self, operation: Operation, receipt: Receipt | None = None) -> bool:
        self.log.append(operation, receipt)
        return False

    def claim(
        self, client_id: str, will: Will | None, claimed: Callable[[int], None], refused: Callable[[], None]
    ) -> None:
        self._epoch += 1
        claimed(self._epoch)

    def release(self, client_id: str, epoch: int) -> None:
        """Nobody else asks for it."""

    def begin(self) -> None:
        """A batch of what is proposed is on its way to the disk; ``write`` is its end."""
        if not self.log.is_writing() and self.log.has_proposed():
            self.batches.append(self.log.take())

    def write(self, *, sync: bool = True) -> None:
        """One batch, the one on its way or else what is proposed, is written and applied; then everybody is served."""
        self.engine.broker.touch_clock()
        self.begin()
        if self.log.is_writing():
            self.log.complete()
        if sync:
            self.log.complete_sync(self.log.written)
        for bug in self.log.bugs:
            raise bug
        self.engine.turn()

    def settle(self) -> None:
        """Write until nothing is proposed."""
        while self.log.has_proposed() or self.log.is_writing():
            self.write()

    def replay(self, state: State) -> None:
        """What is written, into an empty state."""
        for data in self.batches:
            for fields in unpack_all(data):
                state.apply(decode_operation(fields))

    def check(self) -> None:
        """What was applied to the live state and what is read after a restart are the same."""
        options = self.engine.broker.options
        ctx = FlowContext(Router(), RetainedTrie(), Counters(), HookChains(), FlowPorts())
        state = State(ctx, options.max_retained, options.max_retained_payload)
        self.replay(state)
        mine, theirs = facts(state), facts(self.engine.broker.state)
        assert mine == theirs, f"after a restart {mine}\nlive {theirs}"

    def crash(self) -> Deferred:
        """The node dies, and another one begins with what is written."""
        engine = Engine(self.engine.broker.options)
        engine.time = self.engine.time + 1
        engine.limits = self.engine.limits
        self.replay(engine.broker.state)
        port = Deferred(engine)
        port.batches = list(self.batches)
        restore(engine.broker)
        port.settle()
        return port


@pytest.fixture
def port(engine: Engine) -> Iterator[Deferred]:
    """The port of the engine."""
    deferred = Deferred(engine)
    yield deferred
    assert deferred.log.bugs == []
