"""How retaining is configured, changed while nodes run, and all retained messages deleted at once."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rmq.management.errors import BadQuery
from rmq.storage.records import Configure, DeleteRetained

if TYPE_CHECKING:
    from rmq.management.local import LocalNode

MOST: Final = 2**31 - 1
# So many are deleted in one change.
DELETED_AT_ONCE: Final = 256


@dataclass(frozen=True, slots=True)
class RetainRules:
    """What is retained: how many messages, payloads of how many bytes, for how many seconds; 0 is no limit."""

    max_messages: int
    max_payload_size: int
    expiry_s: int

    def __post_init__(self) -> None:
        for name in ("max_messages", "max_payload_size", "expiry_s"):
            if not 0 <= getattr(self, name) <= MOST:
                raise BadQuery(name, f"must be from 0 (no limit) to {MOST}")


class Retaining:
    """The rules that this node goes by, and its retained messages. Changed rules hold until a node is started again:
    it brings those of its configuration.
    """

    def __init__(self, node: "LocalNode") -> None:
        self._node = node
        self._broker = node.broker

    def rules(self) -> RetainRules:
        """As they are in force."""
        rules = self._broker.state.rules()
        return RetainRules(rules.max_retained, rules.max_retained_payload, self._broker.options.retained_ttl_s)

    async def change_rules(self, rules: RetainRules) -> None:
        """Have others in force, from the next message on. The limits are of the state that all nodes share."""
        self._broker.options.retained_ttl_s = rules.expiry_s
        known = self._broker.state.rules()
        if (known.max_retained, known.max_retained_payload) != (rules.max_messages, rules.max_payload_size):
            configure = Configure(known.allow_multiple_matches, rules.max_messages, rules.max_payload_size)
            await self._node.changes.propose([configure])

    async def clear(self) -> int:
        """Delete all of them; answers how many there were. Those of the broker itself ($SYS) stay."""
        count = 0
        while True:
            found, _ = self._broker.ctx.retained.match_chunk("#", None, DELETED_AT_ONCE)
            if not found:
                return count
            await self._node.changes.propose([DeleteRetained(message.topic, 0.0) for message in found])
            count += len(found)
            await self._node.turns.wait()
