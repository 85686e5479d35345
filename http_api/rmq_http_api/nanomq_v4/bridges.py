"""Bridges to other brokers under NanoMQ's names: those that the plugins which bridge are configured with.

They are changed where they are configured: a bridge here has keys that NanoMQ hasn't, and the other way round.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from pydantic import JsonValue, RootModel, TypeAdapter

from rmq.management.errors import PluginNotFound
from rmq.plugin_api import Duration
from rmq_http_api.answers import Answer
from rmq_http_api.calls import Call
from rmq_http_api.errors import ApiError
from rmq_http_api.nanomq.answers import data_answer
from rmq_http_api.nanomq_v4.wording import PREFIX
from rmq_http_api.parameters import NoQuery
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict

BRIDGES: Final = f"{PREFIX}/bridges"
EGRESS: Final = "rmq-bridge-egress-mqtt"
INGRESS: Final = "rmq-bridge-ingress-mqtt"
_SECONDS: Final = TypeAdapter(Duration)  # configurations write "1m"


class ConnectorObject(TypedDict):
    """How the other broker is reached; the password isn't told."""

    server: str
    proto_ver: int
    clientid: str
    keepalive: int
    clean_start: bool
    username: str
    password: str


class ForwardObject(TypedDict):
    """What goes there."""

    local_topic: str
    remote_topic: str
    qos: int | None


class TakenObject(TypedDict):
    """What is fetched from there."""

    remote_topic: str
    local_topic: str
    qos: int


class BridgeNode(TypedDict):
    """A bridge, which NanoMQ calls a node."""

    name: str
    enable: bool
    parallel: int
    connector: ConnectorObject
    forwards: list[ForwardObject]
    subscription: list[TakenObject]


class NodesObject(TypedDict):
    """The bridges."""

    nodes: list[BridgeNode]


class BridgeObject(TypedDict):
    """What NanoMQ puts around them."""

    bridge: NodesObject


class BridgesAnswer(TypedDict):
    """Some bridges."""

    code: int
    data: BridgeObject


class BridgeBody(RootModel[dict[str, JsonValue]]):
    """Whatever is to be changed about a bridge."""


class BridgeRoutes:
    """The routes of bridges."""

    def __init__(self, service: ApiService) -> None:
        self._management = service.management

    def routes(self) -> list[AnyRoute]:
        """All of them; what NanoMQ's documents do with PUT and its program with POST can be done with both."""
        one = f"{BRIDGES}/{{bridge_name}}"
        shape = (BridgesAnswer,)
        found: list[AnyRoute] = [
            Route("GET", BRIDGES, "list_mqtt_bridges", "The bridges of this node", self.all, answers=shape),
            Route("GET", one, "get_mqtt_bridges", "One bridge of this node", self.one, answers=shape),
            self._changing("PUT", one, "put_mqtt_bridge", "Change a bridge: its plugin's configuration does"),
        ]
        for what, meaning in (("sub", "Subscribe"), ("unsub", "Unsubscribe"), ("switch", "Switch")):
            path = f"{BRIDGES}/{what}/{{bridge_name}}"
            for method in ("POST", "PUT"):
                name = f"{method.lower()}_mqtt_bridge_{what}"
                summary = f"{meaning} a bridge: its plugin's configuration does"
                found.append(self._changing(method, path, name, summary))
        return found

    def _changing(self, method: str, path: str, name: str, summary: str) -> AnyRoute:
        shape = (BridgesAnswer,)
        return Route(
            method, path, name, summary, self.refuse, NoQuery, BridgeBody, answers=shape, content="says anything"
        )

    async def all(self, call: Call[NoQuery, None]) -> Answer:
        """Those of both directions, by name."""
        return data_answer({"bridge": {"nodes": await self._bridges()}})

    async def one(self, call: Call[NoQuery, None]) -> Answer:
        """In the same shape."""
        return data_answer({"bridge": {"nodes": [await self._bridge(call.path.text("bridge_name"))]}})

    async def refuse(self, call: Call[NoQuery, Any]) -> Answer:
        """One that isn't there, or that isn't changed here."""
        name = (await self._bridge(call.path.text("bridge_name")))["name"]
        text = f"{name} is changed in the configuration of {EGRESS} and {INGRESS}"
        raise ApiError(400, "BAD_PARAMETER", text)

    async def _bridge(self, name: str) -> BridgeNode:
        for bridge in await self._bridges():
            if bridge["name"] == name:
                return bridge
        raise ApiError(404, "BRIDGE_NOT_FOUND", f"there is no bridge {name[:64]!r}")

    async def _bridges(self) -> list[BridgeNode]:
        found: dict[str, BridgeNode] = {}
        for plugin, direction in ((EGRESS, "out"), (INGRESS, "in")):
            for config in await self._configured(plugin):
                bridge = found.setdefault(str(config["name"]), _bridge(config))
                for entry in config["entries"]:
                    if direction == "out":
                        bridge["forwards"].append(_forward(entry))
                    else:
                        bridge["subscription"].append(_taken(entry))
        return [found[name] for name in sorted(found)]

    async def _configured(self, plugin: str) -> Sequence[Mapping[str, Any]]:
        node_id = self._management.local.ref.node_id
        try:
            if not (await self._management.plugin(node_id, plugin)).active:
                return ()
            config = await self._management.plugin_config(node_id, plugin)
        except PluginNotFound:
            return ()
        return cast("Sequence[Mapping[str, Any]]", config["bridges"])


def _bridge(config: Mapping[str, Any]) -> BridgeNode:
    is_v5 = config["mqtt_ver"] == "v5"
    return {
        "name": config["name"],
        "enable": config["enable"],
        "parallel": config["concurrent_client_limit"],
        "connector": {
            "server": config["server"],
            "proto_ver": 5 if is_v5 else 4,
            "clientid": config["client_id_prefix"],
            "keepalive": int(_SECONDS.validate_python(config["keepalive"])),
            "clean_start": config["v5"]["clean_start"] if is_v5 else config["v4"]["clean_session"],
            "username": config["username"],
            "password": config["password"],
        },
        "forwards": [],
        "subscription": [],
    }


def _forward(entry: Mapping[str, Any]) -> ForwardObject:
    remote = entry["remote"]
    return {"local_topic": entry["local"]["topic_filter"], "remote_topic": remote["topic"], "qos": remote["qos"]}


def _taken(entry: Mapping[str, Any]) -> TakenObject:
    remote = entry["remote"]
    return {"remote_topic": remote["topic"], "local_topic": entry["local"]["topic"], "qos": remote["qos"]}
