"""Listeners and alarms: where clients connect, and what a person should see to, node by node."""

from rmq.management.errors import NodeUnreachable
from rmq.management.models import Gathered
from rmq.management.node.alarms import AlarmView
from rmq.management.node.listeners import ListenerView, NodeListeners
from rmq_http_api.answers import Answer
from rmq_http_api.calls import Call
from rmq_http_api.emqx_v2.pages import Loose
from rmq_http_api.emqx_v2.wording import PREFIX, answers_of, local_time, missing_header, node_id_of, result_answer
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict

Plain = Call[Loose, None]

# Who accepts connections here: one thread.
ACCEPTORS = 1
PROTOCOLS = {"tcp": "mqtt:tcp", "tls": "mqtt:ssl", "ws": "mqtt:ws", "wss": "mqtt:wss", "unix": "mqtt:unix"}


class ListenerObject(TypedDict):
    """A listener that is open. How connections ended is counted for all listeners together, in the metrics."""

    protocol: str
    listen: str
    acceptors: int
    max_clients: int
    current_clients: int
    shutdown_count: list[str]


EachNode = dict[str, list[ListenerObject]]


class AlarmObject(TypedDict):
    """An alarm that is on."""

    id: str
    severity: str
    title: str
    summary: str
    occurred_at: str


class ListenerRoutes:
    """The routes of listeners and alarms. Of listeners EMQX's documents have other paths than its servers."""

    def __init__(self, service: ApiService) -> None:
        self._management = service.management

    def routes(self) -> list[AnyRoute]:
        """All of them."""
        found: list[AnyRoute] = []
        rows, each = answers_of(list[ListenerObject]), answers_of(EachNode)
        summary = "The listeners of each node"
        documented, served = f"{PREFIX}/listeners", f"{PREFIX}/monitoring/listeners"
        found += [
            Route("GET", documented, "v2_listeners", summary, self.documented, Loose, answers=each),
            Route("GET", served, "v2_monitored", summary, self.served, Loose, answers=answers_of(list[EachNode])),
        ]
        for path in (documented, served):
            name = "v2_listener" if path is documented else "v2_monitored_listener"
            text = "The listeners of a node"
            found.append(Route("GET", f"{path}/{{node}}", name, text, self.of_node, Loose, answers=rows))
        alarms = f"{PREFIX}/nodes/{{node}}/alarms"
        alarm_rows = answers_of(list[AlarmObject])
        found.append(Route("GET", alarms, "v2_alarms", "Alarms that are on", self.alarms, Loose, answers=alarm_rows))
        return found

    async def documented(self, call: Plain) -> Answer:
        """By the names of the nodes."""
        found = await self._management.operations.listeners()
        return result_answer(_each(found), missing_header(found.missing))

    async def served(self, call: Plain) -> Answer:
        """The same in a list, as the servers have it."""
        found = await self._management.operations.listeners()
        return result_answer([_each(found)], missing_header(found.missing))

    async def of_node(self, call: Plain) -> Answer:
        """Those of one node."""
        node_id = await node_id_of(self._management, call.path.text("node"))
        found = await self._management.operations.listeners()
        for one in found.answers:
            if one.node.node_id == node_id:
                return result_answer(_rows(one))
        raise _silent(node_id, found)

    async def alarms(self, call: Plain) -> Answer:
        """Those of one node, newest first."""
        node_id = await node_id_of(self._management, call.path.text("node"))
        found = await self._management.operations.alarms(activated=True)
        if any(node.node_id == node_id for node in found.missing):
            raise _silent(node_id, found)
        return result_answer([alarm_object(alarm) for alarm in found.answers if alarm.node.node_id == node_id])


def listener_object(listener: ListenerView) -> ListenerObject:
    """A listener under the names of EMQX v2."""
    return {
        "protocol": PROTOCOLS.get(listener.kind, listener.kind),
        "listen": listener.address,
        "acceptors": ACCEPTORS,
        "max_clients": listener.max_connections,
        "current_clients": listener.connections,
        "shutdown_count": [],
    }


def alarm_object(alarm: AlarmView) -> AlarmObject:
    """An alarm under the names of EMQX v2; there is one severity."""
    return {
        "id": alarm.name,
        "severity": "warning",
        "title": alarm.name.replace("_", " "),
        "summary": alarm.message,
        "occurred_at": local_time(alarm.activated_at),
    }


def _rows(node: NodeListeners) -> list[ListenerObject]:
    return [listener_object(listener) for listener in node.listeners if listener.running]


def _each(found: Gathered[NodeListeners]) -> EachNode:
    return {one.node.name: _rows(one) for one in found.answers}


def _silent(node_id: int, found: Gathered[NodeListeners] | Gathered[AlarmView]) -> NodeUnreachable:
    reasons = [node.reason for node in found.missing if node.node_id == node_id]
    return NodeUnreachable(node_id, reasons[0] if reasons else "isn't there")
