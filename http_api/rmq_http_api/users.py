"""/api/v1/users: the users of this API. Administrators who have logged in make them."""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, Field

from rmq.management.accounts.users import MAX_PASSWORD, MAX_TEXT, NewUser, User, UserChange
from rmq_http_api.account_routes import account_route, moment
from rmq_http_api.answers import Answer, json_answer, rows_answer
from rmq_http_api.calls import Call
from rmq_http_api.parameters import Body, NoQuery
from rmq_http_api.routing import AnyRoute
from rmq_http_api.service import ApiService
from rmq_http_api.user_changes import UserChanges

PREFIX: Final = "/api/v1/users"
MIN_PASSWORD: Final = 8
# Which names there may be, for OpenAPI: it is management that says no.
NAME: Final = r"^[A-Za-z0-9_][A-Za-z0-9._@+-]{0,127}$"

Role = Literal["viewer", "administrator"]
Text = Annotated[str, Field(max_length=MAX_TEXT)]
Password = Annotated[str, Field(min_length=MIN_PASSWORD, max_length=MAX_PASSWORD)]


class NewUserBody(Body):
    """A user to make."""

    name: str = Field(json_schema_extra={"pattern": NAME})
    password: Password
    role: Role = "viewer"
    description: Text = ""
    email: Text = ""


class UserChangeBody(Body):
    """What is to be otherwise; what isn't there stays. Another password ends all tokens of the user."""

    password: Password | None = None
    role: Role | None = None
    description: Text | None = None
    email: Text | None = None


class UserAnswer(BaseModel):
    """A user as they are shown; ``created_at`` is RFC 3339, null for the first administrator.

    ``default_password``: it is the first administrator, and has the password that everybody knows.
    """

    name: str
    role: Role
    description: str
    email: str
    created_at: str | None
    default_password: bool


class UserRoutes:
    """The routes of users."""

    def __init__(self, service: ApiService) -> None:
        self._users = service.management.users
        self._changes = UserChanges(self._users)
        self._turns = service.turns

    def routes(self) -> list[AnyRoute]:
        """All of them."""
        one = f"{PREFIX}/{{name}}"
        return [
            account_route("GET", PREFIX, "users", "All users of the API", self.all, list[UserAnswer]),
            account_route(
                "POST", PREFIX, "user_create", "Make a user of the API", self.create, UserAnswer, NewUserBody
            ),
            account_route("GET", one, "user", "One user of the API", self.one, UserAnswer),
            account_route(
                "PUT", one, "user_change", "Change a user of the API", self.change, UserAnswer, UserChangeBody
            ),
            account_route("DELETE", one, "user_delete", "Take a user of the API out", self.delete, None),
        ]

    async def all(self, call: Call[NoQuery, None]) -> Answer:
        """By name."""
        return await rows_answer(self._turns, self._users.all(), _present)

    async def one(self, call: Call[NoQuery, None]) -> Answer:
        """As they are now."""
        return json_answer(_present(self._users.get(call.path.text("name"))))

    async def create(self, call: Call[NoQuery, NewUserBody]) -> Answer:
        """When they can log in on every node."""
        body = call.body
        wanted = NewUser(body.name, body.password, body.role, body.description, body.email)
        return json_answer(_present(await self._changes.create(call.caller, wanted)))

    async def change(self, call: Call[NoQuery, UserChangeBody]) -> Answer:
        """When it is so on every node; the password comes last."""
        body, name = call.body, call.path.text("name")
        user = self._users.get(name)
        wanted = UserChange(body.role, body.description, body.email)
        if wanted != UserChange():
            user = await self._changes.change(call.caller, name, wanted)
        if body.password is not None:
            user = await self._changes.set_password(call.caller, name, body.password)
        return json_answer(_present(user))

    async def delete(self, call: Call[NoQuery, None]) -> Answer:
        """When they can log in nowhere any more."""
        await self._changes.delete(call.caller, call.path.text("name"))
        return json_answer(None)


def _present(user: User) -> dict[str, object]:
    return {
        "name": user.name,
        "role": user.role,
        "description": user.description,
        "email": user.email,
        "created_at": moment(user.created_at) if user.created_at else None,
        "default_password": user.has_default_password,
    }
