"""/api_key: keys for programs, with the id that EMQX calls ``api_key``."""

import re
from datetime import datetime
from typing import Annotated, Any, Final, Literal, NotRequired

import structlog
from pydantic import Field, field_validator

from rmq.management.accounts.api_keys import LATEST, ApiKey, ApiKeyChange, NewApiKey
from rmq_http_api.answers import Answer, empty_answer, json_answer, rows_answer
from rmq_http_api.calls import ADMINISTRATOR, Call, Caller
from rmq_http_api.emqx_v5.wording import INFINITY, PREFIX, rfc3339
from rmq_http_api.parameters import Body, NoQuery
from rmq_http_api.routing import AnyRoute, Route
from rmq_http_api.service import ApiService
from rmq_http_api.shapes import TypedDict

audit = structlog.get_logger("rmq.audit")

NAME: Final = re.compile(r"[A-Za-z]+[A-Za-z0-9_-]*")
MAX_NAME: Final = 256

Role = Literal["viewer", "administrator"]
Text = Annotated[str, Field(max_length=512)]
# A moment (RFC 3339), seconds since 1970, or never.
Moment = str | int


class _Expiry(Body):
    """When a key is over."""

    expired_at: Annotated[
        Moment | None,
        Field(
            json_schema_extra={
                "anyOf": [
                    {"type": "string", "format": "date-time"},
                    {"const": INFINITY},
                    {"type": "integer", "minimum": 0, "maximum": int(LATEST)},
                    {"type": "null"},
                ]
            }
        ),
    ] = None

    @field_validator("expired_at")
    @classmethod
    def _check(cls, value: Moment | None) -> Moment | None:
        _seconds(value)
        return value

    def over_at(self) -> float | None:
        """The same in seconds since 1970; None: never."""
        return _seconds(self.expired_at)


class NewKeyBody(_Expiry):
    """A key to make."""

    name: Annotated[str, Field(max_length=MAX_NAME, json_schema_extra={"pattern": f"^{NAME.pattern}$"})]
    desc: Text = ""
    enable: bool = True
    role: Role = ADMINISTRATOR

    @field_validator("name")
    @classmethod
    def _name(cls, value: str) -> str:
        if not NAME.fullmatch(value):
            raise ValueError(f"must be as ^{NAME.pattern}$")
        return value


class KeyBody(_Expiry):
    """What is to be otherwise; what isn't there stays. ``expired_at`` "infinity": never."""

    desc: Text | None = None
    enable: bool | None = None
    role: Role | None = None


class KeyObject(TypedDict):
    """A key; ``api_secret`` is in the answer that it is made with and in no other."""

    name: str
    api_key: str
    api_secret: NotRequired[str]
    desc: str
    enable: bool
    expired: bool
    expired_at: str
    created_at: str
    role: Role


Plain = Call[NoQuery, None]


class ApiKeyRoutes:
    """The routes of API keys."""

    def __init__(self, service: ApiService) -> None:
        self._keys = service.management.api_keys
        self._turns = service.turns

    def routes(self) -> list[AnyRoute]:
        """All of them."""
        keys, one = f"{PREFIX}/api_key", f"{PREFIX}/api_key/{{name}}"
        row = (KeyObject,)
        kept: dict[str, Any] = {"role": ADMINISTRATOR, "login": True}
        return [
            Route("GET", keys, "v5_api_keys", "All API keys", self.all, answers=(list[KeyObject],), **kept),
            Route(
                "POST",
                keys,
                "v5_api_key_create",
                "Make an API key",
                self.create,
                NoQuery,
                NewKeyBody,
                answers=row,
                **kept,
            ),
            Route("GET", one, "v5_api_key", "One API key", self.one, answers=row, **kept),
            Route(
                "PUT", one, "v5_api_key_change", "Change an API key", self.change, NoQuery, KeyBody, answers=row, **kept
            ),
            Route("DELETE", one, "v5_api_key_delete", "Take an API key out", self.delete, status=204, **kept),
        ]

    async def all(self, call: Plain) -> Answer:
        """By name."""
        return await rows_answer(self._turns, self._keys.all(), self._present)

    async def one(self, call: Plain) -> Answer:
        """As it is now."""
        return json_answer(self._present(self._keys.get(call.path.text("name"))))

    async def create(self, call: Call[NoQuery, NewKeyBody]) -> Answer:
        """When it opens doors on every node. As in EMQX it may be one whose time is over, which opens none."""
        body = call.body
        wanted = NewApiKey(body.name, body.role, body.enable, body.desc, body.over_at())
        key, secret = await self._keys.create(wanted)
        _note("API key made", call.caller, key)
        return json_answer({**self._present(key), "api_secret": secret})

    async def change(self, call: Call[NoQuery, KeyBody]) -> Answer:
        """When it is so on every node."""
        body = call.body
        change = ApiKeyChange(
            body.role, body.enable, body.desc, body.over_at(), sets_expiry="expired_at" in body.model_fields_set
        )
        key = await self._keys.change(call.path.text("name"), change)
        _note("API key changed", call.caller, key)
        return json_answer(self._present(key))

    async def delete(self, call: Plain) -> Answer:
        """When it opens nothing any more, on no node."""
        name = call.path.text("name")
        await self._keys.delete(name)
        caller = call.caller
        audit.info("API key taken out", key=name, user=caller.name, how=caller.how, address=caller.address)
        return empty_answer()

    def _present(self, key: ApiKey) -> dict[str, object]:
        return {
            "name": key.name,
            "api_key": key.key_id or key.name,
            "desc": key.description,
            "enable": key.enabled,
            "expired": key.is_over(self._keys.clock()),
            "expired_at": INFINITY if key.expires_at is None else rfc3339(key.expires_at),
            "created_at": rfc3339(key.created_at),
            "role": key.role,
        }


def _note(event: str, caller: Caller, key: ApiKey) -> None:
    facts = {"key": key.name, "role": key.role, "enabled": key.enabled, "expires_at": key.expires_at}
    audit.info(event, **facts, user=caller.name, how=caller.how, address=caller.address)


def _seconds(value: Moment | None) -> float | None:
    if value is None or value == INFINITY:
        return None
    try:
        found = float(value) if isinstance(value, int) else datetime.fromisoformat(value).timestamp()
    except (ValueError, OverflowError):
        raise ValueError('must be a time as in RFC 3339, or "infinity"') from None
    if not 0 <= found <= LATEST:
        raise ValueError("isn't a time between 1970 and 9999")
    return found
