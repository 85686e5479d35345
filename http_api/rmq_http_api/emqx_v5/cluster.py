"""The cluster: who is in it, and taking a node out."""

from typing import Final, NoReturn

from rmq.management.errors import NotInACluster
from rmq_http_api.answers import Answer, empty_answer, json_answer
from rmq_http_api.calls import Call
from rmq_http_api.emqx_v5.names import find_node
from rmq_http_api.emqx_v5.wording import PREFIX
from rmq_http_api.errors import ApiError
from rmq_http_api.parameters import NoQuery
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict

ALONE: Final = "rmq"


class ClusterObject(TypedDict):
    """The cluster's name, its nodes, and which of them answers."""

    name: str
    nodes: list[str]
    self: str


class ReplicantObject(TypedDict):
    """A node that only copies; there are none here."""

    node: str
    streams: int


class CoreObject(TypedDict):
    """A node that votes, and those that copy from it."""

    core_node: str
    replicant_nodes: list[ReplicantObject]


class InvitationObject(TypedDict):
    """Invitations; here nodes come by themselves, so there are none."""

    in_progress: list[str]
    succeed: list[str]
    failed: list[str]


Plain = Call[NoQuery, None]


class ClusterRoutes:
    """The routes of the cluster."""

    def __init__(self, service: ApiService) -> None:
        self._management = service.management

    def routes(self) -> list[AnyRoute]:
        """All of them."""
        path = f"{PREFIX}/cluster"
        node = f"{path}/{{node}}"
        return [
            Route("GET", path, "cluster", "The cluster", self.cluster, answers=(ClusterObject,)),
            Route("GET", f"{path}/topology", "topology", "Who votes", self.topology, answers=(list[CoreObject],)),
            Route(
                "GET",
                f"{path}/invitation",
                "invitations",
                "Invitations under way",
                self.invitations,
                answers=(InvitationObject,),
            ),
            Route("PUT", f"{node}/invite", "invite", "Not possible: a node joins by itself", self.invite),
            Route("PUT", f"{node}/invite_async", "invite_async", "The same", self.invite),
            Route("DELETE", f"{node}/force_leave", "force_leave", "Take a node out", self.force_leave, status=204),
        ]

    async def cluster(self, call: Plain) -> Answer:
        """Every member, up or not."""
        own = self._management.local.ref.name
        try:
            status = await self._management.cluster.status()
            body: ClusterObject = {
                "name": status.cluster_id,
                "nodes": [member.name for member in status.members],
                "self": own,
            }
        except NotInACluster:
            body = {"name": ALONE, "nodes": [own], "self": own}
        return json_answer(body)

    async def topology(self, call: Plain) -> Answer:
        """Every member is a core node."""
        try:
            names = [member.name for member in (await self._management.cluster.status()).members]
        except NotInACluster:
            names = [self._management.local.ref.name]
        rows: list[CoreObject] = [{"core_node": name, "replicant_nodes": []} for name in names]
        return json_answer(rows)

    async def invitations(self, call: Plain) -> Answer:
        """None."""
        body: InvitationObject = {"in_progress": [], "succeed": [], "failed": []}
        return json_answer(body)

    async def invite(self, call: Plain) -> NoReturn:
        """Refused, with what is to be done instead: a node that isn't a member can't be reached from here."""
        name = call.path.text("node")[:128]
        raise ApiError(
            400, "BAD_REQUEST", f"{name!r} can't be invited: `rmq-node cluster join` on that node makes it a member"
        )

    async def force_leave(self, call: Plain) -> Answer:
        """204 when it is out."""
        name = call.path.text("node")
        for member in (await self._management.cluster.status()).members:
            if name in (member.name, str(member.node_id)):
                await self._management.cluster.remove(member.node_id)
                return empty_answer()
        await self._management.cluster.remove(await find_node(self._management, name))
        return empty_answer()
