"""/mqtt/delayed: messages that are published later, and the rules for them."""

import base64
import re
from typing import Annotated, Final

from pydantic import Field

from rmq.management.errors import DelayedNotFound
from rmq.management.messages.delayed import DelayedView
from rmq_http_api.answers import Answer, empty_answer, json_answer
from rmq_http_api.calls import Call
from rmq_http_api.emqx_v5.names import find_node, named, node_names
from rmq_http_api.emqx_v5.pages import Meta, PageQuery, page_answer
from rmq_http_api.emqx_v5.wording import PREFIX, rfc3339
from rmq_http_api.errors import ApiError
from rmq_http_api.parameters import WHOLE, Body, NoQuery
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict

_ID: Final = re.compile(r"[0-9a-f-]{1,128}")


class DelayedRulesBody(Body):
    """What is to be otherwise; what isn't there stays. ``max_delayed_messages`` 0: any number."""

    enable: bool | None = None
    max_delayed_messages: Annotated[int, Field(ge=0), WHOLE] | None = None


class DelayedRulesObject(TypedDict):
    """Whether clients may delay messages, and how many may wait."""

    enable: bool
    max_delayed_messages: int


class DelayedObject(TypedDict):
    """A message that waits; ``delayed_interval`` and ``delayed_remaining`` in seconds."""

    msgid: str
    node: str
    publish_at: str
    expected_at: str
    delayed_interval: int
    delayed_remaining: int
    topic: str
    qos: int
    from_clientid: str
    from_username: str


class WholeDelayedObject(DelayedObject):
    """The same with its payload, in base64."""

    payload: str


class DelayedPage(TypedDict):
    """Messages and which page of them."""

    data: list[DelayedObject]
    meta: Meta


class DelayedRoutes:
    """The routes of delayed messages."""

    def __init__(self, service: ApiService) -> None:
        self._management = service.management
        self._delayed = service.management.operations.delayed
        self._turns = service.turns

    def routes(self) -> list[AnyRoute]:
        """All of them."""
        path = f"{PREFIX}/mqtt/delayed"
        messages = f"{path}/messages"
        one = f"{messages}/{{node}}/{{msgid}}"
        ids = {"msgid": {"pattern": f"^{_ID.pattern}$"}}
        rules, page, row = (DelayedRulesObject,), (DelayedPage,), (WholeDelayedObject,)
        return [
            Route("GET", path, "delayed_rules", "The rules for delayed messages", self.rules, answers=rules),
            Route(
                "PUT",
                path,
                "delayed_rules_change",
                "Change the rules for delayed messages, on all nodes",
                self.change_rules,
                NoQuery,
                DelayedRulesBody,
                answers=rules,
            ),
            Route("GET", messages, "delayed_messages", "Messages that wait", self.page, PageQuery, answers=page),
            Route(
                "DELETE",
                f"{messages}/{{topic}}",
                "delayed_delete_topic",
                "Take out all messages to a topic name that wait",
                self.delete_topic,
                status=204,
            ),
            Route("GET", one, "delayed_message", "One message that waits", self.one, answers=row, path_schemas=ids),
            Route(
                "DELETE",
                one,
                "delayed_delete",
                "Take out a message that waits",
                self.delete,
                status=204,
                path_schemas=ids,
            ),
        ]

    async def rules(self, call: Call[NoQuery, None]) -> Answer:
        """As they are now."""
        return self._rules()

    async def change_rules(self, call: Call[NoQuery, DelayedRulesBody]) -> Answer:
        """From now on, on every node, also after a restart."""
        await self._delayed.change_rules(call.body.enable, call.body.max_delayed_messages)
        return self._rules()

    def _rules(self) -> Answer:
        rules = self._delayed.rules()
        answer: DelayedRulesObject = {"enable": rules.enabled, "max_delayed_messages": rules.max_messages}
        return json_answer(answer)

    async def page(self, call: Call[PageQuery, None]) -> Answer:
        """By the node that took them, in the order in which they came."""
        names = await node_names(self._management)
        page = await self._delayed.messages(call.query.paging())
        now = self._management.local.broker.clock()
        return await page_answer(
            self._turns, call.query, page, lambda found: delayed_object(found, named(names, found.node_id), now)
        )

    async def one(self, call: Call[NoQuery, None]) -> Answer:
        """With its payload."""
        found = await self._find(call)
        names = await node_names(self._management)
        now = self._management.local.broker.clock()
        row = delayed_object(found, named(names, found.node_id), now)
        whole: WholeDelayedObject = {**row, "payload": base64.b64encode(found.payload).decode()}
        return json_answer(whole)

    async def delete(self, call: Call[NoQuery, None]) -> Answer:
        """It won't be published."""
        await self._delayed.delete((await self._find(call)).key)
        return empty_answer()

    async def delete_topic(self, call: Call[NoQuery, None]) -> Answer:
        """None of them will be."""
        try:
            await self._delayed.delete_topic(call.path.text("topic"))
        except DelayedNotFound as error:
            raise ApiError(404, "TOPIC_NOT_FOUND", str(error)) from None
        return empty_answer()

    async def _find(self, call: Call[NoQuery, None]) -> DelayedView:
        key = call.path.text("msgid")
        if _ID.fullmatch(key) is None:
            raise ApiError(400, "MESSAGE_ID_SCHEMA_ERROR", f"msgid: {key[:64]!r} isn't one that a list gave")
        node_id = await find_node(self._management, call.path.text("node"))
        found = self._delayed.message(key)
        if found.node_id not in (0, node_id):
            raise DelayedNotFound(key)
        return found


def delayed_object(found: DelayedView, node: str, now: float) -> DelayedObject:
    """A message under EMQX's names; who published is known by client id only."""
    return {
        "msgid": found.key,
        "node": node,
        "publish_at": rfc3339(found.created_at),
        "expected_at": rfc3339(found.due_at),
        "delayed_interval": round(found.due_at - found.created_at),
        "delayed_remaining": max(0, round(found.due_at - now)),
        "topic": found.topic,
        "qos": found.qos,
        "from_clientid": found.publisher,
        "from_username": "undefined",
    }
