"""Configurations of plugins by key and text: shown, and set for all nodes.

EMQX v2 keeps a change on one node; here what an API sets holds for every node, and stays over a restart.
"""

from collections.abc import Mapping
from typing import Final

import orjson
from pydantic import JsonValue, RootModel

from rmq_http_api.answers import Answer
from rmq_http_api.calls import Call
from rmq_http_api.emqx_v2.messages import LooseBody
from rmq_http_api.emqx_v2.pages import Loose
from rmq_http_api.emqx_v2.wording import (
    DONE,
    PREFIX,
    answers_of,
    done,
    missing_header,
    node_id_of,
    result_answer,
)
from rmq_http_api.errors import ApiError
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict

Plain = Call[Loose, None]


# What stands where configurations are shown and have a secret.
HIDDEN: Final = "********"


class ConfigObject(TypedDict):
    """A key of a plugin, which is the ``app``; the third name is spelled as EMQX v2 does."""

    key: str
    value: str
    datatpye: str
    app: str


class PluginConfigObject(TypedDict):
    """A key of one plugin."""

    key: str
    value: str
    desc: str
    required: bool


class ConfigBody(LooseBody):
    """One key, and its value as text."""

    key: str
    value: str


class ConfigsBody(RootModel[dict[str, JsonValue]]):
    """Keys with their values, as text or as JSON has them."""


class ConfigRoutes:
    """The routes of configurations."""

    def __init__(self, service: ApiService) -> None:
        self._management = service.management

    def routes(self) -> list[AnyRoute]:
        """All of them."""
        found: list[AnyRoute] = [
            Route(
                "GET",
                f"{PREFIX}/configs",
                "v2_configs",
                "The configurations of each node's plugins",
                self.all,
                Loose,
                answers=answers_of(dict[str, list[ConfigObject]]),
            ),
            Route(
                "GET",
                f"{PREFIX}/nodes/{{node}}/configs",
                "v2_node_configs",
                "The configurations of a node's plugins",
                self.of_node,
                Loose,
                answers=answers_of(list[ConfigObject]),
            ),
            Route(
                "GET",
                f"{PREFIX}/nodes/{{node}}/plugin_configs/{{plugin}}",
                "v2_plugin_config",
                "The configuration of a plugin",
                self.of_plugin,
                Loose,
                answers=answers_of(list[PluginConfigObject]),
            ),
            Route(
                "PUT",
                f"{PREFIX}/nodes/{{node}}/plugin_configs/{{plugin}}",
                "v2_set_plugin_config",
                "Set keys of a plugin",
                self.set_all,
                Loose,
                ConfigsBody,
                answers=DONE,
                content="says anything",
            ),
        ]
        for start, name in ((f"{PREFIX}/configs", "v2_config"), (f"{PREFIX}/nodes/{{node}}/configs", "v2_node_config")):
            path = f"{start}/{{plugin}}"
            rows = answers_of(list[ConfigObject])
            found += [
                Route("GET", path, name, "The configuration of a plugin", self.of_app, Loose, answers=rows),
                Route(
                    "PUT",
                    path,
                    f"{name}_set",
                    "Set one key of a plugin",
                    self.set_one,
                    Loose,
                    ConfigBody,
                    answers=DONE,
                    content="says anything",
                ),
            ]
        return found

    async def all(self, call: Plain) -> Answer:
        """By the names of the nodes; what a node can't say now is left out."""
        plugins = await self._management.plugins()
        rows: dict[str, list[ConfigObject]] = {}
        for one in plugins.answers:
            names = [plugin.name for plugin in one.plugins if plugin.active]
            rows[one.node.name] = await self._rows(one.node.node_id, names)
        return result_answer(rows, missing_header(plugins.missing))

    async def of_node(self, call: Plain) -> Answer:
        """Of all plugins that run there."""
        node_id = await self._node(call)
        plugins = await self._management.plugins_of(node_id)
        return result_answer(await self._rows(node_id, [one.name for one in plugins.plugins if one.active]))

    async def of_app(self, call: Plain) -> Answer:
        """Of one plugin."""
        node_id = await self._node(call)
        plugin = await self._management.plugin(node_id, call.path.text("plugin"))
        return result_answer(await self._rows(node_id, [plugin.name]))

    async def of_plugin(self, call: Plain) -> Answer:
        """The same as the routes of plugins have it."""
        node_id = await self._node(call)
        values = await self._management.plugin_config(node_id, call.path.text("plugin"))
        rows: list[PluginConfigObject] = [
            {"key": key, "value": _text(value), "desc": "", "required": False} for key, value in values.items()
        ]
        return result_answer(rows)

    async def set_one(self, call: Call[Loose, ConfigBody]) -> Answer:
        """When it holds here; on other nodes a moment later."""
        await self._set(call, {call.body.key: call.body.value})
        return done()

    async def set_all(self, call: Call[Loose, ConfigsBody]) -> Answer:
        """The same of several keys, all or none."""
        await self._set(call, call.body.root)
        return done()

    async def _set(self, call: Call[Loose, ConfigBody] | Call[Loose, ConfigsBody], given: Mapping[str, object]) -> None:
        node_id = await self._node(call)
        plugin = await self._management.plugin(node_id, call.path.text("plugin"))
        known = await self._management.plugin_config(node_id, plugin.name)
        changed: dict[str, object] = {}
        for key, value in given.items():
            if key not in known:
                raise ApiError(400, "BAD_PARAMETER", f"{key[:64]}: {plugin.name} has no such key")
            if value == _text(known[key]):
                continue  # what was read and is given back; a secret was hidden then
            if HIDDEN in _text(value):
                raise ApiError(400, "BAD_PARAMETER", f"{key[:64]}: the secret that is hidden must be written out")
            changed[key] = _typed(known[key], value)
        if changed:
            configs = self._management.plugin_configs
            await configs.set(plugin.name, {**configs.kept(plugin.name), **changed})

    async def _node(self, call: Plain | Call[Loose, ConfigBody] | Call[Loose, ConfigsBody]) -> int:
        named = call.path.as_mapping().get("node")
        local = self._management.local.ref.node_id
        return local if named is None else await node_id_of(self._management, str(named))

    async def _rows(self, node_id: int, plugins: list[str]) -> list[ConfigObject]:
        rows: list[ConfigObject] = []
        for name in plugins:
            for key, value in (await self._management.plugin_config(node_id, name)).items():
                rows.append({"key": key, "value": _text(value), "datatpye": _kind(value), "app": name})
        return rows


def _text(value: object) -> str:
    """A value as text: texts as they are, everything else as JSON."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "flag"
    if isinstance(value, (int, float)):
        return "integer" if isinstance(value, int) else "float"
    return "string" if isinstance(value, str) else "json"


def _typed(before: object, value: object) -> object:
    """A text as a value of the kind that there is; what isn't text says itself what it is."""
    if isinstance(before, str) or not isinstance(value, str):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return value  # a duration, a size: the plugin's model says whether it is one
