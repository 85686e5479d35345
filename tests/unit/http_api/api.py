"""The API above an engine without sockets: what a request is answered, in this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import httpx
import trio
from rmq_http_api.access import Access
from rmq_http_api.app import Application
from rmq_http_api.bearers import TokenJudge
from rmq_http_api.config import HttpApiConfig
from rmq_http_api.failed_logins import FailedLogins
from rmq_http_api.routing import AnyRoute
from rmq_http_api.service import ApiService
from rmq_http_api.tables import make_table

from tests.unit.management.world import World

BASE: Final = "http://localhost:6060"


class Api:
    """An application and a client of it. ``routes`` come beside those of the dialect; ``now`` is the time of access."""

    def __init__(
        self,
        world: World | None = None,
        config: HttpApiConfig | None = None,
        *,
        routes: list[AnyRoute] | None = None,
        is_loopback: bool = True,
        address: str = "127.0.0.1",
        tokens: TokenJudge | None = None,
    ) -> None:
        self.world = world or World()
        self.config = config or HttpApiConfig()
        self.now = 1000.0
        self.bugs = 0
        self.spawned: list[Callable[[], Any]] = []
        self.passwords = self.world.passwords
        self.service = ApiService(
            self.world.service,
            self.config.max_row_limit,
            self.config.message_expiry_interval,
            "rmq-http-api",
            self.spawned.append,
        )
        self.table = make_table(self.service)
        self.table.add(routes or [])
        access = Access(
            self.config,
            self.world.service.users,
            self.world.service.api_keys,
            FailedLogins(lambda: self.now),
            is_loopback=is_loopback,
            tokens=tokens,
            clock=lambda: self.now,
        )
        self.app = Application(
            self.table, access, max_body=self.config.max_body_size, node_id=1, count_bug=self._count_bug
        )
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=True, client=(address, 50_000))
        self.client = httpx.AsyncClient(transport=transport, base_url=BASE)

    def _count_bug(self) -> None:
        self.bugs += 1

    async def ask(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """One request; ``path`` goes over the wire as it is written."""
        url = httpx.URL(BASE).copy_with(raw_path=path.encode())
        with trio.fail_after(10):
            return await self.client.request(method, url, json=json, content=content, headers=headers)

    async def get(self, path: str) -> Any:
        """The JSON of a good answer."""
        answer = await self.ask("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()


def problem(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a refusal, which has the one shape that all have."""
    body = answer.json()
    assert body.keys() == {"code", "message"} and body["message"], body
    return answer.status_code, body["code"]
