"""Retries within the time that a handler has, and the breaker in front of them; by a virtual clock."""

import ssl
from collections.abc import Callable

import pytest
import structlog
import trio
from rmq_plugins.auth_http.answers import Answer
from rmq_plugins.auth_http.asking import SHARE, Asking
from rmq_plugins.auth_http.config import AuthHttpConfig
from rmq_plugins.auth_http.endpoint import Endpoint, Request
from rmq_plugins.auth_http.placeholders import Values
from trio.testing import MockClock

from rmq.plugin_api import ALLOW, ClientInfo, NoAnswerError
from tests.plugins.acl.clients import client

BUDGET_S = 10.0
Behaviour = Callable[[int], float | str]


class World:
    """An endpoint that takes so many seconds at its n-th request, or fails in some way."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, behaves: Behaviour, **keys: object) -> None:
        self.tried: list[float] = []
        self.behaves = behaves

        async def ask(endpoint: Endpoint, request: Request, values: Values, about: ClientInfo) -> Answer:
            self.tried.append(trio.current_time())
            behaviour = self.behaves(len(self.tried))
            if isinstance(behaviour, str):
                raise NoAnswerError(behaviour, "")
            await trio.sleep(behaviour)
            return Answer(ALLOW)

        monkeypatch.setattr(Endpoint, "ask", ask)
        config = AuthHttpConfig.model_validate({"http_auth_req": {"url": "http://there/"}} | keys)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.asking = Asking(config, context, BUDGET_S, structlog.get_logger())
        request = self.asking.request(config.http_auth_req)
        assert request is not None
        self._request = request

    async def ask(self) -> str:
        """What it came to."""
        try:
            await self.asking.ask(self._request, {}, client())
        except NoAnswerError as error:
            return error.kind
        return "answered"


async def test_a_failure_is_tried_again_with_longer_pauses(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    world = World(monkeypatch, lambda tried: "status" if tried < 4 else 0)
    began = trio.current_time()
    assert await world.ask() == "answered"
    assert [round(at - began) for at in world.tried] == [0, 1, 3, 7]
    patience = world.asking.patience
    assert patience.failures == {"status": 3} and patience.retries == 3


@pytest.mark.parametrize(
    ("behaves", "keys"),
    [
        (lambda tried: 1000.0, {}),
        (lambda tried: 1000.0, {"http_timeout": "1h"}),
        (lambda tried: "connection", {"http_retry": {"times": 100}, "http_breaker": {"failures": 0}}),
        (lambda tried: 3.0 if tried == 9 else "status", {"http_retry": {"times": 100, "backoff": 1.0}}),
    ],
)
async def test_all_of_it_stays_within_the_time_of_a_handler(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock, behaves: Behaviour, keys: dict[str, object]
) -> None:
    world = World(monkeypatch, behaves, **keys)
    began = trio.current_time()
    assert await world.ask() != "answered"
    assert trio.current_time() - began <= BUDGET_S * SHARE


@pytest.mark.parametrize("kind", ["garbled", "too_large"])
async def test_what_would_come_again_is_not_asked_for_again(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock, kind: str
) -> None:
    world = World(monkeypatch, lambda tried: kind)
    assert await world.ask() == kind and len(world.tried) == 1


async def test_an_endpoint_that_fails_is_left_alone_for_a_while(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    keys = {"http_retry": {"times": 1, "interval": "10ms"}, "http_breaker": {"failures": 3, "pause": "10s"}}
    world = World(monkeypatch, lambda tried: "status", **keys)
    assert [await world.ask() for _ in range(5)] == ["status", "status", "breaker_open", "breaker_open", "breaker_open"]
    assert len(world.tried) == 3
    await trio.sleep(10)
    assert await world.ask() == "status" and len(world.tried) == 4  # one request is enough to see
    assert await world.ask() == "breaker_open"
    await trio.sleep(10)
    world.behaves = lambda tried: 0
    assert [await world.ask() for _ in range(2)] == ["answered"] * 2


async def test_a_probe_whose_client_has_gone_is_no_outcome(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    keys = {"http_retry": {"times": 0}, "http_breaker": {"failures": 1, "pause": "10s"}}
    world = World(monkeypatch, lambda tried: "status" if tried == 1 else 1.0, **keys)
    assert await world.ask() == "status"
    await trio.sleep(10)
    with trio.move_on_after(0.5):
        await world.ask()
    assert await world.ask() == "answered"
