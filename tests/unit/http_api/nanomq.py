"""The API as scripts for NanoMQ ask it: with user and password, and with bodies that don't say what they are."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Final

import httpx
from rmq_http_api.config import HttpApiConfig

from tests.unit.http_api.api import Api
from tests.unit.management.world import World

# What curl says of a body when it is told nothing.
FORM: Final = "application/x-www-form-urlencoded"
USERS: Final = [
    {"name": "admin", "password_hash": "hash of public", "role": "administrator"},
    {"name": "viewer", "password_hash": "hash of secret"},
]


def basic(user: str, password: str) -> Mapping[str, str]:
    """The header of Basic authentication."""
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


ADMIN: Final = basic("admin", "public")
VIEWER: Final = basic("viewer", "secret")


class NanoApi(Api):
    """Every request is ``admin``'s unless it says otherwise, and no body is called JSON."""

    def __init__(self, world: World | None = None, **config: Any) -> None:
        super().__init__(world, HttpApiConfig.model_validate({"users": USERS, **config}))

    async def ask(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        sent = {**ADMIN, **({} if json is None and content is None else {"content-type": FORM}), **(headers or {})}
        return await super().ask(method, path, json=json, content=content, headers=sent)

    async def data(self, path: str) -> Any:
        """What stands in ``data`` of a good answer."""
        found = await self.get(path)
        assert found.keys() >= {"code", "data"} and found["code"] == 0, found
        return found["data"]


def problem(answer: httpx.Response) -> tuple[int, int]:
    """HTTP status and result code of a refusal."""
    body = answer.json()
    assert body.keys() == {"code", "message"} and body["message"], body
    return answer.status_code, body["code"]
