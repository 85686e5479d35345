"""Plugins: listed, shown with their configuration, loaded, unloaded and reloaded; on every node."""

from typing import Any

from rmq.management.models import MissingNode, NodePlugins, PluginView
from rmq_http_api.answers import Answer, json_answer, text_answer
from rmq_http_api.calls import Call
from rmq_http_api.parameters import NoQuery
from rmq_http_api.rmqtt_v1.wording import DOWN, JSON_OBJECT, JSON_ROWS, PREFIX, missing_header
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService

Plain = Call[NoQuery, None]


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
            Route("GET", plugins, "all_plugins", "The plugins of each node", self.all, answers=JSON_ROWS),
            Route("GET", node, "node_plugins", "The plugins of one node", self.of_node, answers=JSON_ROWS),
            Route("GET", one, "node_plugin_info", "One plugin", self.one, answers=JSON_OBJECT),
            Route(
                "GET",
                f"{one}/config",
                "node_plugin_config",
                "The configuration of a plugin",
                self.config,
                answers=JSON_OBJECT,
            ),
            Route(
                "PUT",
                f"{one}/config/reload",
                "node_plugin_config_reload",
                "Read its configuration again",
                self.reload,
                answers=(str,),
            ),
            Route("PUT", f"{one}/load", "node_plugin_load", "Start a plugin", self.load, answers=(str,)),
            Route("PUT", f"{one}/unload", "node_plugin_unload", "Stop a plugin", self.unload, answers=(bool,)),
        ]

    async def all(self, call: Plain) -> Answer:
        """Each node with its plugins."""
        found = await self._management.plugins()
        rows = [_node_object(one) for one in found.answers] + [_missing(one) for one in found.missing]
        rows.sort(key=_node_id)
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

    async def reload(self, call: Plain) -> Answer:
        """``ok``."""
        await self._management.reload_plugin(*_which(call))
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


def plugin_object(plugin: PluginView) -> dict[str, Any]:
    """A plugin; ``failure`` says why it isn't active although it should be."""
    found: dict[str, Any] = {
        "name": plugin.name,
        "version": plugin.version,
        "descr": plugin.description,
        "active": plugin.active,
        "inited": plugin.inited,
        "immutable": plugin.immutable,
        "attrs": plugin.attrs or None,
    }
    if plugin.failure:
        found["failure"] = plugin.failure
    return found


def _which(call: Plain) -> tuple[int, str]:
    return call.path.number("node"), call.path.text("plugin")


def _node_object(plugins: NodePlugins) -> dict[str, Any]:
    return {"node": plugins.node.node_id, "plugins": [plugin_object(plugin) for plugin in plugins.plugins]}


def _missing(node: MissingNode) -> dict[str, Any]:
    return {"node": node.node_id, "plugins": [], "node_status": DOWN, "error": node.reason}


def _node_id(row: dict[str, Any]) -> int:
    number: int = row["node"]
    return number
