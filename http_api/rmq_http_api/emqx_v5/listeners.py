"""/listeners and /listeners_status: where clients connect; started, stopped and restarted on all nodes."""

from collections.abc import Mapping
from typing import Final, Literal

from rmq.management.errors import ListenerNotFound
from rmq.management.models import Gathered
from rmq.management.node.listeners import ListenerAction, ListenerView, NodeListeners
from rmq_http_api.answers import Answer, json_answer, text_answer
from rmq_http_api.calls import Call
from rmq_http_api.emqx_v5.pages import V5Query, missing_header
from rmq_http_api.emqx_v5.wording import PREFIX, listener_id, listener_type
from rmq_http_api.errors import RETRY_AFTER_S, ApiError
from rmq_http_api.parameters import NoQuery
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import JsonSchema, TypedDict

# Who accepts connections here: one thread.
ACCEPTORS: Final = 1

# A type and a name.
ID: Final[JsonSchema] = {"pattern": "^[^:/]*:.+$"}

Running = bool | Literal["inconsistent"]
Rows = list[tuple[str, ListenerView]]


class ListenersQuery(V5Query):
    """Listeners of one type, or all."""

    type: Literal["tcp", "ssl", "ws", "wss", "unix"] | None = None


class ListenerStatus(TypedDict):
    """Whether it runs and who is there; of several nodes the sums."""

    running: Running
    max_connections: int
    current_connections: int


class StatusOfNode(TypedDict):
    """The status on one node."""

    node: str
    status: ListenerStatus


class ListenerObject(TypedDict):
    """A listener, on how many nodes, and how it is on each."""

    id: str
    type: str
    name: str
    enable: bool
    bind: str
    acceptors: int
    number: int
    max_connections: int
    current_connections: int
    running: Running
    status: ListenerStatus
    node_status: list[StatusOfNode]


class TypeStatus(TypedDict):
    """All listeners of one type."""

    type: str
    enable: bool
    ids: list[str]
    status: ListenerStatus
    node_status: list[StatusOfNode]


class ListenerRoutes:
    """The routes of listeners."""

    def __init__(self, service: ApiService) -> None:
        self._operations = service.management.operations

    def routes(self) -> list[AnyRoute]:
        """All of them."""
        path = f"{PREFIX}/listeners"
        one = f"{path}/{{id}}"
        rows = (list[ListenerObject],)
        found: list[AnyRoute] = [
            Route("GET", path, "listeners", "All listeners", self.all, ListenersQuery, answers=rows),
            Route("GET", one, "listener", "One listener", self.one, answers=(ListenerObject,), path_schemas={"id": ID}),
            Route(
                "GET",
                f"{PREFIX}/listeners_status",
                "listeners_status",
                "Listeners by their type",
                self.by_type,
                answers=(list[TypeStatus],),
            ),
        ]
        changes = (
            ("start", "Start a listener on every node", self.start),
            ("stop", "Stop a listener on every node; its connections are closed", self.stop),
            ("restart", "Stop and start a listener on every node, one after the other", self.restart),
        )
        for action, summary, handler in changes:
            found.append(
                Route(
                    "POST",
                    f"{one}/{action}",
                    f"listener_{action}",
                    summary,
                    handler,
                    answers=(str,),
                    path_schemas={"id": ID},
                )
            )
        return found

    async def all(self, call: Call[ListenersQuery, None]) -> Answer:
        """By their ids."""
        gathered = await self._operations.listeners()
        wanted = call.query.type
        rows = [
            listener_object(listener)
            for name, listener in sorted(_by_name(gathered).items())
            if wanted in (None, listener_type(name))
        ]
        return json_answer(rows, headers=missing_header(gathered.missing))

    async def one(self, call: Call[NoQuery, None]) -> Answer:
        """As it is on all nodes."""
        gathered = await self._operations.listeners()
        listener = _by_name(gathered).get(_name(call))
        if listener is None:
            raise ListenerNotFound(call.path.text("id"))
        return json_answer(listener_object(listener), headers=missing_header(gathered.missing))

    async def by_type(self, call: Call[NoQuery, None]) -> Answer:
        """One row a type."""
        gathered = await self._operations.listeners()
        types: dict[str, Rows] = {}
        for name, listener in sorted(_by_name(gathered).items()):
            types.setdefault(listener_type(name), []).extend(listener)
        rows: list[TypeStatus] = [
            {
                "type": kind,
                "enable": True,
                "ids": list(dict.fromkeys(listener_id(view.name) for _, view in listeners)),
                "status": _status([view for _, view in listeners]),
                "node_status": _of_nodes(listeners),
            }
            for kind, listeners in types.items()
        ]
        return json_answer(rows, headers=missing_header(gathered.missing))

    async def start(self, call: Call[NoQuery, None]) -> Answer:
        """When it accepts on every node."""
        return await self._change(call, "start")

    async def stop(self, call: Call[NoQuery, None]) -> Answer:
        """When it accepts on no node, and its connections were told."""
        return await self._change(call, "stop")

    async def restart(self, call: Call[NoQuery, None]) -> Answer:
        """When it accepts again on every node."""
        return await self._change(call, "restart")

    async def _change(self, call: Call[NoQuery, None], action: ListenerAction) -> Answer:
        failed = await self._operations.change_listener(_name(call), action)
        if failed:
            text = "; ".join(f"node {node.node_id}: {node.reason}" for node in failed)
            raise ApiError(503, "SERVICE_UNAVAILABLE", text, {"Retry-After": str(RETRY_AFTER_S)})
        return text_answer("")


def _name(call: Call[NoQuery, None]) -> str:
    kind, colon, name = call.path.text("id").partition(":")
    if not colon or not name:
        raise ApiError(400, "BAD_LISTENER_ID", "id: must be a type and a name, such as tcp:external")
    return f"{'tls' if kind == 'ssl' else kind}.{name}"


def _by_name(gathered: Gathered[NodeListeners]) -> Mapping[str, Rows]:
    found: dict[str, Rows] = {}
    for node in gathered.answers:
        for view in node.listeners:
            found.setdefault(view.name, []).append((node.node.name, view))
    return found


def listener_object(listener: Rows) -> ListenerObject:
    """A listener under EMQX's names."""
    view = listener[0][1]
    status = _status([each for _, each in listener])
    return {
        "id": listener_id(view.name),
        "type": listener_type(view.name),
        "name": view.name.partition(".")[2],
        "enable": True,
        "bind": view.address,
        "acceptors": ACCEPTORS,
        "number": len(listener),
        "max_connections": status["max_connections"],
        "current_connections": status["current_connections"],
        "running": status["running"],
        "status": status,
        "node_status": _of_nodes(listener),
    }


def _status(views: list[ListenerView]) -> ListenerStatus:
    running = {view.running for view in views}
    return {
        "running": running.pop() if len(running) == 1 else "inconsistent",
        "max_connections": sum(view.max_connections for view in views),
        "current_connections": sum(view.connections for view in views),
    }


def _of_nodes(rows: Rows) -> list[StatusOfNode]:
    nodes: dict[str, list[ListenerView]] = {}
    for node, view in rows:
        nodes.setdefault(node, []).append(view)
    return [{"node": node, "status": _status(views)} for node, views in nodes.items()]
