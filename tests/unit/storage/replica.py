"""A second state that is told the same operations and has no connections: it must always be equal to the first."""

from __future__ import annotations

from collections.abc import Callable

from rmq.engine.ports import ClusterPort
from rmq.flow.context import FlowContext
from rmq.flow.ports import FlowPorts
from rmq.hooks.chains import HookChains
from rmq.metrics.counters import Counters
from rmq.mqtt.packets import Will
from rmq.routing.retained_trie import RetainedTrie
from rmq.routing.router import Router
from rmq.session.outbound import Outbound
from rmq.session.receipts import Receipt
from rmq.session.session import Session
from rmq.storage.records import Operation
from rmq.storage.state import State
from tests.support.engine import Engine

Facts = dict[str, object]


class Replica(ClusterPort):
    """Takes the place of the engine's cluster port: applies to the engine's state, and to its own what it is given.

    An operation that is proposed while another is applied stands behind it in the log, as it would in a journal.
    """

    def __init__(self, engine: Engine) -> None:
        self._state = engine.broker.state
        self._epoch = 0
        self._behind: list[Operation] = []
        options = engine.broker.options
        router = Router(strategy=options.shared_subscription_strategy, seed=99)
        ctx = FlowContext(router, RetainedTrie(), Counters(), HookChains(), FlowPorts())
        self.state = State(ctx, options.max_retained, options.max_retained_payload)
        engine.broker.cluster = self

    def propose(self, operation: Operation, receipt: Receipt | None = None) -> bool:
        self._behind.append(operation)
        self._state.apply(operation)
        return True

    def claim(
        self, client_id: str, will: Will | None, claimed: Callable[[int], None], refused: Callable[[], None]
    ) -> None:
        self._epoch += 1
        claimed(self._epoch)

    def release(self, client_id: str, epoch: int) -> None:
        """Nobody else asks for it."""

    def check(self) -> None:
        """Apply what it hasn't seen yet; then both states must hold the same."""
        for operation in self._behind:
            self.state.apply(operation)
        self._behind.clear()
        mine, theirs = facts(self.state), facts(self._state)
        assert mine == theirs, f"replica {mine}\nengine {theirs}"
        entered = sum(session.subscription_count() for session in self.state.sessions.values())
        assert self.state.router.subscription_count == entered


def facts(state: State) -> Facts:
    """All that a state keeps, but for what belongs to the node with the connection alone."""
    retained = [message for topic_filter in ("#", "$SYS/#") for message in state.retained.match(topic_filter)]
    return {
        "sessions": {client_id: _session(session) for client_id, session in state.sessions.items()},
        "retained": sorted((message.topic, message.payload, message.created_at) for message in retained),
        "accounts": sorted((a.kind, a.name, a.value, a.revision) for a in state.accounts.all()),
        "last revision": state.accounts.last_revision,
    }


def _session(session: Session) -> Facts:
    subscriptions = session.subscriptions or {}
    return {
        "epoch": session.epoch,
        "expiry": session.expiry_interval,
        "created": session.created_at,
        "disconnected": session.disconnected_at,
        "username": session.username,
        "level": session.protocol_level,
        "will": (None if session.will is None else session.will.topic, session.will_due_at),
        "limits": (session.max_window, session.max_queue, session.drop_newest),
        "inbound": sorted(session.inbound_qos2 or ()),
        "subscriptions": {
            key: (s.topic_filter, s.share_group, s.qos, s.no_local, s.retain_as_published, s.subscription_id)
            for key, s in subscriptions.items()
        },
        "outbound": _outbound(session.outbound),
    }


def _outbound(outbound: Outbound | None) -> object:
    if outbound is None or (not outbound.deliveries and outbound.last_packet_id == 0):
        return None
    deliveries = [
        (packet_id, d.message.payload, d.qos, d.retain, d.subscription_ids, d.share, d.released)
        for packet_id, d in outbound.deliveries.items()
    ]
    return (
        outbound.reserved,
        outbound.limit,
        outbound.capacity,
        outbound.drop_newest,
        outbound.last_packet_id,
        deliveries,
    )
