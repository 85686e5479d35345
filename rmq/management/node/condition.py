"""How this node is as a whole: whether it can serve, what it can do, what its process uses."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import trio

from rmq.management.cluster import ClusterControl, NoCluster
from rmq.management.errors import ManagementError, NotInACluster
from rmq.management.models import FeaturesView, HealthView, NodeRef, SystemFigures
from rmq.management.node.host import look_at_process

if TYPE_CHECKING:
    from rmq.management.local import LocalNode

# The phases of a node's life.
STARTING: Final = "starting"
SERVING: Final = "serving"
STOPPING: Final = "stopping"


class Condition:
    """The node's phase, which whoever runs it sets, and its cluster once it has one; ``features`` by RMQTT's names."""

    def __init__(self, node: "LocalNode", features: Mapping[str, bool]) -> None:
        self.phase = STARTING
        self.cluster: ClusterControl = NoCluster()
        self._node = node
        self._features = features

    async def health(self) -> HealthView:
        """Whether clients can be served: it has started, neither stops nor is drained, and a quorum is in contact."""
        node: NodeRef = self._node.ref
        if self.phase != SERVING:
            return HealthView(node, False, f"the node is {self.phase}")
        try:
            status = await self.cluster.status()
        except NotInACluster:
            return HealthView(node, True)
        except ManagementError as error:
            return HealthView(node, False, str(error))
        if not status.has_quorum:
            return HealthView(node, False, "too few nodes are in contact to decide anything", status.leader)
        if status.draining:
            return HealthView(node, False, "the node is drained: its clients are sent to others", status.leader)
        return HealthView(node, True, "", status.leader)

    def features(self) -> FeaturesView:
        """What this node can do."""
        return FeaturesView(self._node.ref, self._features)

    async def system(self) -> SystemFigures:
        """What the process uses."""
        process = await look_at_process()
        values = {
            "memory.resident": process.memory_resident,
            "files.open": process.open_files,
            "threads": process.threads,
            "cpu.ms": process.cpu_ms,
            "tasks": trio.lowlevel.current_statistics().tasks_living,
        }
        return SystemFigures(self._node.ref, values)
