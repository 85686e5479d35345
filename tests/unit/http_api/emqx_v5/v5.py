"""The API as somebody with a user name asks it at EMQX's paths."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Final

import httpx
from rmq_http_api.config import HttpApiConfig

from tests.unit.http_api.api import Api
from tests.unit.management.world import World

WHO: Final = {"authorization": "Basic " + base64.b64encode(b"somebody:secret").decode()}
CONFIG: Final[dict[str, Any]] = {
    "users": [{"name": "somebody", "password_hash": "hash of secret", "role": "administrator"}]
}


class V5(Api):
    """Every request says who asks; paths are behind ``/api/v5`` unless they begin with that themselves."""

    def __init__(self, world: World | None = None, **config: Any) -> None:
        super().__init__(world, HttpApiConfig.model_validate({**CONFIG, **config}))

    async def ask(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        whole = path if path.startswith(("/api/", "/api-", "/status")) else f"/api/v5{path}"
        return await super().ask(method, whole, json=json, content=content, headers={**WHO, **(headers or {})})


def problem(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a refusal, which has the one shape that all have."""
    body = answer.json()
    assert body.keys() == {"code", "message", "reason"} and body["message"] == body["reason"] != "", body
    return answer.status_code, body["code"]
