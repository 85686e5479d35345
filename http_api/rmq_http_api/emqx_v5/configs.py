"""/configs: the settings that have a counterpart here, told and changed; changes are for all nodes.

A node alone, or each node of a cluster, keeps them over a restart. What has no counterpart isn't told, and is refused
by its name. ``PUT /configs`` takes HOCON in the form of JSON, which is HOCON too.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal

import orjson
from pydantic import JsonValue, RootModel

from rmq.management.errors import ManagementError, NodeNotFound
from rmq_http_api.answers import TEXT, Answer, json_answer
from rmq_http_api.calls import Call
from rmq_http_api.emqx_v5.names import find_node
from rmq_http_api.emqx_v5.pages import V5Query
from rmq_http_api.emqx_v5.settings import TABLE, ZONE, Changes, Values, Wrong
from rmq_http_api.emqx_v5.wording import PREFIX
from rmq_http_api.errors import ApiError
from rmq_http_api.parameters import NoQuery
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService

MAX_DEPTH: Final = 8
# Keys, by EMQX's names, that are in force when their nodes are started again.
AFTER_RESTART: Final = "X-RMQ-After-Restart"

Tables = dict[str, JsonValue]


class ConfigBody(RootModel[dict[str, JsonValue]]):
    """Some of the keys of a root, or of all."""


class ConfigsQuery(V5Query):
    """One root only, and of which node."""

    key: str | None = None
    node: str | None = None


class ChangeQuery(V5Query):
    """Keys that aren't there stay as they are, in both modes: what has a counterpart is never taken out."""

    mode: Literal["merge", "replace"] = "merge"


class ConfigRoutes:
    """The routes of settings."""

    def __init__(self, service: ApiService) -> None:
        self._management = service.management

    def routes(self) -> list[AnyRoute]:
        """All of them."""
        path = f"{PREFIX}/configs"
        zone, root = f"{path}/global_zone", f"{path}/{{root}}"
        tables = (dict[str, Any],)
        return [
            Route("GET", path, "configs", "All settings", self.all, ConfigsQuery, answers=(str, dict[str, Any])),
            Route(
                "PUT",
                path,
                "configs_change",
                "Change settings",
                self.load,
                ChangeQuery,
                ConfigBody,
                answers=(str,),
                content="says anything",
            ),
            Route("GET", zone, "global_zone", "Settings of all listeners", self.zone, answers=tables),
            Route(
                "PUT",
                zone,
                "global_zone_change",
                "Change settings of all listeners",
                self.change_zone,
                NoQuery,
                ConfigBody,
                answers=tables,
            ),
            Route("GET", root, "config", "The settings of one root", self.root, answers=tables),
            Route(
                "PUT",
                root,
                "config_change",
                "Change settings of one root",
                self.change_root,
                NoQuery,
                ConfigBody,
                answers=tables,
            ),
        ]

    async def all(self, call: Call[ConfigsQuery, None]) -> Answer:
        """As text, which is HOCON in the form of JSON, indented; of the node that is asked."""
        query = call.query
        own = self._management.local.ref.node_id
        if query.node is not None and await find_node(self._management, query.node) != own:
            raise ApiError(404, "NOT_FOUND", "settings of a node are told by itself: ask it")
        told = self._told()
        if query.key is not None:
            told = {query.key: _root(told, query.key)}
        return Answer(orjson.dumps(told, option=orjson.OPT_INDENT_2) + b"\n", TEXT)

    async def load(self, call: Call[ChangeQuery, ConfigBody]) -> Answer:
        """All of it, or nothing."""
        return Answer(b"", TEXT, 200, await self._change(call.body.root))

    async def zone(self, call: Call[NoQuery, None]) -> Answer:
        """As this node has it."""
        told = self._told()
        return json_answer({root: told[root] for root in ZONE})

    async def change_zone(self, call: Call[NoQuery, ConfigBody]) -> Answer:
        """All of it, or nothing."""
        given = call.body.root
        other = sorted(set(given) - set(ZONE))
        if other:
            raise ApiError(400, "UPDATE_FAILED", f"{', '.join(other)[:200]}: isn't of the zone here")
        headers = await self._change(given)
        told = self._told()
        return json_answer({root: told[root] for root in given}, headers=headers)

    async def root(self, call: Call[NoQuery, None]) -> Answer:
        """As this node has it."""
        return json_answer(_root(self._told(), call.path.text("root")))

    async def change_root(self, call: Call[NoQuery, ConfigBody]) -> Answer:
        """All of it, or nothing."""
        root = call.path.text("root")
        _root(self._told(), root)
        headers = await self._change({root: dict(call.body.root)})
        return json_answer(_root(self._told(), root), headers=headers)

    def _values(self) -> Values:
        return self._management.local.operations.node_settings.values()

    def _told(self) -> Tables:
        values = self._values()
        return {
            root: _nested({key: entry.read(values) for key, entry in entries.items()})
            for root, entries in TABLE.items()
        }

    async def _change(self, given: Mapping[str, JsonValue]) -> Mapping[str, str]:
        """Have these in force on every node; the header that says what waits for a restart. ``ApiError`` 400."""
        changes, whose = _plan(given, self._values())
        if not changes:
            return {}
        try:
            change = await self._management.operations.change_settings(changes)
        except NodeNotFound:
            raise
        except ManagementError as error:
            raise ApiError(400, "UPDATE_FAILED", str(error)) from None
        if change.failed:
            raise ApiError(400, "UPDATE_FAILED", f"not changed on all nodes: {'; '.join(change.failed)}")
        late = sorted({whose[key] for key in change.after_restart if key in whose})
        return {AFTER_RESTART: ", ".join(late)} if late else {}


def _root(told: Tables, root: str) -> Tables:
    found = told.get(root)
    if not isinstance(found, dict):
        raise ApiError(
            404, "NOT_FOUND", f"no settings under {root[:64]} have a counterpart here: {', '.join(told)} have"
        )
    return found


def _plan(given: Mapping[str, JsonValue], values: Values) -> tuple[Changes, dict[str, str]]:
    """What of ours changes, and which of EMQX's keys each of them is for; ``ApiError`` names what can't be."""
    changes: Changes = {}
    whose: dict[str, str] = {}
    for name, value in _flat(given).items():
        root, _, key = name.partition(".")
        entry = TABLE.get(root, {}).get(key)
        if entry is None:
            raise ApiError(400, "UPDATE_FAILED", f"{name[:128]}: has no counterpart here")
        if value == entry.read(values) and type(value) is type(entry.read(values)):
            continue
        try:
            ours = entry.write(value, values)
        except Wrong as error:
            raise ApiError(400, "UPDATE_FAILED", f"{name}: {error}") from None
        for our, new in ours.items():
            if changes.setdefault(our, new) != new:
                raise ApiError(400, "UPDATE_FAILED", f"{name}: is {changes[our]!r} too, and is one setting here")
            whose[our] = name
    return changes, whose


def _flat(given: Mapping[str, JsonValue], under: str = "", depth: int = 0) -> dict[str, JsonValue]:
    if depth > MAX_DEPTH:
        raise ApiError(400, "UPDATE_FAILED", f"{under[:64]}: there are more than {MAX_DEPTH} objects in objects")
    found: dict[str, JsonValue] = {}
    for name, value in given.items():
        if isinstance(value, dict):
            found.update(_flat(value, f"{under}{name}.", depth + 1))
        else:
            found[f"{under}{name}"] = value
    return found


def _nested(values: Mapping[str, JsonValue]) -> Tables:
    found: Tables = {}
    for key, value in values.items():
        *sections, name = key.split(".")
        table = found
        for section in sections:
            inner = table.setdefault(section, {})
            assert isinstance(inner, dict), "the keys of the table are either values or sections"
            table = inner
        table[name] = value
    return found
