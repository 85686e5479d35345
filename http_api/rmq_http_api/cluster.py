"""/api/v1/cluster: how the cluster is, and everything that can be changed about it (``rmq.management.cluster``)."""

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field, field_validator

from rmq.management.cluster import LEAVE_RATE, BackupView, ClusterStatus
from rmq_http_api.answers import Answer, json_answer
from rmq_http_api.calls import Call
from rmq_http_api.parameters import LARGEST, WHOLE, Body, NoQuery
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict

PREFIX: Final = "/api/v1/cluster"
NodeId = Annotated[int, Field(ge=1, le=LARGEST), WHOLE]


class Nothing(Body):
    """An empty object: a change is JSON, so that no form of a web page can ask for it."""


class JoinBody(Body):
    """Members of the cluster to enter, as ``host:port`` or ``id@host:port``: of the links between nodes."""

    members: list[str] = Field(min_length=1)
    discard_data: bool = False


class NodeBody(Body):
    """A node, by default the one that is asked, or for leadership the one that fits best."""

    node_id: NodeId | None = None


class LeaveBody(Body):
    """How many clients are moved away in a second."""

    rate: Annotated[float, Field(gt=0)] = LEAVE_RATE


class DrainBody(NodeBody, LeaveBody):
    """The same, of a node."""


class BootstrapBody(Body):
    """The nodes to found a cluster of."""

    node_ids: list[NodeId] = Field(min_length=1)


class PathBody(Body):
    """An absolute path on the node that is asked."""

    path: str = Field(json_schema_extra={"pattern": r"^/[^\u0000]*$"})

    @field_validator("path")
    @classmethod
    def _absolute(cls, path: str) -> str:
        if not Path(path).is_absolute() or "\0" in path:
            raise ValueError("must be an absolute path")
        return path


class Leader(TypedDict):
    """Who leads now."""

    leader: int


Plain = Call[NoQuery, None]
Change = Call[NoQuery, Nothing]


class ClusterRoutes:
    """The routes of the cluster. A change is answered when it is made: JSON ``null`` where nothing is to be told."""

    def __init__(self, service: ApiService) -> None:
        self._management = service.management

    def routes(self) -> list[AnyRoute]:
        """All of them."""
        return [
            Route(
                "GET",
                PREFIX,
                "cluster_status",
                "The cluster as this node sees it",
                self.status,
                answers=(ClusterStatus,),
            ),
            self._post("join", "cluster_join", "Make this node a member", self.join, JoinBody),
            self._post("leave", "cluster_leave", "Take this node out for good", self.leave, LeaveBody),
            Route(
                "DELETE",
                f"{PREFIX}/members/{{node:int}}",
                "cluster_remove",
                "Take a member out",
                self.remove,
                answers=(None,),
            ),
            self._post("drain", "cluster_drain", "Move a node's clients away", self.drain, DrainBody),
            self._post("undrain", "cluster_undrain", "Have a node take clients again", self.undrain, NodeBody),
            self._post("transfer-leader", "cluster_transfer", "Hand leadership over", self.transfer, NodeBody, Leader),
            self._post("bootstrap", "cluster_bootstrap", "Found a cluster", self.bootstrap, BootstrapBody),
            self._post("backup", "cluster_backup", "Write the state into a file", self.backup, PathBody, BackupView),
            self._post("restore", "cluster_restore", "Found a cluster with a backup", self.restore, PathBody),
            Route(
                "GET",
                f"{PREFIX}/rescue",
                "cluster_rescue_warnings",
                "What a rescue may lose",
                self.warnings,
                answers=(list[str],),
            ),
            self._post("rescue", "cluster_rescue", "Go on from this node's state alone", self.rescue, Nothing),
            self._post("rebuild", "cluster_rebuild", "Take all data from the others", self.rebuild, Nothing),
        ]

    @staticmethod
    def _post(path: str, name: str, summary: str, handler: Any, body: type[Body], answer: Any = None) -> AnyRoute:
        return Route("POST", f"{PREFIX}/{path}", name, summary, handler, NoQuery, body, answers=(answer,))

    async def status(self, call: Plain) -> Answer:
        """All that this node knows."""
        return json_answer(dataclasses.asdict(await self._management.cluster.status()))

    async def join(self, call: Call[NoQuery, JoinBody]) -> Answer:
        """When it is a member."""
        members = tuple(call.body.members)
        await self._management.cluster.join(members, discard_data=call.body.discard_data)
        return json_answer(None)

    async def leave(self, call: Call[NoQuery, LeaveBody]) -> Answer:
        """When it is out."""
        await self._management.cluster.leave(call.body.rate)
        return json_answer(None)

    async def remove(self, call: Plain) -> Answer:
        """When it is out."""
        await self._management.cluster.remove(call.path.number("node"))
        return json_answer(None)

    async def drain(self, call: Call[NoQuery, DrainBody]) -> Answer:
        """When that has begun."""
        await self._management.drain(self._node(call.body.node_id), call.body.rate)
        return json_answer(None)

    async def undrain(self, call: Call[NoQuery, NodeBody]) -> Answer:
        """When it takes clients."""
        await self._management.undrain(self._node(call.body.node_id))
        return json_answer(None)

    async def transfer(self, call: Call[NoQuery, NodeBody]) -> Answer:
        """Who leads now."""
        body: Leader = {"leader": await self._management.cluster.transfer_leadership(call.body.node_id)}
        return json_answer(body)

    async def bootstrap(self, call: Call[NoQuery, BootstrapBody]) -> Answer:
        """When the cluster is founded."""
        await self._management.cluster.bootstrap(tuple(call.body.node_ids))
        return json_answer(None)

    async def backup(self, call: Call[NoQuery, PathBody]) -> Answer:
        """What was written."""
        return json_answer(dataclasses.asdict(await self._management.cluster.backup(Path(call.body.path))))

    async def restore(self, call: Call[NoQuery, PathBody]) -> Answer:
        """When the cluster is founded."""
        await self._management.cluster.restore(Path(call.body.path))
        return json_answer(None)

    async def warnings(self, call: Plain) -> Answer:
        """Sentences for a person; changes nothing."""
        return json_answer(await self._management.cluster.rescue_warnings())

    async def rescue(self, call: Change) -> Answer:
        """When it goes on."""
        await self._management.cluster.rescue()
        return json_answer(None)

    async def rebuild(self, call: Change) -> Answer:
        """When the data are there."""
        await self._management.cluster.rebuild()
        return json_answer(None)

    def _node(self, node_id: int | None) -> int:
        return self._management.local.ref.node_id if node_id is None else node_id
