"""/login and /logout: tokens for people and their programs."""

from typing import Literal

from pydantic import Field

from rmq_http_api.answers import Answer, empty_answer, json_answer
from rmq_http_api.calls import VIEWER, Call
from rmq_http_api.emqx_v5.wording import PREFIX, ErrorObject
from rmq_http_api.errors import ApiError, Unauthorized
from rmq_http_api.parameters import Body, NoQuery
from rmq_http_api.passwords import TOKEN
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict
from rmq_http_api.user_changes import UserChanges, note_login


class LoginBody(Body):
    """Who logs in. There is no second factor; EMQX's dashboard sends the field all the same."""

    username: str = Field(max_length=128)
    password: str = Field(max_length=256)
    mfa_token: str = Field("", max_length=9)


class LogoutBody(Body):
    """Whose token it is that ends."""

    username: str


class LicenseObject(TypedDict):
    """What EMQX is sold as."""

    edition: Literal["opensource"]


class TokenObject(TypedDict):
    """A token: ``Authorization: Bearer …``."""

    token: str
    version: str
    license: LicenseObject
    role: Literal["viewer", "administrator"]


class LoginRoutes:
    """Both routes."""

    def __init__(self, service: ApiService) -> None:
        self._local = service.management.local
        self._changes = UserChanges(service.management.users)

    def routes(self) -> list[AnyRoute]:
        """Logging in and out."""
        login, logout = f"{PREFIX}/login", f"{PREFIX}/logout"
        return [
            Route(
                "POST",
                login,
                "v5_login",
                "Log in: a token",
                self.log_in,
                NoQuery,
                LoginBody,
                answers=(TokenObject,),
                also={401: ErrorObject, 429: ErrorObject},
                open=True,
            ),
            Route(
                "POST",
                logout,
                "v5_logout",
                "Log out: the token that is shown ends",
                self.log_out,
                NoQuery,
                LogoutBody,
                role=VIEWER,
                login=True,
                status=204,
            ),
        ]

    async def log_in(self, call: Call[NoQuery, LoginBody]) -> Answer:
        """A token, which is good on every node."""
        try:
            caller, token = await call.logins.token(call.body.username, call.body.password)
        except Unauthorized as error:
            raise ApiError(401, "WRONG_USERNAME_OR_PWD", error.message, error.headers) from None
        note_login(caller)
        return json_answer(
            {
                "token": token,
                "version": self._local.broker_info().version,
                "license": {"edition": "opensource"},
                "role": caller.role,
            }
        )

    async def log_out(self, call: Call[NoQuery, LogoutBody]) -> Answer:
        """204; only for the user whose token it is, and other tokens of that user go on."""
        if call.caller.how != TOKEN or call.caller.name != call.body.username:
            raise ApiError(401, "WRONG_TOKEN_OR_USERNAME", "this takes a token of the user who logs out")
        await self._changes.log_out(call)
        return empty_answer()
