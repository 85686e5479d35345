"""/error_codes: every code that an error of this dialect may have, with its meaning."""

from rmq_http_api.answers import Answer, json_answer
from rmq_http_api.calls import Call
from rmq_http_api.emqx_v5.codes import ERROR_CODES
from rmq_http_api.emqx_v5.wording import PREFIX
from rmq_http_api.errors import ApiError
from rmq_http_api.parameters import NoQuery
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict

Plain = Call[NoQuery, None]


class ErrorCodeObject(TypedDict):
    """A code and what it means."""

    code: str
    description: str


class ErrorCodeRoutes:
    """The routes of error codes."""

    def __init__(self, service: ApiService) -> None:
        """Nothing is asked of the service."""

    def routes(self) -> list[AnyRoute]:
        """Both."""
        path, codes = f"{PREFIX}/error_codes", (list[ErrorCodeObject],)
        one = (ErrorCodeObject,)
        return [
            Route("GET", path, "error_codes", "All error codes", self.all, answers=codes),
            Route("GET", f"{path}/{{code}}", "error_code", "One error code", self.one, answers=one),
        ]

    async def all(self, call: Plain) -> Answer:
        """All of them."""
        rows: list[ErrorCodeObject] = [{"code": code, "description": ERROR_CODES[code]} for code in ERROR_CODES]
        return json_answer(rows)

    async def one(self, call: Plain) -> Answer:
        """One of them."""
        code = call.path.text("code")
        if code not in ERROR_CODES:
            raise ApiError(404, "NOT_FOUND", f"there is no error code {code[:64]}")
        row: ErrorCodeObject = {"code": code, "description": ERROR_CODES[code]}
        return json_answer(row)
