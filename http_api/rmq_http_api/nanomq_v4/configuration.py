"""The configuration, all of it, by sections, and what can be changed without a restart."""

from collections.abc import Mapping
from typing import Final

from pydantic import JsonValue

from rmq_http_api.answers import Answer, json_answer
from rmq_http_api.calls import Call
from rmq_http_api.errors import ApiError
from rmq_http_api.nanomq.codes import SUCCEEDED
from rmq_http_api.nanomq.configuration import BASIC, Changed, Configuration, nested
from rmq_http_api.nanomq.shapes import ConfigurationObject
from rmq_http_api.nanomq_v4.wording import PREFIX
from rmq_http_api.parameters import Body, NoQuery
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict

CONFIGURATION: Final = f"{PREFIX}/configuration"
RELOAD: Final = f"{PREFIX}/reload"
SECTIONS: Final = (BASIC, "tls", "websocket", "http_server", "bridge")
# What NanoMQ changes while it runs.
LIVE: Final = (
    "property_size",
    "max_packet_size",
    "client_max_packet_size",
    "msq_len",
    "qos_duration",
    "keepalive_backoff",
    "allow_anonymous",
)


class ConfigurationBody(Body):
    """What is to be changed; what isn't there stays."""

    data: dict[str, JsonValue]


class ConfigurationAnswer(TypedDict):
    """All values; ``ignored`` are keys that are kept and have no effect."""

    code: int
    data: ConfigurationObject
    ignored: list[str]


class SectionAnswer(TypedDict):
    """One section under its name."""

    code: int
    data: dict[str, dict[str, JsonValue]]


class ReloadObject(TypedDict):
    """What can be changed without a restart; sizes in KB."""

    property_size: int
    max_packet_size: int
    client_max_packet_size: int
    msq_len: int
    qos_duration: int
    keepalive_backoff: float
    allow_anonymous: bool


class ReloadAnswer(TypedDict):
    """All of them."""

    code: int
    data: ReloadObject


class ChangeAnswer(TypedDict):
    """Keys that are in force now, that wait for a restart, and that are kept and have no effect."""

    code: int
    applied: list[str]
    after_restart: list[str]
    ignored: list[str]


Plain = Call[NoQuery, None]
Change = Call[NoQuery, ConfigurationBody]


class ConfigurationRoutes:
    """The routes of the configuration."""

    def __init__(self, service: ApiService) -> None:
        self._configuration = Configuration(service)

    def routes(self) -> list[AnyRoute]:
        """All of them."""
        section = f"{CONFIGURATION}/{{section}}"
        what = "configuration of this node"
        return [
            Route(
                "GET",
                CONFIGURATION,
                "get_broker_configuration",
                f"All {what}",
                self.all,
                answers=(ConfigurationAnswer,),
            ),
            self._changing(CONFIGURATION, "set_broker_configuration", f"Change the {what}"),
            Route("GET", section, "get_configuration", "A section of it", self.section, answers=(SectionAnswer,)),
            self._changing(section, "set_configuration", "Change a section of it"),
            Route(
                "GET",
                RELOAD,
                "get_hot_updatable_configuration",
                "What can be changed without a restart",
                self.live,
                answers=(ReloadAnswer,),
            ),
            Route(
                "POST",
                RELOAD,
                "set_hot_updatable_configuration",
                "Change that",
                self.reload,
                NoQuery,
                ConfigurationBody,
                answers=(ChangeAnswer,),
                content="says anything",
            ),
        ]

    def _changing(self, path: str, name: str, summary: str) -> AnyRoute:
        shape = (ChangeAnswer,)
        return Route(
            "POST",
            path,
            name,
            summary,
            self.change_section if "{" in path else self.change,
            NoQuery,
            ConfigurationBody,
            answers=shape,
            content="says anything",
        )

    async def all(self, call: Plain) -> Answer:
        """Everything that NanoMQ has, as it will be after a restart; secrets masked."""
        data = nested(self._configuration.told())
        return json_answer({"code": SUCCEEDED, "data": data, "ignored": self._configuration.ignored()})

    async def change(self, call: Change) -> Answer:
        """All of it, or nothing."""
        return _changed(await self._configuration.change(call.body.data))

    async def section(self, call: Plain) -> Answer:
        """One section; ``basic`` is what stands in none."""
        name = _section(call.path.text("section"))
        return json_answer({"code": SUCCEEDED, "data": {name: _of_section(nested(self._configuration.told()), name)}})

    async def change_section(self, call: Change) -> Answer:
        """A section, with its name around it or without."""
        name = _section(call.path.text("section"))
        given = call.body.data
        inner = given.get(name, given)
        if not isinstance(inner, dict):
            raise ApiError(400, "BAD_PARAMETER", f"{name}: must be an object")
        return _changed(await self._configuration.change(inner if name == BASIC else {name: inner}))

    async def live(self, call: Plain) -> Answer:
        """What NanoMQ can change while it runs."""
        told = self._configuration.told()
        return json_answer({"code": SUCCEEDED, "data": {key: told[key] for key in LIVE}})

    async def reload(self, call: Change) -> Answer:
        """Change some of these."""
        other = sorted(set(call.body.data) - set(LIVE))
        if other:
            raise ApiError(400, "BAD_PARAMETER", f"{other[0][:64]}: can't be changed by reload")
        return _changed(await self._configuration.change(call.body.data))


def _section(name: str) -> str:
    if name not in SECTIONS:
        raise ApiError(404, "BAD_SECTION", f"there is no section {name[:64]!r}, these are: {', '.join(SECTIONS)}")
    return name


def _of_section(values: Mapping[str, JsonValue], name: str) -> JsonValue:
    if name != BASIC:
        return values[name]
    return {key: value for key, value in values.items() if key not in SECTIONS}


def _changed(changed: Changed) -> Answer:
    return json_answer(
        {
            "code": SUCCEEDED,
            "applied": changed.applied,
            "after_restart": changed.after_restart,
            "ignored": changed.ignored,
        }
    )
