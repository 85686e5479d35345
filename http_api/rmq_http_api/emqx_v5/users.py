"""/users: who may log in, and their passwords."""

from typing import Annotated, Literal

from pydantic import Field

from rmq.management.accounts.users import ADMIN, MAX_TEXT, NewUser, User, UserChange
from rmq.management.errors import AdminStays, WrongPassword
from rmq_http_api.answers import Answer, empty_answer, json_answer, rows_answer
from rmq_http_api.calls import ADMINISTRATOR, VIEWER, Call
from rmq_http_api.emqx_v5.wording import PREFIX
from rmq_http_api.errors import ApiError
from rmq_http_api.parameters import Body, NoQuery
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict
from rmq_http_api.user_changes import UserChanges

Role = Literal["viewer", "administrator"]
Text = Annotated[str, Field(max_length=MAX_TEXT)]
NewPassword = Annotated[str, Field(min_length=8, max_length=64)]


class NewUserBody(Body):
    """A user to make."""

    username: Annotated[str, Field(min_length=1, max_length=100)]
    password: NewPassword
    role: Role = ADMINISTRATOR
    description: Text = ""


class UserBody(Body):
    """What is to be otherwise; what isn't there stays."""

    role: Role | None = None
    description: Text | None = None


class PasswordBody(Body):
    """The password of now, and the one to come."""

    old_pwd: Annotated[str, Field(min_length=1, max_length=256)]
    new_pwd: NewPassword


class UserObject(TypedDict):
    """A user."""

    username: str
    role: Role
    description: str
    backend: Literal["local"]


Plain = Call[NoQuery, None]


class UserRoutes:
    """The routes of users."""

    def __init__(self, service: ApiService) -> None:
        self._users = service.management.users
        self._changes = UserChanges(self._users)
        self._turns = service.turns

    def routes(self) -> list[AnyRoute]:
        """All of them."""
        users, one = f"{PREFIX}/users", f"{PREFIX}/users/{{username}}"
        rows, row = (list[UserObject],), (UserObject,)
        return [
            Route("GET", users, "v5_users", "All users", self.all, answers=rows, login=True),
            Route(
                "POST",
                users,
                "v5_user_create",
                "Make a user",
                self.create,
                NoQuery,
                NewUserBody,
                answers=row,
                login=True,
            ),
            Route(
                "PUT", one, "v5_user_change", "Change a user", self.change, NoQuery, UserBody, answers=row, login=True
            ),
            Route("DELETE", one, "v5_user_delete", "Take a user out", self.delete, login=True, status=204),
            Route(
                "POST",
                f"{one}/change_pwd",
                "v5_change_pwd",
                "Change a password",
                self.change_password,
                NoQuery,
                PasswordBody,
                role=VIEWER,
                login=True,
                status=204,
            ),
        ]

    async def all(self, call: Plain) -> Answer:
        """By name."""
        return await rows_answer(self._turns, self._users.all(), _present)

    async def create(self, call: Call[NoQuery, NewUserBody]) -> Answer:
        """When they can log in on every node."""
        body = call.body
        user = await self._changes.create(
            call.caller, NewUser(body.username, body.password, body.role, body.description)
        )
        return json_answer(_present(user))

    async def change(self, call: Call[NoQuery, UserBody]) -> Answer:
        """When it is so on every node."""
        change = UserChange(call.body.role, call.body.description)
        try:
            user = await self._changes.change(call.caller, call.path.text("username"), change)
        except AdminStays as error:
            raise ApiError(400, "NOT_ALLOWED", str(error)) from None
        return json_answer(_present(user))

    async def delete(self, call: Plain) -> Answer:
        """When they can log in nowhere any more; nobody takes himself out."""
        name = call.path.text("username")
        if name == ADMIN:
            raise ApiError(400, "NOT_ALLOWED", f"the user {ADMIN!r} can't be taken out")
        if name == call.caller.name:
            raise ApiError(400, "NOT_ALLOWED", "nobody takes himself out")
        await self._changes.delete(call.caller, name)
        return empty_answer()

    async def change_password(self, call: Call[NoQuery, PasswordBody]) -> Answer:
        """When it counts on every node."""
        try:
            await self._changes.change_password(call, call.path.text("username"), call.body.old_pwd, call.body.new_pwd)
        except WrongPassword as error:
            raise ApiError(400, "ERROR_PWD_NOT_MATCH", str(error)) from None
        return empty_answer()


def _present(user: User) -> dict[str, object]:
    return {"username": user.name, "role": user.role, "description": user.description, "backend": "local"}
