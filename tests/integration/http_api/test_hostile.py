"""Fifty requests that mean harm, to every dialect: each is refused in its words at once; MQTT feels little of it."""

from __future__ import annotations

import base64
import json
import statistics
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import pytest

from tests.integration.http_api.http import Answer, Http
from tests.integration.http_api.places import SETS
from tests.support.broker_process import BrokerProcess
from tests.support.client import Client

LOGIN: Final = "Basic " + base64.b64encode(b"admin:public").decode()
JSON: Final = {"Content-Type": "application/json"}
LIMIT_S: Final = 1.0
# How often MQTT's 99th percentile is taken, quiet and beside the requests, and of how many messages at least.
ROUNDS: Final = 5
MESSAGES: Final = 250
# So many times the quiet one it may be. A message waits for a slice of the work on requests, some 2 ms
# (docs/architecture.md), where it is there and back in 1 ms or less: 2 to 4 times was measured. Ten times is a request
# that isn't cut into slices.
MOST: Final = 10.0


@dataclass(frozen=True)
class Dialect:
    """Where a dialect takes a message, asks for one client and has nothing. ``one`` is "": only ``publish`` is its."""

    name: str
    publish: str
    one: str
    nothing: str

    def check(self, answer: Answer) -> None:
        """A refusal in its style: EMQX's version 2 and NanoMQ may say it with HTTP 200 and a code."""
        if self.name == "emqx_v2" and answer.status == 401:
            return  # which has no body there
        found = json.loads(answer.body)
        if self.name == "emqx_v5":
            assert 400 <= answer.status < 500 and found.keys() >= {"code", "message", "reason"}, answer
            assert found["code"].isupper()
        elif self.name == "rmqtt_v1":
            assert 400 <= answer.status < 500 and found.keys() == {"code", "message"}, answer
        elif self.name == "emqx_v2":
            # Nobody of an odd name is an empty list there.
            is_nobody = found.get("result") == {"objects": []}
            assert answer.status < 500 and (is_nobody or found["code"] != 0), answer
        else:
            assert 400 <= answer.status < 500 and found["code"] in NANOMQ_CODES, answer


NANOMQ_CODES: Final = frozenset(range(101, 119))
DIALECTS: Final = (
    Dialect("rmqtt_v1", "/api/v1/mqtt/publish", "/api/v1/clients/{}", "/api/v1/nothing"),
    Dialect("emqx_v5", "/api/v5/publish", "/api/v5/clients/{}", "/api/v5/nothing"),
    Dialect("emqx_v2", "/api/v2/mqtt/publish", "/api/v2/clients/{}", "/api/v2/nothing"),
    Dialect("nanomq_v4", "/api/v4/mqtt/publish", "/api/v4/clients/{}", "/api/v4/nothing"),
    # All of it is one path and one method, of which everything is asked in the body.
    Dialect("nanomq_v1", "/api/v1", "", ""),
)
DEEP: Final = b"[" * 100_000
TOPICS: Final[tuple[Any, ...]] = (None, 1, True, [], {}, "a/#", "+", "", "a\u0000b")
PAYLOADS: Final[tuple[Any, ...]] = (None, 1, [], {})
QOS: Final[tuple[Any, ...]] = (-1, 3, 10**30, "x", None, 1.5)
RETAIN: Final[tuple[Any, ...]] = ("yes", [], {})
WRONG: Final[tuple[Any, ...]] = (
    *(None, True, 1, 1.5, "x", [], [[]], {}),
    *({"topic": value, "payload": "x"} for value in TOPICS),
    *({"topic": "t", "payload": value} for value in PAYLOADS),
    *({"topic": "t", "payload": "x", "qos": value} for value in QOS),
    *({"topic": "t", "payload": "x", "retain": value} for value in RETAIN),
)
REQ: Final[tuple[Any, ...]] = (None, True, 1.5, "2", [], {}, -1, 0, 1, 3, 6, 13, 2**31, 10**30)
SEQ: Final[tuple[Any, ...]] = (None, True, 1.5, "1", [], {}, 10**30)
DATA: Final[tuple[Any, ...]] = (None, 1, "x", [], [[]], {"msq_len": -1}, {"no_such": 1})
REQUESTS: Final[tuple[Any, ...]] = (
    *({"req": value, "seq": 1} for value in REQ),
    *({"req": 2, "seq": value} for value in SEQ),
    *({"req": 12, "seq": 1, "data": value} for value in DATA),
    *({"req": 2}, {"seq": 1}, {"req": 2, "seq": 1, "more": 1}),
)
BYTES: Final = (
    *(b"", b"{", b"\xff\xfe", b"{}" * 2, DEEP, b'{"topic":' + DEEP, b'{"a":1e999}', b"nul"),
    b'{"topic": "' + b"x" * 2_000_000 + b'"}',
)
PATHS: Final = (
    *("%", "%zz", "%ff", "%c0%af", "%00", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "x" * 9000, "%25" * 100),
    *("..%2f", "a%0d%0aSet-Cookie:%20a=b", "%e2%80%ae", ";x=y"),
)
FLOODS: Final[tuple[Mapping[str, str], ...]] = (
    {f"X-{number}": "y" for number in range(2000)},
    {"X-Long": "y" * 100_000},
    {"Authorization": "Basic " + "A" * 9000},
    {"Authorization": "Bearer " + "e30." * 1000},
    {"Content-Length": "-1"},
    {"Content-Length": "abc"},
)


def started(directory: Path) -> Iterator[BrokerProcess]:
    """A node that has no bug to tell of when it ends."""
    process = BrokerProcess(directory, SETS)
    try:
        yield process
    finally:
        process.stop()
    assert "Traceback" not in process.log and "bug in the HTTP API" not in process.log


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    yield from started(tmp_path_factory.mktemp("hostile"))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    """The node that gets the requests while the one with MQTT is quiet."""
    yield from started(tmp_path_factory.mktemp("other"))


@dataclass
class Traffic:
    """A client that sends a message to itself, again and again, and how long each took."""

    address: tuple[str, int]
    took_s: list[float] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def is_alive(self) -> bool:
        """Whether it goes on."""
        return self._thread.is_alive()

    def _run(self) -> None:
        client = Client(self.address, "traffic")
        try:
            client.connect()
            client.subscribe(("traffic", 0))
            while not self._stop.wait(0.0005):
                began = time.monotonic()
                client.send_publish("traffic", b"x", 0)
                client.receive_publish(b"x")
                self.took_s.append(time.monotonic() - began)
        finally:
            client.close()


Hostile = tuple[str, str, bytes | None, Mapping[str, str]]


def hostile(dialect: Dialect) -> Iterator[Hostile]:
    """Fifty and more: method, path, body, headers."""
    for body in (*WRONG, *(() if dialect.one else REQUESTS)):
        yield "POST", dialect.publish, json.dumps(body).encode(), JSON
    for content in BYTES:
        yield "POST", dialect.publish, content, JSON
    if not dialect.one:
        for headers in FLOODS:
            yield "POST", dialect.publish, b"{", {**JSON, **headers}
        yield "POST", f"{dialect.publish}?{'a=1&' * 5000}", b"{", JSON
        return
    for path in PATHS:
        yield "GET", dialect.one.format(path), None, {}
    for headers in FLOODS:
        yield "GET", dialect.nothing, None, headers
    yield "POST", dialect.nothing, b"x" * 100_000, JSON
    yield "GET", f"{dialect.nothing}?{'a=1&' * 5000}", None, {}


def send(http: Http, dialect: Dialect, request: Hostile) -> float:
    """One request, refused as it must be; how long that took, in seconds."""
    method, path, content, headers = request
    what = (method, path[:80], (content or b"")[:80], str(headers)[:80])
    # Credentials of its own, and a connection of its own, as an attacker who knows some.
    sent = {"Authorization": LOGIN, **headers} if dialect.name != "rmqtt_v1" else dict(headers)
    began = time.monotonic()
    try:
        answer = http.send(method, path, content, sent)
    except OSError:
        return time.monotonic() - began  # not even HTTP: the connection is ended
    assert answer.status < 500, (what, answer)
    if answer.headers.get("content-type", "").startswith("application/json"):
        dialect.check(answer)
    else:
        assert answer.status >= 400, (what, answer)
    return answer.took_s


def p99(took_s: list[float]) -> float:
    """What 99 of 100 took at most."""
    return sorted(took_s)[int(len(took_s) * 0.99)]


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_hostile_requests(node: BrokerProcess, other: BrokerProcess, dialect: Dialect) -> None:
    """MQTT at a node that is asked is held against MQTT at the same node while another one is asked the same: this
    program, and whatever else the machine does, slows both. The middle round counts; of each request its fastest.
    """
    requests = list(hostile(dialect))
    assert len(requests) >= 50
    took_s = [float("inf")] * len(requests)
    ratios = []
    with Traffic(node.address) as traffic:
        for number_of_round in range(-1, ROUNDS):
            times = []
            for asked in (Http.of(other), Http.of(node)):
                begin = len(traffic.took_s)
                while len(traffic.took_s) < begin + MESSAGES:
                    assert traffic.is_alive, "the client of MQTT has ended"
                    for number, request in enumerate(requests):
                        took_s[number] = min(took_s[number], send(asked, dialect, request))
                times.append(p99(traffic.took_s[begin:]))
            if number_of_round >= 0:  # the first one warms up
                ratios.append(times[1] / times[0])
    assert max(took_s) < LIMIT_S, requests[took_s.index(max(took_s))][:2]
    assert statistics.median(ratios) < MOST, ratios
