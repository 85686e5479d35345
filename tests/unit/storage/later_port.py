"""A cluster port that applies operations a turn later, as a cluster would, and one that is told the same."""

from __future__ import annotations

from collections.abc import Callable

from rmq.engine.ports import ClusterPort
from rmq.mqtt.packets import Will
from rmq.session.receipts import Receipt
from rmq.storage.codec import decode_operation, encode_operation
from rmq.storage.packing import pack, unpack
from rmq.storage.records import Operation
from rmq.storage.state import State
from tests.support.engine import Engine
from tests.unit.storage.strategies import new_state
from tests.unit.storage.whole_state import whole


class LaterPort(ClusterPort):
    """Operations wait until ``turn``. Each is also applied, as it would be read from a journal, to ``state``."""

    def __init__(self, engine: Engine) -> None:
        self._state = engine.broker.state
        self._waiting: list[tuple[Operation, bytes, Receipt | None]] = []
        self._epoch = engine.broker.state.last_epoch
        self.state: State = new_state()
        options = engine.broker.options
        self.state.max_retained = options.max_retained
        self.state.max_retained_payload = options.max_retained_payload
        engine.broker.cluster = self
        engine.broker.turn_storage = self.turn

    def propose(self, operation: Operation, receipt: Receipt | None = None) -> bool:
        self._waiting.append((operation, pack(encode_operation(operation)), receipt))
        return False

    def claim(
        self, client_id: str, will: Will | None, claimed: Callable[[int], None], refused: Callable[[], None]
    ) -> None:
        self._epoch += 1
        claimed(self._epoch)

    def release(self, client_id: str, epoch: int) -> None:
        """Nobody else asks for it."""

    def turn(self) -> None:
        """Apply what was proposed before, and tell those who wait for it."""
        waiting, self._waiting = self._waiting, []
        for operation, packed, receipt in waiting:
            self._state.apply(operation)
            self.state.apply(decode_operation(unpack(packed)))
            if receipt is not None:
                receipt.applied()

    def has_waiting(self) -> bool:
        """Whether the next turn has something to do."""
        return bool(self._waiting)

    def check(self) -> None:
        """Both states must hold the same."""
        mine, theirs = whole(self.state), whole(self._state)
        for facts in (mine, theirs):
            facts.pop("routes")  # the engine's router has transient sessions too
        assert mine == theirs, f"replica {mine}\\nengine {theirs}"


class LaterEngine(Engine):
    """An engine with a ``LaterPort``: what a turn proposes is applied at its end, what that brings in the next one."""

    def __init__(self) -> None:
        self._turning = False
        super().__init__()
        self.port = LaterPort(self)

    def turn(self) -> None:
        if self._turning:
            return
        self._turning = True
        try:
            super().turn()
            while self.port.has_waiting() or self.broker.ctx.dirty:
                self.broker.turn_storage()
                super().turn()
        finally:
            self._turning = False
