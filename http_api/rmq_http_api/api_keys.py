"""/api/v1/api_keys: keys for programs. Administrators who have logged in make them; a key makes no keys."""

from datetime import datetime
from typing import Annotated, Final, Literal

import structlog
from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator, model_validator

from rmq.management.accounts.api_keys import ApiKey, ApiKeyChange, NewApiKey
from rmq.management.errors import BadQuery
from rmq_http_api.account_routes import account_route, moment
from rmq_http_api.answers import Answer, json_answer, rows_answer
from rmq_http_api.calls import Call, Caller
from rmq_http_api.parameters import WHOLE, Body, NoQuery
from rmq_http_api.routing import AnyRoute
from rmq_http_api.service import ApiService

audit = structlog.get_logger("rmq.audit")

PREFIX: Final = "/api/v1/api_keys"
# A hundred years.
LONGEST_S: Final = 3_155_760_000

# Which names there may be, for OpenAPI: it is management that says no.
NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,255}$"

Role = Literal["viewer", "administrator"]
Description = Annotated[str, Field(max_length=512)]


# Of the two ways to say when a key is over one must be left out, for OpenAPI.
NO_MOMENT: Final[JsonValue] = {"properties": {"expires_at": {"type": "null"}}}
NO_SPAN: Final[JsonValue] = {"properties": {"expires_in": {"type": "null"}}}


class _Expiry(Body):
    """When a key is over: at a moment (RFC 3339, with its offset) or in so many seconds; neither: never."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [NO_MOMENT, NO_SPAN]})

    expires_at: Annotated[str | None, Field(json_schema_extra={"format": "date-time"})] = None
    expires_in: Annotated[int, Field(ge=1, le=LONGEST_S), WHOLE] | None = None

    @field_validator("expires_at")
    @classmethod
    def _moment(cls, value: str | None) -> str | None:
        if value is not None:
            _seconds(value)
        return value

    @model_validator(mode="after")
    def _one(self) -> "_Expiry":
        if self.expires_at is not None and self.expires_in is not None:
            raise ValueError("expires_at and expires_in: one of the two")
        return self

    def over_at(self, now: float) -> float | None:
        """The same in seconds since 1970."""
        if self.expires_in is not None:
            return now + self.expires_in
        return None if self.expires_at is None else _seconds(self.expires_at)


class NewKeyBody(_Expiry):
    """A key to make."""

    name: str = Field(json_schema_extra={"pattern": NAME})
    role: Role = "viewer"
    enabled: bool = True
    description: Description = ""


class KeyChangeBody(_Expiry):
    """What is to be otherwise; what isn't there stays. ``expires_at`` null: never."""

    role: Role | None = None
    enabled: bool | None = None
    description: Description | None = None


class KeyAnswer(BaseModel):
    """A key as it is shown; times are RFC 3339. Its secret isn't: nobody has it."""

    name: str
    role: Role
    enabled: bool
    description: str
    created_at: str
    expires_at: str | None
    expired: bool


class NewKeyAnswer(KeyAnswer):
    """A new key with its secret, which is shown this once."""

    secret: str


class ApiKeyRoutes:
    """The routes of API keys."""

    def __init__(self, service: ApiService) -> None:
        self._keys = service.management.api_keys
        self._turns = service.turns

    def routes(self) -> list[AnyRoute]:
        """All of them."""
        one = f"{PREFIX}/{{name}}"
        return [
            account_route("GET", PREFIX, "api_keys", "All API keys", self.all, list[KeyAnswer]),
            account_route("POST", PREFIX, "api_key_create", "Make an API key", self.create, NewKeyAnswer, NewKeyBody),
            account_route("GET", one, "api_key", "One API key", self.one, KeyAnswer),
            account_route("PUT", one, "api_key_change", "Change an API key", self.change, KeyAnswer, KeyChangeBody),
            account_route("DELETE", one, "api_key_delete", "Take an API key out", self.delete, None),
        ]

    async def all(self, call: Call[NoQuery, None]) -> Answer:
        """By name."""
        return await rows_answer(self._turns, self._keys.all(), self._present)

    async def one(self, call: Call[NoQuery, None]) -> Answer:
        """As it is now."""
        return json_answer(self._present(self._keys.get(call.path.text("name"))))

    async def create(self, call: Call[NoQuery, NewKeyBody]) -> Answer:
        """When it opens doors on every node."""
        body = call.body
        now = self._keys.clock()
        expires_at = body.over_at(now)
        if expires_at is not None and expires_at <= now:
            raise BadQuery("expires_at", "is over already")
        wanted = NewApiKey(body.name, body.role, body.enabled, body.description, expires_at)
        key, secret = await self._keys.create(wanted)
        _note("API key made", call.caller, key)
        return json_answer({**self._present(key), "secret": secret})

    async def change(self, call: Call[NoQuery, KeyChangeBody]) -> Answer:
        """When it is so on every node."""
        body = call.body
        change = ApiKeyChange(
            body.role,
            body.enabled,
            body.description,
            body.over_at(self._keys.clock()),
            sets_expiry=not body.model_fields_set.isdisjoint(("expires_at", "expires_in")),
        )
        key = await self._keys.change(call.path.text("name"), change)
        _note("API key changed", call.caller, key)
        return json_answer(self._present(key))

    async def delete(self, call: Call[NoQuery, None]) -> Answer:
        """When it opens nothing any more, on no node."""
        name = call.path.text("name")
        await self._keys.delete(name)
        audit.info(
            "API key taken out", key=name, user=call.caller.name, how=call.caller.how, address=call.caller.address
        )
        return json_answer(None)

    def _present(self, key: ApiKey) -> dict[str, object]:
        return {
            "name": key.name,
            "role": key.role,
            "enabled": key.enabled,
            "description": key.description,
            "created_at": moment(key.created_at),
            "expires_at": None if key.expires_at is None else moment(key.expires_at),
            "expired": key.is_over(self._keys.clock()),
        }


def _note(event: str, caller: Caller, key: ApiKey) -> None:
    facts = {"key": key.name, "role": key.role, "enabled": key.enabled, "expires_at": key.expires_at}
    audit.info(event, **facts, user=caller.name, how=caller.how, address=caller.address)


def _seconds(text: str) -> float:
    try:
        found = datetime.fromisoformat(text)
        if found.tzinfo is None:
            raise ValueError
        return found.timestamp()
    except (ValueError, OverflowError):
        raise ValueError("must be a time as in RFC 3339, such as 2030-01-31T12:00:00Z") from None
