"""Whether a client may publish or subscribe, and which rule says so; RMQTT has no such route."""

from typing import Annotated, Any, Literal

from pydantic import Field

from rmq.management.access.explanation import AccessCase
from rmq_http_api.answers import Answer, json_answer
from rmq_http_api.calls import Call
from rmq_http_api.parameters import Flag, Number, Query
from rmq_http_api.rmqtt_v1.wording import PREFIX
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict


class AccessQuery(Query):
    """Who wants what; what is left out behind ``retain`` is as the client is connected."""

    clientid: Annotated[str, Field(min_length=1)]
    topic: Annotated[str, Field(min_length=1)]
    action: Literal["publish", "subscribe"]
    qos: Annotated[Number, Field(ge=0, le=2)] = 0
    retain: Flag = False
    username: str | None = None
    ipaddr: str | None = None
    protocol: Annotated[Number, Field(ge=3, le=5)] | None = None
    superuser: Flag | None = None


class DecisionObject(TypedDict):
    """The decision; ``decided_by`` is a plugin, "superuser", or "" where nobody decides, ``rule`` what it goes by."""

    node: int
    clientid: str
    username: str | None
    ipaddr: str
    protocol: int
    superuser: bool
    connected: bool
    allowed: bool
    decided_by: str
    rule: dict[str, Any]


class AclRoutes:
    """The route of access tests."""

    def __init__(self, service: ApiService) -> None:
        self._operations = service.management.operations

    def routes(self) -> list[AnyRoute]:
        """It alone."""
        return [
            Route(
                "GET",
                f"{PREFIX}/acl/test",
                "acl_test",
                "Whether a client may publish or subscribe, and which rule says so",
                self.test,
                query=AccessQuery,
                answers=(DecisionObject,),
            )
        ]

    async def test(self, call: Call[AccessQuery, None]) -> Answer:
        """The decision of the node that has the client, of this one if none has."""
        query = call.query
        found = await self._operations.test_access(
            AccessCase(
                client_id=query.clientid,
                action=query.action,
                topic=query.topic,
                qos=query.qos,
                retain=query.retain,
                username=query.username,
                ip_address=query.ipaddr,
                protocol_level=query.protocol,
                superuser=query.superuser,
            )
        )
        decision: DecisionObject = {
            "node": found.node_id,
            "clientid": found.client_id,
            "username": found.username,
            "ipaddr": found.ip_address,
            "protocol": found.protocol_level,
            "superuser": found.superuser,
            "connected": found.connected,
            "allowed": found.allowed,
            "decided_by": found.decided_by,
            "rule": dict(found.rule),
        }
        return json_answer(decision)
