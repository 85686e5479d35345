"""What every step of the hot path shares: routing, counters, hooks, ports, the time and the dirty list."""

from typing import Final

from rmq.flow.lanes import Lanes
from rmq.flow.ports import FlowPorts, Pick
from rmq.hooks.chains import HookChains
from rmq.metrics.counters import Counters
from rmq.metrics.histogram import Latencies
from rmq.mqtt.message import Message
from rmq.routing.retained_trie import RetainedTrie
from rmq.routing.router import Router
from rmq.session.channel import Channel

# Whether operations can be kept. HELD: too much waits to be written, or the disk budget is used up; publishers wait.
# FAILED: the disk refuses; what needs it is refused.
STORAGE_READY: Final = 0
STORAGE_HELD: Final = 1
STORAGE_FAILED: Final = 2

NEVER: Final = 1e18


class FlowContext:
    """One per node. ``now`` is set by whoever feeds the flow: seconds since 1970, never going back.

    ``queued_bytes`` counts payloads in memory that persistent sessions wait for; over ``memory_budget``, or over
    ``session_memory_budget`` for one session (0: no limit), messages are put on the list ``to_disk``.
    ``must_store`` and ``chosen`` are what the last message that was routed has left for the store.
    ``retaining`` has, by topic, messages to be retained that were routed already and aren't applied yet.
    ``forward_to`` and ``picks`` are what it has left for other nodes: those with subscribers, and members of share
    groups there; each is None when it is empty. ``lanes`` hold what waits to be sent there.
    ``observed``: the ports are told of every message that is routed.
    ``index`` is the place in the log (alone: the batch of the journal) of what is being applied, ``synced`` the one up
    to which all would survive a loss of power; channels whose next delivery waits for that are in ``until_synced``.
    ``node_id`` is this node, 0 while it is alone. ``routes_until`` is when what is known of other nodes' subscribers
    is too old to go by: publishers wait from then on. ``no_answer`` is what clients are told whose operations nobody
    answers.
    The latency of the next delivery is measured when so many PUBLISHes were sent (``measure_delivery_at``), that of an
    acknowledgement when so many were received (``measure_ack_at``).
    ``dirty`` lists channels that have bytes to send or are to be closed; ``net`` empties it once a turn.
    """

    __slots__ = (
        "chains",
        "chosen",
        "counters",
        "dirty",
        "forward_to",
        "index",
        "lanes",
        "latencies",
        "measure_ack_at",
        "measure_delivery_at",
        "memory_budget",
        "must_store",
        "no_answer",
        "node_id",
        "now",
        "observed",
        "picks",
        "ports",
        "queued_bytes",
        "retained",
        "retaining",
        "router",
        "routes_until",
        "session_memory_budget",
        "storage",
        "synced",
        "to_disk",
        "until_synced",
    )

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
        self.storage = STORAGE_READY
        self.queued_bytes = 0
        self.memory_budget = 0
        self.session_memory_budget = 0
        self.to_disk: list[Message] = []
        self.must_store = False
        self.chosen: list[str] | None = None
        self.retaining: dict[str, Message] = {}
        self.node_id = 0
        self.index = 0
        self.synced = 0
        self.until_synced: dict[Channel, bool] = {}
        self.no_answer = "storage doesn't answer"
        self.forward_to: list[int] | None = None
        self.lanes = Lanes(counters)
        self.latencies = Latencies()
        self.measure_delivery_at = 0
        self.measure_ack_at = 0
        self.picks: list[Pick] | None = None
        self.observed = False
        self.routes_until = NEVER

    def exchange_queues(self, other: "FlowContext") -> None:
        """What waits in queues is another context's from here on, and the other way round."""
        self.queued_bytes, other.queued_bytes = other.queued_bytes, self.queued_bytes
        self.to_disk, other.to_disk = other.to_disk, self.to_disk
        self.retaining = {}

    def take_picks(self) -> list[Pick] | None:
        """The members of share groups on other nodes that were chosen, and none any more."""
        picks = self.picks
        self.picks = None
        return picks

    def measure_next(self) -> None:
        """Measure the latency of the next delivery and of the next acknowledgement."""
        self.measure_delivery_at = 0
        self.measure_ack_at = 0

    def send(self, channel: Channel, data: bytes) -> None:
        """Append a packet to a channel's out-buffer, no PUBLISH; it leaves at the end of the reactor turn."""
        channel.out.append(data)
        channel.out_size += len(data)
        channel.others_sent += 1
        self.mark_dirty(channel)

    def mark_dirty(self, channel: Channel) -> None:
        """Have ``net`` look at the channel at the end of the turn."""
        if not channel.dirty:
            channel.dirty = True
            self.dirty.append(channel)
