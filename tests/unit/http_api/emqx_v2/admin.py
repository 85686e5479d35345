"""The API of EMQX v2 for somebody who has logged in, above an engine without sockets."""

from __future__ import annotations

import base64
from typing import Any, Final

import httpx
from rmq_http_api.config import ApiUser, HttpApiConfig

from tests.unit.http_api.api import Api
from tests.unit.management.world import World

USERS: Final = [
    ApiUser(name="ada", password_hash="hash of secret", role="administrator"),
    ApiUser(name="eve", password_hash="hash of secret", role="viewer"),
]
FORM: Final = "application/x-www-form-urlencoded"


def basic(name: str, password: str = "secret") -> str:
    """The header of somebody."""
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


class V2:
    """``api`` asked in the words of EMQX v2, bodies sent as curl's ``-d`` does."""

    def __init__(self, world: World | None = None) -> None:
        self.api = Api(world, HttpApiConfig(users=USERS))
        self.world = self.api.world

    async def ask(
        self, method: str, path: str, *, json: object = None, content: bytes | None = None, user: str = "ada"
    ) -> httpx.Response:
        """One request below /api/v2."""
        headers = {"Authorization": basic(user)} if user else {}
        if content is not None:
            headers["Content-Type"] = FORM
        return await self.api.ask(method, f"/api/v2/{path}", json=json, content=content, headers=headers)

    async def get(self, path: str) -> Any:
        """The result of a good answer."""
        return result(await self.ask("GET", path))


def result(answer: httpx.Response) -> Any:
    """What a good answer says."""
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body.keys() == {"code", "result"} and body["code"] == 0, body
    return body["result"]


def code(answer: httpx.Response) -> int:
    """The code of a refusal with status 200, which has a text for people."""
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body.keys() == {"code", "message"} and body["message"], body
    found: int = body["code"]
    return found
