"""Plugins: listed, shown with their configuration, loaded, unloaded and reloaded; on every node."""

from typing import Any, NotRequired

from rmq.management.errors import AccountNotFound
from rmq.management.models import MissingNode, NodePlugins, PluginView
from rmq_http_api.answers import Answer, json_answer, text_answer
from rmq_http_api.calls import Call
from rmq_http_api.parameters import Flag, NoQuery, Query
from rmq_http_api.rmqtt_v1.wording import DOWN, PREFIX, NodeState, missing_header
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict

Plain = Call[NoQuery, None]


class ReloadQuery(Query):
    """``dry_run``: nothing is taken over, the answer says what would change."""

    dry_run: Flag = False


class PluginObject(TypedDict):
    """A plugin; null where its code isn't loaded. ``failure`` says why it isn't active although it should be."""

    name: str
    version: str | None
    descr: str | None
    active: bool
    inited: bool
    immutable: bool
    attrs: dict[str, Any] | None
    failure: NotRequired[str]


class PreviewObject(TypedDict):
    """What a reload would change: the keys, and ``details`` that the plugin has of it."""

    changed: list[str]
    details: dict[str, Any]


class NodePluginsObject(TypedDict):
    """The plugins of a node."""

    node: int
    plugins: list[PluginObject]


class DownNodePlugins(NodePluginsObject):
    """A node without an answer: none."""

    node_status: NodeState
    error: str


NodePluginsRow = NodePluginsObject | DownNodePlugins


class PluginRoutes:
    """The routes of plugins. A name may begin with ``rmq-`` or ``rmqtt-``."""

    def __init__(self, service: ApiService) -> None:
        self._service = service
        self._management = service.management

    def routes(self) -> list[AnyRoute]:
        """All of them."""
        plugins = f"{PREFIX}/plugins"
        node = f"{plugins}/{{node:int}}"
        one = f"{node}/{{plugin}}"
        return [
            Route("GET", plugins, "all_plugins", "The plugins of each node", self.all, answers=(list[NodePluginsRow],)),
            Route("GET", node, "node_plugins", "The plugins of one node", self.of_node, answers=(list[PluginObject],)),
            Route("GET", one, "node_plugin_info", "One plugin", self.one, answers=(PluginObject,)),
            Route(
                "GET",
                f"{one}/config",
                "node_plugin_config",
                "The configuration of a plugin",
                self.config,
                answers=(dict[str, Any],),
            ),
            Route(
                "DELETE",
                f"{one}/config",
                "node_plugin_config_forget",
                "What APIs set in its configuration is forgotten, on all nodes: files say all of it again",
                self.forget,
                answers=(bool,),
            ),
            Route(
                "PUT",
                f"{one}/config/reload",
                "node_plugin_config_reload",
                "Read its configuration again; with dry_run=true only say what that would change",
                self.reload,
                query=ReloadQuery,
                answers=(str, PreviewObject),
            ),
            Route("PUT", f"{one}/load", "node_plugin_load", "Start a plugin", self.load, answers=(str,)),
            Route("PUT", f"{one}/unload", "node_plugin_unload", "Stop a plugin", self.unload, answers=(bool,)),
        ]

    async def all(self, call: Plain) -> Answer:
        """Each node with its plugins."""
        found = await self._management.plugins()
        rows: list[NodePluginsRow] = [_node_object(one) for one in found.answers]
        rows += [_missing(one) for one in found.missing]
        rows.sort(key=lambda row: row["node"])
        return json_answer(rows, headers=missing_header(found.missing))

    async def of_node(self, call: Plain) -> Answer:
        """All plugins of a node."""
        found = await self._management.plugins_of(call.path.number("node"))
        return json_answer([plugin_object(plugin) for plugin in found.plugins])

    async def one(self, call: Plain) -> Answer:
        """One plugin."""
        return json_answer(plugin_object(await self._management.plugin(*_which(call))))

    async def config(self, call: Plain) -> Answer:
        """Its configuration, secrets masked."""
        return json_answer(await self._management.plugin_config(*_which(call)))

    async def forget(self, call: Plain) -> Answer:
        """Whether there was something. It is so here when that is answered, on other nodes a moment later."""
        plugin = await self._management.plugin(*_which(call))
        try:
            await self._management.plugin_configs.forget(plugin.name)
        except AccountNotFound:
            return json_answer(False)
        return json_answer(True)

    async def reload(self, call: Call[ReloadQuery, None]) -> Answer:
        """``ok``; for a dry run an object: the keys that would change, and what the plugin says of it."""
        node_id, name = _which(call)
        if call.query.dry_run:
            told = dict(await self._management.operations.preview_plugin(node_id, name))
            return json_answer({"changed": told.pop("changed"), "details": told})
        await self._management.reload_plugin(node_id, name)
        return text_answer("ok")

    async def load(self, call: Plain) -> Answer:
        """``ok``, also when it ran already."""
        await self._management.load_plugin(*_which(call))
        return text_answer("ok")

    async def unload(self, call: Plain) -> Answer:
        """Whether it ran. The plugin that answers ends behind its answer."""
        node_id, name = _which(call)
        plugin = await self._management.plugin(node_id, name)
        if node_id == self._management.local.ref.node_id and plugin.name == self._service.plugin_name:
            self._service.spawn(lambda: self._management.unload_plugin(node_id, name))
            return json_answer(True)
        return json_answer(await self._management.unload_plugin(node_id, name))


def plugin_object(plugin: PluginView) -> PluginObject:
    """A plugin."""
    found: PluginObject = {
        "name": plugin.name,
        "version": plugin.version,
        "descr": plugin.description,
        "active": plugin.active,
        "inited": plugin.inited,
        "immutable": plugin.immutable,
        "attrs": dict(plugin.attrs) if plugin.attrs else None,
    }
    if plugin.failure:
        found["failure"] = plugin.failure
    return found


def _which(call: Call[Any, None]) -> tuple[int, str]:
    return call.path.number("node"), call.path.text("plugin")


def _node_object(plugins: NodePlugins) -> NodePluginsObject:
    return {"node": plugins.node.node_id, "plugins": [plugin_object(plugin) for plugin in plugins.plugins]}


def _missing(node: MissingNode) -> DownNodePlugins:
    return {"node": node.node_id, "plugins": [], "node_status": DOWN, "error": node.reason}
