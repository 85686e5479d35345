"""/authentication: the built-in database of users of MQTT. It is always there; this API makes no authenticators."""

from typing import Annotated, Final, Literal, TypeVar

import orjson
from pydantic import Field, ValidationError

from rmq.management.accounts.mqtt_users import MAX_PASSWORD, MqttUser, SaltedHash
from rmq.management.errors import AccountExists, AccountNotFound
from rmq_http_api.answers import Answer, empty_answer, json_answer
from rmq_http_api.calls import ADMINISTRATOR, Call, PathValues
from rmq_http_api.emqx_v5.forms import uploaded
from rmq_http_api.emqx_v5.pages import Meta, PageQuery, V5Query, slice_answer
from rmq_http_api.emqx_v5.wording import PREFIX
from rmq_http_api.errors import ApiError
from rmq_http_api.parameters import Body, Flag, NoQuery, RawBody
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict

ID: Final = "password_based:built_in_database"
MAX_IMPORTED: Final = 10_000

UserId = Annotated[str, Field(min_length=1, max_length=256)]
Password = Annotated[str, Field(min_length=1, max_length=MAX_PASSWORD)]


class NewMqttUserBody(Body):
    """A user to make."""

    user_id: UserId
    password: Password
    is_superuser: bool = False


class MqttUserChangeBody(Body):
    """What is to be otherwise; what isn't there stays."""

    user_id: UserId | None = None
    password: Password | None = None
    is_superuser: bool | None = None


class MqttUsersQuery(PageQuery):
    """Which users: with a part of their name, superusers or not."""

    like_user_id: str | None = None
    is_superuser: Flag | None = None


class ImportQuery(V5Query):
    """What the file has: passwords, or EMQX's SHA-256 of salt and password, or of password and salt."""

    type: Literal["plain", "hash"] = "plain"
    salt_position: Literal["prefix", "suffix"] = "prefix"


class BroughtUserBody(Body):
    """A user with what EMQX has made of the password: 64 hexadecimal digits."""

    user_id: UserId
    password_hash: Annotated[str, Field(pattern=r"^[0-9A-Fa-f]{64}$")]
    salt: Annotated[str, Field(max_length=1024)] = ""
    is_superuser: bool = False


class HashAlgorithm(TypedDict):
    """How passwords are kept."""

    name: Literal["argon2id"]


class AuthenticatorObject(TypedDict):
    """The one authenticator that this API shows."""

    id: str
    mechanism: Literal["password_based"]
    backend: Literal["built_in_database"]
    enable: bool
    user_id_type: Literal["username"]
    password_hash_algorithm: HashAlgorithm


class MqttUserObject(TypedDict):
    """A user."""

    user_id: str
    is_superuser: bool


class MqttUsersObject(TypedDict):
    """A page of users."""

    data: list[MqttUserObject]
    meta: Meta


class ImportResult(TypedDict):
    """How many users a file had, and what became of them."""

    total: int
    success: int
    override: int
    skipped: int
    failed: int


Plain = Call[NoQuery, None]
Imported = TypeVar("Imported", NewMqttUserBody, BroughtUserBody)

AUTHENTICATOR: Final[AuthenticatorObject] = {
    "id": ID,
    "mechanism": "password_based",
    "backend": "built_in_database",
    "enable": True,
    "user_id_type": "username",
    "password_hash_algorithm": {"name": "argon2id"},
}


class AuthenticationRoutes:
    """The routes of the authenticator and its users."""

    def __init__(self, service: ApiService) -> None:
        self._users = service.management.mqtt_users
        self._turns = service.turns

    def routes(self) -> list[AnyRoute]:
        """All of them."""
        path = f"{PREFIX}/authentication"
        one = f"{path}/{{id}}"
        users = f"{one}/users"
        user = f"{users}/{{user_id}}"
        shown = (MqttUserObject,)
        return [
            Route(
                "GET",
                path,
                "authenticators",
                "Who says who clients are",
                self.all,
                answers=(list[AuthenticatorObject],),
            ),
            Route("GET", one, "authenticator", "One authenticator", self.one, answers=(AuthenticatorObject,)),
            Route(
                "GET",
                users,
                "mqtt_users",
                "The users of clients",
                self.users,
                MqttUsersQuery,
                answers=(MqttUsersObject,),
                role=ADMINISTRATOR,
            ),
            Route(
                "POST",
                users,
                "mqtt_user_create",
                "Make a user",
                self.create,
                NoQuery,
                NewMqttUserBody,
                answers=shown,
                status=201,
            ),
            Route("GET", user, "mqtt_user", "One user", self.user, answers=shown, role=ADMINISTRATOR),
            Route(
                "PUT",
                user,
                "mqtt_user_change",
                "Change a user",
                self.change,
                NoQuery,
                MqttUserChangeBody,
                answers=shown,
            ),
            Route("DELETE", user, "mqtt_user_delete", "Take a user out", self.delete, status=204),
            Route(
                "POST",
                f"{one}/import_users",
                "mqtt_users_import",
                "Make users of a file: JSON or CSV, in a form or as it is",
                self.take,
                ImportQuery,
                RawBody,
                answers=(ImportResult,),
                content="says anything",
            ),
        ]

    async def all(self, call: Plain) -> Answer:
        """The built-in database."""
        return json_answer([AUTHENTICATOR])

    async def one(self, call: Plain) -> Answer:
        """The same by its id."""
        _check_id(call.path)
        return json_answer(AUTHENTICATOR)

    async def users(self, call: Call[MqttUsersQuery, None]) -> Answer:
        """By name; no passwords."""
        _check_id(call.path)
        query = call.query
        rows = [
            user
            for user in self._users.all()
            if (query.like_user_id is None or query.like_user_id in user.name)
            and (query.is_superuser is None or query.is_superuser == user.superuser)
        ]
        return await slice_answer(self._turns, query, rows, _present)

    async def user(self, call: Plain) -> Answer:
        """One of them."""
        _check_id(call.path)
        try:
            return json_answer(_present(self._users.get(call.path.text("user_id"))))
        except AccountNotFound:
            raise _unknown() from None

    async def create(self, call: Call[NoQuery, NewMqttUserBody]) -> Answer:
        """When every node lets it in."""
        _check_id(call.path)
        body = call.body
        try:
            user = await self._users.create(body.user_id, body.password, superuser=body.is_superuser)
        except AccountExists:
            raise ApiError(409, "ALREADY_EXISTS", "User already exists") from None
        return json_answer(_present(user), 201)

    async def change(self, call: Call[NoQuery, MqttUserChangeBody]) -> Answer:
        """When it is so on every node."""
        _check_id(call.path)
        body, name = call.body, call.path.text("user_id")
        if body.user_id not in (None, name):
            raise ApiError(400, "BAD_REQUEST", "user_id: a user keeps its name")
        try:
            return json_answer(_present(await self._users.change(name, body.password, body.is_superuser)))
        except AccountNotFound:
            raise _unknown() from None

    async def delete(self, call: Plain) -> Answer:
        """When no node lets it in any more; who is connected stays so."""
        _check_id(call.path)
        try:
            await self._users.delete(call.path.text("user_id"))
        except AccountNotFound:
            raise _unknown() from None
        return empty_answer()

    async def take(self, call: Call[ImportQuery, RawBody]) -> Answer:
        """Those that are there already get the password of the file."""
        _check_id(call.path)
        brought = call.query.type == "hash"
        content, place = call.body.content, call.query.salt_position
        counts: ImportResult = {"total": 0, "success": 0, "override": 0, "skipped": 0, "failed": 0}
        if brought:
            for one in _read_users(content, BroughtUserBody):
                was_there = await self._bring(one, place)
                counts["total"] += 1
                counts["override" if was_there else "success"] += 1
        else:
            for user in _read_users(content, NewMqttUserBody):
                was_there = await self._import(user)
                counts["total"] += 1
                counts["override" if was_there else "success"] += 1
        return json_answer(counts)

    async def _bring(self, user: BroughtUserBody, place: Literal["prefix", "suffix"]) -> bool:
        """Whether there was one of that name."""
        salted = SaltedHash("sha256", place, user.salt.encode(), bytes.fromhex(user.password_hash))
        return await self._users.bring(user.user_id, salted, superuser=user.is_superuser)

    async def _import(self, user: NewMqttUserBody) -> bool:
        """The same."""
        try:
            await self._users.create(user.user_id, user.password, superuser=user.is_superuser)
        except AccountExists:
            await self._users.change(user.user_id, user.password, user.is_superuser)
            return True
        return False


def _check_id(path: PathValues) -> None:
    name = path.text("id")
    if name != ID:
        raise ApiError(404, "NOT_FOUND", f"there is no authenticator {name[:64]!r}, only {ID}")


def _unknown() -> ApiError:
    return ApiError(404, "NOT_FOUND", "User not found")


def _present(user: MqttUser) -> MqttUserObject:
    return {"user_id": user.name, "is_superuser": user.superuser}


def _read_users(content: bytes, model: type[Imported]) -> list[Imported]:
    """Users of a JSON list, or of lines with commas under one that says what is in them."""
    if content.startswith(b"--"):
        _, content = uploaded(content)
    try:
        if content.lstrip()[:1] == b"[":
            rows = orjson.loads(content)
        else:
            head, *lines = content.decode("utf-8-sig").splitlines()
            names = [name.strip() for name in head.split(",")]
            rows = [_row(names, line) for line in lines if line.strip()]
        if not 0 < len(rows) <= MAX_IMPORTED:
            raise ValueError(f"there must be from 1 to {MAX_IMPORTED}")
        return [model.model_validate(row) for row in rows]
    except ValidationError as error:
        raise ApiError(400, "BAD_REQUEST", f"a user isn't one: {error.errors()[0]['msg']}") from None
    except ValueError as error:
        raise ApiError(400, "BAD_REQUEST", f"the file has no users: {error}") from None


def _row(names: list[str], line: str) -> dict[str, object]:
    row: dict[str, object] = dict(zip(names, (text.strip() for text in line.split(",")), strict=False))
    said = row.get("is_superuser", "")
    if said not in ("true", "false", ""):
        raise ValueError("is_superuser is true or false")
    return {**row, "is_superuser": said == "true"}
