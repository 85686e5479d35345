"""What every step of the hot path shares: routing, counters, hooks, ports, the time and the dirty list."""

from rmq.flow.ports import FlowPorts
from rmq.hooks.chains import HookChains
from rmq.metrics.counters import Counters
from rmq.routing.retained_trie import RetainedTrie
from rmq.routing.router import Router
from rmq.session.channel import Channel


class FlowContext:
    """One per node. ``now`` is set by whoever feeds the flow: seconds since 1970, never going back.

    ``dirty`` lists channels that have bytes to send or are to be closed; ``net`` empties it once a turn.
    """

    __slots__ = ("chains", "counters", "dirty", "now", "ports", "retained", "router")

    def __init__(
        self, router: Router, retained: RetainedTrie, counters: Counters, chains: HookChains, ports: FlowPorts
    ) -> None:
        self.router = router
        self.retained = retained
        self.counters = counters
        self.chains = chains
        self.ports = ports
        self.now = 0.0
        self.dirty: list[Channel] = []

    def send(self, channel: Channel, data: bytes) -> None:
        """Append bytes to a channel's out-buffer; they leave at the end of the reactor turn."""
        channel.out.append(data)
        channel.out_size += len(data)
        self.mark_dirty(channel)

    def mark_dirty(self, channel: Channel) -> None:
        """Have ``net`` look at the channel at the end of the turn."""
        if not channel.dirty:
            channel.dirty = True
            self.dirty.append(channel)
