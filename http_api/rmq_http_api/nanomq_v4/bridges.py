"""Bridges to other brokers under NanoMQ's names: those that the plugins which bridge are configured with.

What is changed of them is changed in the configurations of those plugins: on all nodes, and kept.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, cast

from pydantic import JsonValue, RootModel, TypeAdapter

from rmq.management.errors import PluginNotFound
from rmq.plugin_api import Duration
from rmq_http_api.answers import Answer, json_answer
from rmq_http_api.calls import Call
from rmq_http_api.errors import ApiError, MissingParameter
from rmq_http_api.nanomq.answers import data_answer
from rmq_http_api.nanomq.codes import SUCCEEDED
from rmq_http_api.nanomq.settings import API, at
from rmq_http_api.nanomq_v4.bridge_changes import EGRESS, INGRESS, BridgeEdit
from rmq_http_api.nanomq_v4.bridge_keys import Given, Wanted, bad, flag, read_bridge, read_subscription, tables, text
from rmq_http_api.nanomq_v4.wording import PREFIX
from rmq_http_api.parameters import NoQuery
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict

BRIDGES: Final = f"{PREFIX}/bridges"
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


class BridgeChangedAnswer(TypedDict):
    """It is changed; ``ignored`` are keys that have no effect."""

    code: int
    ignored: list[str]


Change = Call[NoQuery, BridgeBody]


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
            self._changing("PUT", one, "put_mqtt_bridge", "Change a bridge", self.change),
        ]
        actions = (("sub", "Subscribe", self.subscribe), ("unsub", "Unsubscribe", self.unsubscribe))
        for what, meaning, act in (*actions, ("switch", "Switch", self.switch)):
            path = f"{BRIDGES}/{what}/{{bridge_name}}"
            for method in ("POST", "PUT"):
                name = f"{method.lower()}_mqtt_bridge_{what}"
                found.append(self._changing(method, path, name, f"{meaning} a bridge", act))
        return found

    def _changing(
        self, method: str, path: str, name: str, summary: str, act: Callable[[Change], Awaitable[Answer]]
    ) -> AnyRoute:
        shape = (BridgeChangedAnswer,)
        return Route(method, path, name, summary, act, NoQuery, BridgeBody, answers=shape, content="says anything")

    async def all(self, call: Call[NoQuery, None]) -> Answer:
        """Those of both directions, by name."""
        return data_answer({"bridge": {"nodes": await self._bridges()}})

    async def one(self, call: Call[NoQuery, None]) -> Answer:
        """In the same shape."""
        return data_answer({"bridge": {"nodes": [await self._bridge(call.path.text("bridge_name"))]}})

    async def change(self, call: Change) -> Answer:
        """Its keys; those that aren't named stay as they are."""
        name = await self._name(call)
        for key in call.body.root:
            if key != name:
                raise bad(key, f"must be {name}: what the path says")
        wanted = read_bridge(name, _object(call.body.root, name, name))
        return await self._edit(BridgeEdit(name, wanted))

    async def switch(self, call: Change) -> Answer:
        """Both directions on or off."""
        name, data = await self._name(call), _data(call.body, "bridge_switch")
        wanted = Wanted(common={"enable": flag("data.bridge_switch", _there(data, "bridge_switch"))})
        return await self._edit(BridgeEdit(name, wanted))

    async def subscribe(self, call: Change) -> Answer:
        """Topic filters of the other broker beside those that there are."""
        name, data = await self._name(call), _data(call.body, "subscription", "sub_properties")
        wanted = Wanted()
        wanted.note("sub_properties", data.get("sub_properties"))
        return await self._edit(BridgeEdit(name, wanted, added=read_subscription(wanted, _there(data, "subscription"))))

    async def unsubscribe(self, call: Change) -> Answer:
        """Topic filters of the other broker, whether they are subscribed to or not."""
        name, data = await self._name(call), _data(call.body, "unsubscription", "unsub_properties")
        wanted = Wanted()
        wanted.note("unsub_properties", data.get("unsub_properties"))
        removed = set()
        for index, one in enumerate(tables("unsubscription", _there(data, "unsubscription"))):
            where = f"unsubscription[{index}]"
            removed.add(text(f"{where}.topic", _there(one, "topic", where)))
            for key in sorted(one.keys() - {"topic", "qos"}):
                wanted.note(f"{where}.{key}", one[key])
        return await self._edit(BridgeEdit(name, wanted, removed=frozenset(removed)))

    async def _edit(self, edit: BridgeEdit) -> Answer:
        values = self._management.local.operations.node_settings.values()
        edit.wanted.settle(keeps=bool(at(values, f"{API}.compat_keep_unknown", False)))
        await self._management.plugin_configs.edit(await self._loaded(), edit)
        return json_answer({"code": SUCCEEDED, "ignored": edit.wanted.ignored})

    async def _name(self, call: Change) -> str:
        return (await self._bridge(call.path.text("bridge_name")))["name"]

    async def _bridge(self, name: str) -> BridgeNode:
        for bridge in await self._bridges():
            if bridge["name"] == name:
                return bridge
        why = "" if await self._loaded() else f": neither {EGRESS} nor {INGRESS} is loaded on this node"
        raise ApiError(404, "BRIDGE_NOT_FOUND", f"there is no bridge {name[:64]!r}{why}")

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
        if plugin not in await self._loaded():
            return ()
        config = await self._management.plugin_config(self._management.local.ref.node_id, plugin)
        return cast("Sequence[Mapping[str, Any]]", config["bridges"])

    async def _loaded(self) -> list[str]:
        """Those of the two plugins that run on this node."""
        found = []
        for plugin in (EGRESS, INGRESS):
            try:
                if (await self._management.plugin(self._management.local.ref.node_id, plugin)).active:
                    found.append(plugin)
            except PluginNotFound:
                pass  # not installed
        return found


def _object(given: Given, key: str, where: str) -> Given:
    value = _there(given, key, "")
    if not isinstance(value, dict):
        raise bad(where, "must be an object")
    return value


def _data(body: BridgeBody, *known: str) -> Given:
    data = _object(body.root, "data", "data")
    for key in (*(key for key in body.root if key != "data"), *(f"data.{key}" for key in data if key not in known)):
        raise bad(key, "isn't known")
    return data


def _there(given: Given, key: str, where: str = "data") -> JsonValue:
    if given.get(key) is None:
        raise MissingParameter(f"{where}.{key}: must be there" if where else f"{key}: must be there")
    return given[key]


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
