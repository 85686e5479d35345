"""Users of the API: logging in, users made, shown, changed and taken out, passwords.

A user of EMQX v2 may do everything, whatever its ``role`` says. Here ``viewer`` only reads, and everything else is an
administrator.
"""

from typing import Annotated

from pydantic import ConfigDict, Field

from rmq.management.accounts.users import NewUser, User, UserChange
from rmq_http_api.answers import Answer
from rmq_http_api.calls import ADMINISTRATOR, VIEWER, Call
from rmq_http_api.emqx_v2.pages import Loose
from rmq_http_api.emqx_v2.wording import (
    DONE,
    EMPTY_CREDENTIALS,
    PREFIX,
    WRONG_CREDENTIALS,
    answers_of,
    done,
    local_time,
    refused,
    result_answer,
)
from rmq_http_api.errors import Unauthorized
from rmq_http_api.parameters import Body
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict
from rmq_http_api.user_changes import UserChanges, note_login

Plain = Call[Loose, None]
Text = Annotated[str, Field(max_length=512)]


class LooseBody(Body):
    """EMQX v2 looks at no key that it doesn't know."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class LoginBody(LooseBody):
    """Who logs in."""

    username: str
    password: str


class NewUserBody(LooseBody):
    """A user to make. ``tags`` is an older name of ``remark``."""

    username: str
    password: str
    email: Text = ""
    role: Text = ADMINISTRATOR
    remark: Text | None = None
    tags: Text = ""


class UserBody(LooseBody):
    """What is to be otherwise; what isn't there stays."""

    email: Text | None = None
    role: Text | None = None
    remark: Text | None = None
    tags: Text | None = None


class PasswordBody(LooseBody):
    """The password of now, and the one to come."""

    old_pwd: str
    new_pwd: str


class UserObject(TypedDict):
    """A user; ``created_at`` is "undefined" for the first administrator."""

    username: str
    email: str
    role: str
    remark: str
    created_at: str


class UserRoutes:
    """The routes of users."""

    def __init__(self, service: ApiService) -> None:
        self._users = service.management.users
        self._changes = UserChanges(self._users)

    def routes(self) -> list[AnyRoute]:
        """All of them."""
        users, one, password = f"{PREFIX}/users", f"{PREFIX}/users/{{username}}", f"{PREFIX}/change_pwd/{{username}}"
        rows, row = answers_of(list[UserObject]), answers_of(UserObject)
        return [
            Route(
                "POST",
                f"{PREFIX}/auth",
                "v2_auth",
                "Whether name and password are right",
                self.log_in,
                Loose,
                LoginBody,
                answers=DONE,
                open=True,
                content="says anything",
            ),
            Route("GET", users, "v2_users", "All users", self.all, Loose, answers=rows, login=True),
            Route(
                "POST",
                users,
                "v2_user_create",
                "Make a user",
                self.create,
                Loose,
                NewUserBody,
                answers=DONE,
                login=True,
                content="says anything",
            ),
            Route("GET", one, "v2_user", "One user", self.one, Loose, answers=row, login=True),
            Route(
                "PUT",
                one,
                "v2_user_change",
                "Change a user",
                self.change,
                Loose,
                UserBody,
                answers=DONE,
                login=True,
                content="says anything",
            ),
            Route("DELETE", one, "v2_user_delete", "Take a user out", self.delete, Loose, answers=DONE, login=True),
            Route(
                "PUT",
                password,
                "v2_change_pwd",
                "Change a password",
                self.change_password,
                Loose,
                PasswordBody,
                answers=DONE,
                role=VIEWER,
                login=True,
                content="says anything",
            ),
        ]

    async def log_in(self, call: Call[Loose, LoginBody]) -> Answer:
        """Whether they are right; nothing else follows from it."""
        try:
            caller = await call.logins.check(call.body.username, call.body.password)
        except Unauthorized as error:
            return refused(EMPTY_CREDENTIALS if error.what == "empty" else WRONG_CREDENTIALS, error.message)
        note_login(caller)
        return done()

    async def all(self, call: Plain) -> Answer:
        """By name."""
        return result_answer([_present(user) for user in self._users.all()])

    async def one(self, call: Plain) -> Answer:
        """As they are now."""
        return result_answer(_present(self._users.get(call.path.text("username"))))

    async def create(self, call: Call[Loose, NewUserBody]) -> Answer:
        """When they can log in on every node."""
        body = call.body
        if not body.username or not body.password:
            return refused(EMPTY_CREDENTIALS, "neither the user name nor the password may be empty")
        remark = body.tags if body.remark is None else body.remark
        await self._changes.create(
            call.caller, NewUser(body.username, body.password, _role(body.role), remark, body.email)
        )
        return done()

    async def change(self, call: Call[Loose, UserBody]) -> Answer:
        """When it is so on every node."""
        body = call.body
        role = None if body.role is None else _role(body.role)
        remark = body.tags if body.remark is None else body.remark
        await self._changes.change(call.caller, call.path.text("username"), UserChange(role, remark, body.email))
        return done()

    async def delete(self, call: Plain) -> Answer:
        """When they can log in nowhere any more."""
        await self._changes.delete(call.caller, call.path.text("username"))
        return done()

    async def change_password(self, call: Call[Loose, PasswordBody]) -> Answer:
        """When it counts on every node."""
        await self._changes.change_password(call, call.path.text("username"), call.body.old_pwd, call.body.new_pwd)
        return done()


def _role(written: str) -> str:
    return VIEWER if written == VIEWER else ADMINISTRATOR


def _present(user: User) -> UserObject:
    return {
        "username": user.name,
        "email": user.email,
        "role": user.role,
        "remark": user.description,
        "created_at": local_time(user.created_at or None),
    }
