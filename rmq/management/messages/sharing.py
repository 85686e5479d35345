"""Which member of a shared subscription gets a message: the strategy of this node, and another one in its place."""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rmq.management.local import LocalNode

# Publishers whose member is remembered where nobody says how many.
STICKY_CACHE_SIZE: Final = 100_000


class Sharing:
    """What this node goes by for what is published at it; each node of a cluster has its own."""

    def __init__(self, node: "LocalNode") -> None:
        self._broker = node.broker
        self.strategy = node.broker.options.shared_subscription_strategy

    def put(self, strategy: str, sticky_cache_size: int) -> None:
        """Have another one in force from the next message on; ``ValueError`` for one that isn't known."""
        self._broker.ctx.router.set_strategy(strategy, sticky_cache_size)
        self.strategy = strategy

    def reset(self) -> None:
        """Go by the configuration (``mqtt.shared_subscription_strategy``) again."""
        self.put(self._broker.options.shared_subscription_strategy, STICKY_CACHE_SIZE)
