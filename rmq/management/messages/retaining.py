"""How retaining is configured, changed while nodes run, and all retained messages deleted at once."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rmq.management.errors import BadQuery, ManagementError
from rmq.management.node.condition import STARTING, STOPPING
from rmq.management.node.plugin_configs import kept_config
from rmq.storage.records import Configure, DeleteRetained

if TYPE_CHECKING:
    from rmq.management.local import LocalNode

MOST: Final = 2**31 - 1
# The plugin whose keys these rules are, where it runs.
PLUGIN: Final = "rmq-retainer"
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
    """The rules that this node goes by, and its retained messages.

    They are those of its configuration (``[retain]``), or what a plugin has it go by. The limits are of the state that
    all nodes of a cluster share: whoever starts, joins or is told other ones last has them decided for all.
    """

    def __init__(self, node: "LocalNode") -> None:
        self._node = node
        self._broker = node.broker
        options = node.broker.options
        self._configured = RetainRules(options.max_retained, options.max_retained_payload, options.retained_ttl_s)
        self._by_api = True
        node.broker.own_rules = self.own_rules

    def rules(self) -> RetainRules:
        """As they are in force."""
        rules = self._broker.state.rules()
        return RetainRules(rules.max_retained, rules.max_retained_payload, self._broker.options.retained_ttl_s)

    def own_rules(self) -> Configure:
        """What this node has in force when it starts or joins: what an API has set comes before files.

        The plugin takes that a moment later, and there is no moment with other limits in between.
        """
        found = self._broker.options.rules()
        kept = kept_config(self._node.accounts, PLUGIN) if self._by_api else {}
        found.max_retained = _number(kept.get("max_retained_messages"), found.max_retained)
        found.max_retained_payload = _number(kept.get("max_payload_size"), found.max_retained_payload)
        return found

    async def put(self, rules: RetainRules | None) -> None:
        """Have others in force from the next message on, None: those of the configuration.

        Raises ``StorageUnavailable`` and ``OutcomeUnknown``; this node goes by the ones of before then.
        """
        self._by_api = rules is not None
        options = self._broker.options
        before = RetainRules(options.max_retained, options.max_retained_payload, options.retained_ttl_s)
        self._note(self._configured if rules is None else rules)
        phase = self._node.condition.phase
        if options.rules().is_like(self._broker.state.rules()) or phase == STOPPING:
            return
        if phase == STARTING:
            if not self._broker.cluster.replicates:
                self._broker.cluster.propose(options.rules())
            return  # in a cluster it is told when the node joins
        try:
            await self._node.changes.propose([options.rules()])
        except ManagementError:
            self._note(before)
            raise

    def _note(self, rules: RetainRules) -> None:
        options = self._broker.options
        options.max_retained = rules.max_messages
        options.max_retained_payload = rules.max_payload_size
        options.retained_ttl_s = rules.expiry_s

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


def _number(kept: object, otherwise: int) -> int:
    return kept if isinstance(kept, int) else otherwise
