"""The cluster port of a node that is alone and keeps nothing on disk: operations are applied at once."""

from collections.abc import Callable

from rmq.engine.ports import ClusterPort
from rmq.mqtt.packets import Will
from rmq.session.receipts import Receipt
from rmq.storage.records import Operation
from rmq.storage.state import State


class SoloPort(ClusterPort):
    """Applies operations to ``state`` where they are proposed; every claim succeeds."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._epoch = 0

    def propose(self, operation: Operation, receipt: Receipt | None = None) -> bool:
        """Apply the operation."""
        self._state.apply(operation)
        return True

    def claim(
        self, client_id: str, will: Will | None, claimed: Callable[[int], None], refused: Callable[[], None]
    ) -> None:
        """Grant the claim."""
        self._epoch += 1
        claimed(self._epoch)

    def release(self, client_id: str, epoch: int) -> None:
        """Nobody else asks for it."""
