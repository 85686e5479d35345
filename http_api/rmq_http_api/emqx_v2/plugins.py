"""Plugins of a node: listed, started and stopped, and what they are configured to."""

from rmq.management.models import PluginView
from rmq_http_api.answers import Answer
from rmq_http_api.calls import Call
from rmq_http_api.emqx_v2.messages import LooseBody
from rmq_http_api.emqx_v2.pages import Loose
from rmq_http_api.emqx_v2.wording import (
    DONE,
    PLUGIN_LOADED,
    PLUGIN_UNLOADED,
    PREFIX,
    answers_of,
    done,
    node_id_of,
    refused,
    result_answer,
)
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict

Plain = Call[Loose, None]


class PluginObject(TypedDict):
    """A plugin; version and description "" while its code isn't loaded."""

    name: str
    version: str
    description: str
    active: bool


class ActiveBody(LooseBody):
    """Whether a plugin is to run."""

    active: bool


Change = Call[Loose, ActiveBody]


class PluginRoutes:
    """The routes of plugins. A name may begin with ``rmq-`` or ``rmqtt-``."""

    def __init__(self, service: ApiService) -> None:
        self._service = service
        self._management = service.management

    def routes(self) -> list[AnyRoute]:
        """All of them; without a node, as EMQX's documents have one, it is about the node that is asked."""
        plugins = f"{PREFIX}/nodes/{{node}}/plugins"
        return [
            Route(
                "GET",
                plugins,
                "v2_plugin_list",
                "The plugins of a node",
                self.all,
                Loose,
                answers=answers_of(list[PluginObject]),
            ),
            Route(
                "PUT",
                f"{plugins}/{{plugin}}",
                "v2_enable_plugin",
                "Start or stop a plugin",
                self.enable,
                Loose,
                ActiveBody,
                answers=DONE,
                content="says anything",
            ),
            Route(
                "PUT",
                f"{PREFIX}/nodes/plugins/{{plugin}}",
                "v2_enable_plugin_here",
                "Start or stop a plugin of this node",
                self.enable_here,
                Loose,
                ActiveBody,
                answers=DONE,
                content="says anything",
            ),
        ]

    async def all(self, call: Plain) -> Answer:
        """All that could run there."""
        node_id = await node_id_of(self._management, call.path.text("node"))
        found = await self._management.plugins_of(node_id)
        return result_answer([plugin_object(plugin) for plugin in found.plugins])

    async def enable(self, call: Change) -> Answer:
        """When it runs, or doesn't."""
        return await self._enable(await node_id_of(self._management, call.path.text("node")), call)

    async def enable_here(self, call: Change) -> Answer:
        """The same on the node that is asked."""
        return await self._enable(self._management.local.ref.node_id, call)

    async def _enable(self, node_id: int, call: Change) -> Answer:
        name = call.path.text("plugin")
        if call.body.active:
            if not await self._management.load_plugin(node_id, name):
                return refused(PLUGIN_LOADED, "already_started")
            return done()
        plugin = await self._management.plugin(node_id, name)
        if node_id == self._management.local.ref.node_id and plugin.name == self._service.plugin_name:
            self._service.spawn(lambda: self._management.unload_plugin(node_id, name))
            return done()
        if not await self._management.unload_plugin(node_id, name):
            return refused(PLUGIN_UNLOADED, "not_started")
        return done()


def plugin_object(plugin: PluginView) -> PluginObject:
    """A plugin under the names of EMQX v2."""
    return {
        "name": plugin.name,
        "version": plugin.version or "",
        "description": plugin.description or "",
        "active": plugin.active,
    }
