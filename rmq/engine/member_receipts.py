"""What a member of a cluster does once its own operations about clients and itself are applied."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from rmq.engine import disconnect
from rmq.flow.deliver import pump
from rmq.mqtt import codes
from rmq.session.receipts import Receipt
from rmq.storage.cluster_records import ClaimClient

if TYPE_CHECKING:
    from rmq.engine.replicated_port import ReplicatedPort


class Claimed(Receipt):
    """A claim is applied, or nobody knows: then it is given back if it is applied later."""

    def __init__(
        self,
        port: "ReplicatedPort",
        claim: ClaimClient,
        claimed: Callable[[int], None],
        refused: Callable[[], None],
    ) -> None:
        super().__init__(False)
        self._port = port
        self._claim = claim
        self._claimed = claimed
        self._refused: Callable[[], None] | None = refused

    def applied(self) -> None:
        claim = self._claim
        if not claim.epoch:  # it was applied before the state was taken over that this node has now
            owner = self._port.broker.state.cluster.owners.get(claim.client_id)
            if owner is None or owner.node != self._port.node_id:
                self.give_up()
                return
            claim.epoch = owner.epoch
        if self._refused is None:
            self._port.release(claim.client_id, claim.epoch)
        else:
            self._refused = None
            self._claimed(claim.epoch)

    def give_up(self) -> None:
        refused, self._refused = self._refused, None
        if refused is not None:
            refused()


class Reclaimed(Receipt):
    """It is applied whether a connection keeps its client id."""

    def __init__(self, port: "ReplicatedPort", client_id: str, epoch: int) -> None:
        super().__init__(False)
        self._port = port
        self._client_id = client_id
        self._epoch = epoch

    def applied(self) -> None:
        broker = self._port.broker
        owner = broker.state.cluster.owners.get(self._client_id)
        channel = broker.registry.get(self._client_id)
        session = None if channel is None else channel.session
        if channel is None or session is None or channel.epoch != self._epoch:
            return
        is_owner = owner is not None and owner.node == self._port.node_id and owner.epoch == self._epoch
        if owner is not None and is_owner and not session.persistent:
            session.will = owner.will
        if is_owner and (not session.persistent or broker.state.sessions.get(self._client_id) is session):
            channel.loading = False
            pump(broker.ctx, channel)
            return
        disconnect.close(broker, channel, codes.SESSION_TAKEN_OVER, "another connection took the session over")


class Left(Receipt):
    """It is known that this node stops."""

    def __init__(self, then: Callable[[], None]) -> None:
        super().__init__(False)
        self._then = then

    def applied(self) -> None:
        self._then()
