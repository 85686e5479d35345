"""Stopping and restarting the node that is asked."""

from collections.abc import Callable, Mapping

from rmq_http_api.answers import Answer
from rmq_http_api.calls import Call
from rmq_http_api.errors import ApiError
from rmq_http_api.nanomq.answers import done
from rmq_http_api.nanomq_v4.wording import PREFIX
from rmq_http_api.parameters import NoQuery
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict


class ControlAnswer(TypedDict):
    """It begins."""

    code: int


Plain = Call[NoQuery, None]


class ControlRoutes:
    """The routes that end the node; it answers before it does, and ends in good order."""

    def __init__(self, service: ApiService) -> None:
        self._operations = service.management.local.operations

    def routes(self) -> list[AnyRoute]:
        """All of them; NanoMQ's document describes the first, and its example asks the second."""
        path, shape = f"{PREFIX}/ctrl/{{action}}", (ControlAnswer,)
        return [
            Route("POST", path, "ctrl_broker", "Control broker stop or restart", self.control, answers=shape),
            Route("POST", f"{PREFIX}/restart", "restart_broker", "The same as ctrl/restart", self.again, answers=shape),
        ]

    async def control(self, call: Plain) -> Answer:
        """``stop`` or ``restart``."""
        life = self._operations.life
        actions: Mapping[str, Callable[[], None]] = {"stop": life.stop, "restart": life.restart}
        action = actions.get(call.path.text("action"))
        if action is None:
            raise ApiError(404, "BAD_ACTION", "the action must be stop or restart")
        action()
        return done()

    async def again(self, call: Plain) -> Answer:
        """Restart."""
        self._operations.life.restart()
        return done()
