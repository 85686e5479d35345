"""Bridges to other brokers, of which there are none: the list is empty, and a name that is asked for isn't there."""

from typing import Any, Final

from pydantic import JsonValue, RootModel

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


class NodesObject(TypedDict):
    """The bridges; NanoMQ calls each of them a node."""

    nodes: list[str]


class BridgeObject(TypedDict):
    """What NanoMQ puts around them."""

    bridge: NodesObject


class BridgesAnswer(TypedDict):
    """All bridges."""

    code: int
    data: BridgeObject


class BridgeBody(RootModel[dict[str, JsonValue]]):
    """Whatever is to be changed about a bridge."""


class BridgeRoutes:
    """The routes of bridges."""

    def __init__(self, service: ApiService) -> None:
        pass

    def routes(self) -> list[AnyRoute]:
        """All of them; what NanoMQ's documents do with PUT and its program with POST can be done with both."""
        one = f"{BRIDGES}/{{bridge_name}}"
        found: list[AnyRoute] = [
            Route("GET", BRIDGES, "list_mqtt_bridges", "All bridges: none", self.all, answers=(BridgesAnswer,)),
            Route("GET", one, "get_mqtt_bridges", "One bridge: there is none", self.one, answers=(BridgesAnswer,)),
            self._changing("PUT", one, "put_mqtt_bridge", "Change a bridge: there is none"),
        ]
        for what, meaning in (("sub", "Subscribe"), ("unsub", "Unsubscribe"), ("switch", "Switch")):
            path = f"{BRIDGES}/{what}/{{bridge_name}}"
            for method in ("POST", "PUT"):
                name = f"{method.lower()}_mqtt_bridge_{what}"
                found.append(self._changing(method, path, name, f"{meaning} a bridge: there is none"))
        return found

    def _changing(self, method: str, path: str, name: str, summary: str) -> AnyRoute:
        shape = (BridgesAnswer,)
        return Route(method, path, name, summary, self.one, NoQuery, BridgeBody, answers=shape, content="says anything")

    async def all(self, call: Call[NoQuery, None]) -> Answer:
        """None."""
        return data_answer({"bridge": {"nodes": []}})

    async def one(self, call: Call[NoQuery, Any]) -> Answer:
        """It isn't there."""
        raise ApiError(404, "BRIDGE_NOT_FOUND", f"there is no bridge {call.path.text('bridge_name')!r}")
