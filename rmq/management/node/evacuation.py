"""Whether a node is being drained, and how far that is."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rmq.management.models import NodeRef

if TYPE_CHECKING:
    from rmq.management.local import LocalNode


@dataclass(frozen=True, slots=True)
class EvacuationView:
    """``rate`` is how many clients are moved in a second, 0.0 when the node isn't drained.

    ``begun_with`` clients were connected when it began, ``connected`` are now.
    """

    node: NodeRef
    rate: float
    begun_with: int
    connected: int

    @property
    def is_on(self) -> bool:
        """Whether the node is being drained, or is."""
        return self.rate > 0


def view_evacuation(node: "LocalNode") -> EvacuationView:
    """How this node is drained."""
    draining = node.broker.draining
    return EvacuationView(node.ref, draining.rate, draining.begun_with, len(node.broker.registry))
