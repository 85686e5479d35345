"""/alarms: what a person should see to on any node, and what was."""

from collections.abc import Mapping

from pydantic import Field

from rmq.management.node.alarms import AlarmView
from rmq_http_api.answers import Answer, empty_answer
from rmq_http_api.calls import Call
from rmq_http_api.emqx_v5.pages import Meta, PageQuery, missing_header, slice_answer
from rmq_http_api.emqx_v5.wording import INFINITY, PREFIX, rfc3339
from rmq_http_api.parameters import Body, Flag, NoQuery
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict


class AlarmsQuery(PageQuery):
    """Alarms that are on, or those that are over."""

    activated: Flag = True


class AlarmBody(Body):
    """Which alarm."""

    name: str = Field(min_length=1)


class AlarmObject(TypedDict):
    """An alarm; ``duration`` in milliseconds, ``deactivate_at`` "infinity" while it is on."""

    node: str
    name: str
    message: str
    details: Mapping[str, object]
    duration: int
    activate_at: str
    deactivate_at: str


class AlarmsPage(TypedDict):
    """Alarms and which page of them."""

    data: list[AlarmObject]
    meta: Meta


class AlarmRoutes:
    """The routes of alarms."""

    def __init__(self, service: ApiService) -> None:
        self._management = service.management
        self._turns = service.turns

    def routes(self) -> list[AnyRoute]:
        """All of them."""
        path = f"{PREFIX}/alarms"
        return [
            Route("GET", path, "alarms", "Alarms, on or over", self.page, AlarmsQuery, answers=(AlarmsPage,)),
            Route("DELETE", path, "forget_alarms", "Forget the alarms that are over", self.forget, status=204),
            Route(
                "POST",
                f"{path}/force_deactivate",
                "deactivate_alarm",
                "Put an alarm off until what is wrong was right once",
                self.deactivate,
                NoQuery,
                AlarmBody,
                status=204,
            ),
        ]

    async def page(self, call: Call[AlarmsQuery, None]) -> Answer:
        """Newest first."""
        gathered = await self._management.operations.alarms(activated=call.query.activated)
        now = self._management.local.broker.clock()
        headers = missing_header(gathered.missing)
        return await slice_answer(
            self._turns, call.query, list(gathered.answers), lambda alarm: alarm_object(alarm, now), headers
        )

    async def forget(self, call: Call[NoQuery, None]) -> Answer:
        """On all nodes."""
        return empty_answer(missing_header((await self._management.operations.forget_alarms()).missing))

    async def deactivate(self, call: Call[NoQuery, AlarmBody]) -> Answer:
        """On all nodes where it is on."""
        await self._management.operations.deactivate_alarm(call.body.name)
        return empty_answer()


def alarm_object(alarm: AlarmView, now: float) -> AlarmObject:
    """An alarm under EMQX's names."""
    end = alarm.deactivated_at
    return {
        "node": alarm.node.name,
        "name": alarm.name,
        "message": alarm.message,
        "details": alarm.details,
        "duration": round(1000 * ((now if end is None else end) - alarm.activated_at)),
        "activate_at": rfc3339(alarm.activated_at),
        "deactivate_at": INFINITY if end is None else rfc3339(end),
    }
