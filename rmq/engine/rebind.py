"""Connections and their sessions when the whole state is replaced by a snapshot of another node."""

from typing import TYPE_CHECKING

from rmq.engine import disconnect
from rmq.flow.deliver import pump
from rmq.mqtt import codes
from rmq.session.channel import Channel
from rmq.session.delivery import DONE, QUEUED, RELEASED, RELEASING, RESEND, SENT
from rmq.session.outbound import Outbound
from rmq.session.session import Session
from rmq.storage.snapshot_reader import Steps

if TYPE_CHECKING:
    from rmq.engine.broker import Broker


class Rebinding:
    """This node's connections, each with the session that it had; made before the state is replaced."""

    def __init__(self, broker: "Broker") -> None:
        self._broker = broker
        self._bound: list[tuple[Channel, Session]] = []
        for channel in broker.registry:
            session = channel.session
            if session is not None:
                self._bound.append((channel, session))

    def steps(self, *, is_up: bool) -> Steps:
        """Give each connection its session again, or close it: somebody else has claimed it.

        ``is_up``: this node wasn't declared down meanwhile, so that each of its connections is an owner still. Until
        its turn comes a connection goes by the session that it had; nothing is applied meanwhile.
        """
        for channel, before in self._bound:
            if channel.session is before:
                self._rebind(channel, before, is_up=is_up)
            yield 1 + (0 if before.outbound is None else len(before.outbound))

    def _rebind(self, channel: Channel, before: Session, *, is_up: bool) -> None:
        broker = self._broker
        session = broker.state.sessions.get(before.client_id)
        owner = broker.state.cluster.owners.get(before.client_id)
        is_taken = is_up if owner is None else owner.epoch > channel.epoch
        if not before.persistent:
            if is_taken:
                disconnect.close(broker, channel, codes.SESSION_TAKEN_OVER, "another connection took it over")
            return
        if is_taken or session is None or session.epoch != channel.epoch:
            disconnect.close(broker, channel, codes.SESSION_TAKEN_OVER, "another connection took the session over")
            return
        channel.loading = False
        session.channel = channel
        channel.session = session
        before.channel = None
        if session.outbound is not None:
            _carry_over(before.outbound, session.outbound)
        pump(broker.ctx, channel)


def _carry_over(before: Outbound | None, outbound: Outbound) -> None:
    """What was sent stays sent."""
    outbound.resume()
    outbound.waiting = []
    outbound.head = 0
    outbound.inflight = 0
    outbound.leaving = 0
    for packet_id, delivery in outbound.deliveries.items():
        known = None if before is None else before.deliveries.get(packet_id)
        if known is None:
            if delivery.state != RELEASED:
                delivery.state = QUEUED
        elif not (delivery.state == RELEASED and known.state in (QUEUED, SENT, RESEND, RELEASING)):
            delivery.state = known.state
        if delivery.state in (SENT, RELEASED, RELEASING):
            outbound.inflight += 1
        elif delivery.state == DONE:
            outbound.leaving += 1
        else:
            outbound.waiting.append(delivery)
