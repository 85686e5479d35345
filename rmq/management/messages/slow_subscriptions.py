"""Slow subscriptions: which client and topic name took longest from PUBLISH to the end of the delivery, lately."""

import heapq
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from rmq.hooks.registry import HookRegistry
from rmq.management.errors import BadQuery
from rmq.management.models import NodeRef
from rmq.management.node.shared_settings import KIND as SETTING
from rmq.mqtt.message import Message
from rmq.session.client_info import ClientInfo

if TYPE_CHECKING:
    from rmq.management.local import LocalNode

NAME: Final = "slow_subscriptions"
OWNER: Final = "slow-subscriptions"
LAST: Final = -1_000_000
MAX_TOP: Final = 1000
LEAST_THRESHOLD_S: Final = 0.1
# More are held while there is room, so that the slowest ones needn't be looked for at each message.
HELD: Final = 2


@dataclass(frozen=True, slots=True)
class SlowRules:
    """``threshold_s``: what is faster isn't listed; ``expire_s``: how long one is listed; ``top``: how many."""

    enabled: bool = False
    threshold_s: float = 0.5
    expire_s: float = 300.0
    top: int = 10


@dataclass(frozen=True, slots=True)
class SlowView:
    """One client and topic name, with the longest time of late, in seconds; ``at`` in seconds since 1970."""

    node: NodeRef
    client_id: str
    topic: str
    took_s: float
    at: float


class SlowSubscriptions:
    """What this node has found; the rules are the same on every node. Without them nobody listens.

    A delivery ends with its acknowledgement, at QoS 0 when it is in the client's out-buffer. The time begins where the
    message was published; on another node by that node's clock.
    """

    def __init__(self, node: "LocalNode", hooks: HookRegistry) -> None:
        self._node = node
        self._broker = node.broker
        self._hooks = hooks
        self._rules = SlowRules()
        self._found: dict[tuple[str, str], tuple[float, float]] = {}  # the time it took, and when that was
        self._broker.account_watch.listen(SETTING, self._changed)

    @property
    def rules(self) -> SlowRules:
        """As they are now."""
        return self._rules

    async def change_rules(self, rules: SlowRules) -> SlowRules:
        """Have these on every node, also on those that join later; raises ``BadQuery``."""
        if not LEAST_THRESHOLD_S <= rules.threshold_s <= 3600:
            raise BadQuery("threshold", f"must be from {LEAST_THRESHOLD_S * 1000:.0f}ms to an hour")
        if not 1 <= rules.expire_s <= 86400:
            raise BadQuery("expire_interval", "must be from a second to a day")
        if not 1 <= rules.top <= MAX_TOP:
            raise BadQuery("top_k_num", f"must be from 1 to {MAX_TOP}")
        await self._node.operations.settings.put(NAME, json.dumps(asdict(rules)).encode())
        return rules

    def views(self) -> tuple[SlowView, ...]:
        """The slowest ones, slowest first."""
        self._forget_old()
        top = heapq.nlargest(self._rules.top, self._found.items(), key=lambda item: item[1][0])
        return tuple(SlowView(self._node.ref, key[0], key[1], took, at) for key, (took, at) in top)

    def clear(self) -> None:
        """Forget what was found."""
        self._found.clear()

    def _changed(self, name: str | None) -> None:
        if name not in (None, NAME):
            return
        written = self._node.operations.settings.find(NAME)
        before, self._rules = self._rules, SlowRules() if written is None else SlowRules(**json.loads(written))
        if self._rules.enabled and not before.enabled:
            self._hooks.register("message_delivered", self._delivered, OWNER, LAST)
            self._hooks.register("message_acked", self._acked, OWNER, LAST)
        elif not self._rules.enabled and before.enabled:
            self._hooks.unregister_plugin(OWNER)
            self.clear()

    def _delivered(self, client: ClientInfo, message: Message) -> None:
        if message.qos == 0:
            self._acked(client, message)

    def _acked(self, client: ClientInfo, message: Message) -> None:
        now = self._broker.ctx.now
        took = now - message.created_at
        if took < self._rules.threshold_s or not message.created_at:
            return
        key = (client.client_id, message.topic)
        before = self._found.get(key)
        if before is not None and before[0] >= took and now - before[1] < self._rules.expire_s:
            return
        self._found[key] = (took, now)
        if len(self._found) > HELD * self._rules.top + HELD:
            self._forget_old()
            top = heapq.nlargest(self._rules.top, self._found.items(), key=lambda item: item[1][0])
            self._found = dict(top)

    def _forget_old(self) -> None:
        oldest = self._broker.clock() - self._rules.expire_s
        self._found = {key: found for key, found in self._found.items() if found[1] > oldest}
