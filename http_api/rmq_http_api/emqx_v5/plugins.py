"""Plugins: listed with how they are on each node, started and stopped on all nodes."""

from collections.abc import Mapping
from typing import Final, Literal

from rmq.management.errors import PluginNotFound
from rmq.management.models import Gathered, NodePlugins, PluginView
from rmq_http_api.answers import Answer, empty_answer, json_answer
from rmq_http_api.calls import Call
from rmq_http_api.emqx_v5.pages import missing_header
from rmq_http_api.emqx_v5.wording import PREFIX
from rmq_http_api.errors import ApiError
from rmq_http_api.parameters import NoQuery
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import JsonSchema, TypedDict

NO_VERSION: Final = "0.0.0"
_ACTIONS: Final[Mapping[str, JsonSchema]] = {"action": {"enum": ["start", "stop"]}}


class RunningStatus(TypedDict):
    """How a plugin is on a node."""

    node: str
    status: Literal["running", "stopped"]


class PluginObject(TypedDict):
    """A plugin under EMQX's names; its version is 0.0.0 while its code isn't loaded."""

    name: str
    rel_vsn: str
    description: str
    author: list[str]
    rel_apps: list[str]
    running_status: list[RunningStatus]


Plain = Call[NoQuery, None]


class PluginRoutes:
    """The routes of plugins. A plugin is called by its name, or by that and its version: ``rmq-acl-1.0.0``."""

    def __init__(self, service: ApiService) -> None:
        self._service = service
        self._management = service.management

    def routes(self) -> list[AnyRoute]:
        """All of them."""
        path = f"{PREFIX}/plugins"
        one = f"{path}/{{name}}"
        return [
            Route("GET", path, "plugins", "All plugins", self.all, answers=(list[PluginObject],)),
            Route("GET", one, "plugin", "One plugin", self.one, answers=(PluginObject,)),
            Route(
                "PUT",
                f"{one}/{{action}}",
                "plugin_action",
                "Start or stop a plugin on all nodes",
                self.act,
                status=204,
                path_schemas=_ACTIONS,
            ),
        ]

    async def all(self, call: Plain) -> Answer:
        """Each that some node has."""
        found = await self._management.plugins()
        return json_answer(plugin_objects(found), headers=missing_header(found.missing))

    async def one(self, call: Plain) -> Answer:
        """One of them."""
        found = await self._management.plugins()
        return json_answer(_pick(found, call.path.text("name")), headers=missing_header(found.missing))

    async def act(self, call: Plain) -> Answer:
        """204 when it is done on every node that answers. The plugin that answers ends behind its answer."""
        action = call.path.text("action")
        if action not in ("start", "stop"):
            raise ApiError(404, "NOT_FOUND", f"a plugin can be started and stopped, not {action[:64]!r}")
        found = await self._management.plugins()
        name = _pick(found, call.path.text("name"))["name"]
        own = self._management.local.ref.node_id
        for node_id in sorted((one.node.node_id for one in found.answers), key=lambda node_id: node_id == own):
            if action == "start":
                await self._management.load_plugin(node_id, name)
            elif node_id == own and name == self._service.plugin_name:
                self._service.spawn(lambda: self._management.unload_plugin(own, name))
            else:
                await self._management.unload_plugin(node_id, name)
        return empty_answer()


def plugin_objects(gathered: Gathered[NodePlugins]) -> list[PluginObject]:
    """Every plugin once, in the order of names."""
    found: dict[str, PluginObject] = {}
    for one in sorted(gathered.answers, key=lambda one: one.node.node_id):
        for plugin in one.plugins:
            row = found.setdefault(plugin.name, _plugin_object(plugin))
            row["running_status"].append({"node": one.node.name, "status": "running" if plugin.active else "stopped"})
    return [found[name] for name in sorted(found)]


def _plugin_object(plugin: PluginView) -> PluginObject:
    return {
        "name": plugin.name,
        "rel_vsn": plugin.version or NO_VERSION,
        "description": plugin.description or "",
        "author": [],
        "rel_apps": [],
        "running_status": [],
    }


def _pick(gathered: Gathered[NodePlugins], name: str) -> PluginObject:
    for row in plugin_objects(gathered):
        if name in (row["name"], f"{row['name']}-{row['rel_vsn']}"):
            return row
    raise PluginNotFound(name)
