"""Retained messages: listed, shown, deleted; and how retaining is configured."""

import base64
import zlib
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

from rmq.management.messages.retaining import MOST, PLUGIN
from rmq.management.models import RetainedView
from rmq_http_api.answers import Answer, empty_answer, json_answer
from rmq_http_api.calls import Call
from rmq_http_api.emqx_v5.pages import Meta, PageQuery, page_answer
from rmq_http_api.emqx_v5.wording import PREFIX, Limit, rfc3339
from rmq_http_api.parameters import TOPIC_FILTER, TOPIC_NAME, WHOLE, Body, NoQuery
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict


class RetainedQuery(PageQuery):
    """Which messages, and which page of them."""

    topic: str = Field("#", description="A topic filter that matches the topic", json_schema_extra=TOPIC_FILTER)


class RetainedObject(TypedDict):
    """A retained message without its payload; ``msgid`` is made of its topic and its time."""

    msgid: str
    topic: str
    qos: int
    publish_at: str
    from_clientid: str
    from_username: str | None


class WholeRetained(RetainedObject):
    """The same with its payload in base64."""

    payload: str


class RetainedPage(TypedDict):
    """Retained messages and which page of them."""

    data: list[RetainedObject]
    meta: Meta


class Backend(TypedDict):
    """Where retained messages are."""

    type: Literal["built_in_database"]
    enable: bool
    storage_type: Literal["disc"]
    max_retained_messages: int


class RetainerConfig(TypedDict):
    """How retaining is configured; 0 is no limit, sizes in bytes, intervals in seconds."""

    enable: bool
    msg_expiry_interval: str
    msg_clear_interval: str
    max_payload_size: str
    stop_publish_clear_msg: bool
    delivery_rate: Limit
    backend: Backend


Size = Annotated[str, Field(pattern=r"^(infinity|[0-9]{1,9}B?|[0-9]{1,6}KB|[0-9]{1,3}MB|[01]GB)$")]
Interval = Annotated[str, Field(pattern=r"^(infinity|[0-9]{1,9}s|[0-9]{1,7}m|[0-9]{1,5}h|[0-9]{1,4}d)$")]
_UNITS: Final = {"": 1, "B": 1, "KB": 1024, "MB": 1024**2, "GB": 1024**3, "s": 1, "m": 60, "h": 3600, "d": 86_400}


def _only(wanted: bool) -> AfterValidator:  # a value, no switch
    def check(value: bool) -> bool:  # pydantic hands it over so
        if value is not wanted:
            raise ValueError(f"can't be other than {str(wanted).lower()} here")
        return value

    return AfterValidator(check)


AlwaysTrue = Annotated[bool, _only(True), WithJsonSchema({"type": "boolean", "const": True})]
AlwaysFalse = Annotated[bool, _only(False), WithJsonSchema({"type": "boolean", "const": False})]


class BackendBody(Body):
    """Where retained messages are: nothing but their number can be changed."""

    type: Literal["built_in_database"] = "built_in_database"
    enable: AlwaysTrue = True
    storage_type: Literal["disc"] = "disc"
    max_retained_messages: Annotated[int, Field(ge=0, le=MOST), WHOLE] | None = None


class RetainerBody(Body):
    """What is to be otherwise; of what can't be changed here only the value that it has is taken."""

    enable: AlwaysTrue = True
    msg_expiry_interval: Interval | None = None
    msg_clear_interval: Literal["0s"] = "0s"
    max_payload_size: Size | None = None
    stop_publish_clear_msg: AlwaysFalse = False
    delivery_rate: Literal["infinity"] = "infinity"
    backend: BackendBody = BackendBody()


Plain = Call[NoQuery, None]


class RetainerRoutes:
    """The routes of retained messages."""

    def __init__(self, service: ApiService) -> None:
        self._service = service
        self._management = service.management
        self._retaining = service.management.operations.retaining

    def routes(self) -> list[AnyRoute]:
        """All of them."""
        path = f"{PREFIX}/mqtt/retainer"
        messages, one = f"{path}/messages", f"{path}/message/{{topic}}"
        schemas: Any = {"topic": TOPIC_NAME}
        whole = (WholeRetained,)
        return [
            Route("GET", path, "retainer", "How retaining is configured", self.config, answers=(RetainerConfig,)),
            Route(
                "PUT",
                path,
                "change_retainer",
                "Change that, on all nodes",
                self.change_config,
                NoQuery,
                RetainerBody,
                answers=(RetainerConfig,),
            ),
            Route(
                "GET",
                messages,
                "retained_messages",
                "Retained messages",
                self.page,
                RetainedQuery,
                answers=(RetainedPage,),
            ),
            Route("DELETE", messages, "delete_all_retained", "Delete all of them", self.delete_all, status=204),
            Route("GET", one, "retained_message", "One of them", self.one, answers=whole, path_schemas=schemas),
            Route("DELETE", one, "delete_retained", "Delete one", self.delete, status=204, path_schemas=schemas),
        ]

    async def config(self, call: Plain) -> Answer:
        """As it is in force."""
        return self._config()

    async def change_config(self, call: Call[NoQuery, RetainerBody]) -> Answer:
        """As it is in force then: rmq-retainer has these keys, on every node and also after restarts."""
        body = call.body
        rules = self._retaining.rules()
        messages = body.backend.max_retained_messages
        wanted = {
            "max_retained_messages": rules.max_messages if messages is None else messages,
            "max_payload_size": _amount(body.max_payload_size, rules.max_payload_size),
            "retained_message_ttl": _amount(body.msg_expiry_interval, rules.expiry_s),
        }
        await self._management.plugin_configs.set(PLUGIN, wanted)
        return self._config()

    def _config(self) -> Answer:
        rules = self._retaining.rules()
        body: RetainerConfig = {
            "enable": True,
            "msg_expiry_interval": f"{rules.expiry_s}s",
            "msg_clear_interval": "0s",
            "max_payload_size": f"{rules.max_payload_size}B",
            "stop_publish_clear_msg": False,
            "delivery_rate": "infinity",
            "backend": {
                "type": "built_in_database",
                "enable": True,
                "storage_type": "disc",
                "max_retained_messages": rules.max_messages,
            },
        }
        return json_answer(body)

    async def page(self, call: Call[RetainedQuery, None]) -> Answer:
        """A page by topic."""
        query = call.query
        page = await self._management.retained(query.topic, query.paging())
        return await page_answer(self._service.turns, query, page, retained_object)

    async def one(self, call: Plain) -> Answer:
        """With its payload."""
        message = await self._management.retained_message(call.path.text("topic"))
        body: WholeRetained = {**retained_object(message), "payload": base64.b64encode(message.payload).decode()}
        return json_answer(body)

    async def delete(self, call: Plain) -> Answer:
        """204 when it is deleted on every node."""
        await self._management.delete_retained(call.path.text("topic"))
        return empty_answer()

    async def delete_all(self, call: Plain) -> Answer:
        """204 when they are gone; those of the broker itself ($SYS) stay."""
        await self._retaining.clear()
        return empty_answer()


def retained_object(message: RetainedView) -> RetainedObject:
    """A retained message under EMQX's names; who published it isn't kept but for the client id."""
    number = zlib.crc32(message.topic.encode())
    return {
        "msgid": f"{int(message.created_at * 1e6):016X}{number:016X}",
        "topic": message.topic,
        "qos": message.qos,
        "publish_at": rfc3339(message.created_at),
        "from_clientid": message.publisher,
        "from_username": None,
    }


def _amount(written: str | None, now: int) -> int:
    """A size in bytes or an interval in seconds; 0 is no limit."""
    if written is None:
        return now
    if written == "infinity":
        return 0
    digits = written.rstrip("BKMGsmhd")
    return int(digits) * _UNITS[written[len(digits) :]]
