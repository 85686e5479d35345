"""rmq-auth-db in a running node, beside each kind of database, seen by clients and by administrators."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.integration.http_api.http import Http
from tests.plugins.auth_db.conftest import OpenFilled
from tests.plugins.auth_db.filling import Filled, InSqlite
from tests.plugins.auth_db.test_stores import NASTY
from tests.support import wire
from tests.support.broker_process import BrokerProcess
from tests.support.client import Client
from tests.support.database_server import SECRET
from tests.support.packet_notation import V311
from tests.support.wire import Will
from tests.support.wire_parser import Connack, Puback

pytestmark = pytest.mark.realtime

NOT_AUTHORIZED: Final = 0x87
BAD_LOGIN: Final = 0x86
UNAVAILABLE: Final = 0x88
WAIT_S: Final = 20.0
PASSWORD: Final = b"tell-nobody"
QUICK: Final[Mapping[str, object]] = {
    "timeout": "500ms",
    "retry": {"times": 1, "interval": "50ms"},
    "breaker": {"failures": 4, "pause": "300ms"},
    "disconnect_if_pub_rejected": False,
    "no_match": "deny",
}
NewClient = Callable[..., Client]


class Place:
    """A node whose plugin has its keys in a file that a test may change."""

    def __init__(self, folder: Path, keys: Mapping[str, object]) -> None:
        self.plugins = folder / "plugins"
        self.plugins.mkdir()
        self.write(keys)
        self.node = BrokerProcess(
            folder, [f"plugins.dir={self.plugins}", 'plugins.default_startups=["rmq-auth-db","rmq-http-api"]']
        )
        self.address = self.node.address
        self.api = Http.of(self.node)

    def write(self, keys: Mapping[str, object]) -> None:
        """The plugin's file."""
        lines = [f"{key} = {_toml(value)}" for key, value in keys.items()]
        (self.plugins / "rmq-auth-db.toml").write_text("\n".join(lines) + "\n")

    def do(self, what: str, method: str = "PUT") -> int:
        """Load, unload or reload it."""
        return self.api.ask(method, f"/api/v1/plugins/1/rmq-auth-db/{what}").status

    @property
    def auth(self) -> dict[str, int]:
        """How often who was found."""
        found = self.attrs["auth"]
        assert isinstance(found, dict)
        return found

    @property
    def attrs(self) -> dict[str, object]:
        """What the API shows of it."""
        found = self.api.ask("GET", "/api/v1/plugins/1/rmq-auth-db").json["attrs"]
        assert isinstance(found, dict)
        return found


def _toml(value: object) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_toml(inner)}" for key, inner in value.items()) + " }"
    return json.dumps(value)


@pytest.fixture(scope="module")
def places(open_filled: OpenFilled, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Filled], Place]]:
    """A node beside each database, that ends before it."""
    started: dict[str, Place] = {}

    def of(filled: Filled) -> Place:
        if filled.backend not in started:
            folder = tmp_path_factory.mktemp("node")
            started[filled.backend] = Place(folder, {**filled.options, **QUICK})
        return started[filled.backend]

    yield of
    for place in started.values():
        ended_well(place)


def ended_well(place: Place) -> None:
    assert place.node.stop() == 0, place.node.log[-4000:]
    log = place.node.log
    assert "Traceback" not in log and SECRET not in log and PASSWORD.decode() not in log, log[-4000:]


@pytest.fixture
def place(filled: Filled, places: Callable[[Filled], Place]) -> Place:
    """The node beside ``filled``."""
    return places(filled)


@pytest.fixture
def served_place(served: Filled, places: Callable[[Filled], Place]) -> Place:
    """The node beside ``served``."""
    return places(served)


def publish(client: Client, topic: str) -> int:
    client.send_publish(topic, b"x", 1)
    code = client.expect(Puback).code
    return 0 if code == 0x10 else code  # no subscribers is as good


def log_in(new_client: NewClient, place: Place, client_id: str, name: str, code: int = 0) -> Client:
    client = new_client(place.address, client_id)
    client.connect(username=name, password=PASSWORD, code=code)
    return client


def come_back(new_client: NewClient, place: Place, client_id: str, name: str) -> None:
    """Log in as a client does that is told to come back: until it is let in."""
    deadline = time.monotonic() + WAIT_S
    while True:
        client = new_client(place.address, client_id)
        client.send(wire.connect(client_id, username=name, password=PASSWORD))
        code = client.expect(Connack).code
        if code == 0:
            return
        assert code == UNAVAILABLE and time.monotonic() < deadline, "nobody comes in again"
        threading.Event().wait(0.05)  # the node takes so many connections a second


def test_users_and_rules(place: Place, filled: Filled, new_client: NewClient) -> None:
    filled.add_user("bob", PASSWORD.decode())
    filled.add_user("root", PASSWORD.decode(), superuser=True)
    filled.add_rule("bob", "deny", "all", "up/bob/secret")
    filled.add_rule("bob", "allow", "publish", "up/${username}/#", position=1)
    filled.add_rule("bob", "allow", "subscribe", "down/${clientid}/+", position=1)
    before = place.auth
    bob = log_in(new_client, place, "b-1", "bob")
    assert [publish(bob, topic) for topic in ("up/bob/x", "up/bob/secret", "up/ann/x", "else")] == [
        0,
        NOT_AUTHORIZED,
        NOT_AUTHORIZED,
        NOT_AUTHORIZED,
    ]
    assert bob.subscribe("down/b-1/+", "down/+/+", "#").codes == [0, NOT_AUTHORIZED, NOT_AUTHORIZED]
    root = log_in(new_client, place, "r-1", "root")
    assert root.subscribe("#").codes == [0] and publish(bob, "up/bob/x") == 0
    for name in ("BOB", "bob ", "nobody"):
        log_in(new_client, place, "b-2", name, code=BAD_LOGIN)
    new_client(place.address, "b-3").connect(username="bob", password=b"wrong", code=BAD_LOGIN)
    new_client(place.address, "b-4", V311).connect(username="bob", password=b"wrong", code=4)
    new_client(place.address, "b-5").connect(code=BAD_LOGIN)  # without a name
    will = Will("up/ann/will", b"")
    new_client(place.address, "b-6").connect(username="bob", password=PASSWORD, will=will, code=NOT_AUTHORIZED)
    attrs = place.attrs
    assert attrs["backend"] == filled.backend and attrs["breaker"] == "closed"
    counted = {what: count - before[what] for what, count in place.auth.items()}
    assert counted == {"allowed": 3, "denied": 2, "unknown": 4, "failed": 0, "busy": 0}


def test_what_a_client_calls_itself_opens_no_door(place: Place, filled: Filled, new_client: NewClient) -> None:
    filled.add_user("bob", PASSWORD.decode(), superuser=True)
    filled.add_rule("bob", "allow", "all", "#")
    filled.add_user("ann", PASSWORD.decode())
    failures = place.attrs["failures"]
    for nasty in NASTY:
        log_in(new_client, place, "x", nasty, code=BAD_LOGIN)
        client = log_in(new_client, place, nasty, "ann")
        assert publish(client, "t") == NOT_AUTHORIZED, nasty
        client.close()
    log_in(new_client, place, "x", "bob")
    assert place.attrs["failures"] == failures and place.attrs["breaker"] == "closed"


def test_while_the_server_is_gone_clients_are_told_to_come_back_and_do(
    served_place: Place, served: Filled, new_client: NewClient
) -> None:
    served.add_user("bob", PASSWORD.decode())
    served.add_rule("bob", "allow", "all", "t")
    place = served_place
    other = log_in(new_client, place, "o", "bob")
    assert publish(other, "t") == 0
    served.server.kill()
    try:
        for number in range(6):
            log_in(new_client, place, f"g-{number}", "bob", code=UNAVAILABLE)
            assert publish(other, "t") == 0 and publish(other, f"t/{number}") == NOT_AUTHORIZED
        new_client(place.address, "g-3", V311).connect(username="bob", password=PASSWORD, code=3)
        assert place.attrs["breaker"] != "closed"
    finally:
        served.server.start()
    served.empty()
    served.add_user("bob", PASSWORD.decode())
    come_back(new_client, place, "g-4", "bob")
    assert place.attrs["breaker"] == "closed"


def test_while_the_server_hangs_nobody_else_waits(served_place: Place, served: Filled, new_client: NewClient) -> None:
    served.add_user("bob", PASSWORD.decode())
    served.add_rule("bob", "allow", "all", "t")
    place = served_place
    other = log_in(new_client, place, "o", "bob")
    assert publish(other, "t") == 0
    waiting = [new_client(place.address, f"h-{number}") for number in range(8)]
    served.server.freeze()
    try:
        for number, client in enumerate(waiting):
            client.send(wire.connect(f"h-{number}", username="bob", password=PASSWORD))
        longest_s = 0.0
        for _ in range(50):
            began = time.monotonic()
            assert publish(other, "t") == 0
            longest_s = max(longest_s, time.monotonic() - began)
        for client in waiting:
            assert client.expect(Connack).code == UNAVAILABLE
        assert longest_s < 0.4, longest_s  # a question takes 0.5 s until it is given up
    finally:
        served.server.thaw()
    deadline = time.monotonic() + WAIT_S
    while place.attrs["connections_busy"]:
        assert time.monotonic() < deadline, "a connection is busy for ever"
    come_back(new_client, place, "h-9", "bob")


def test_loaded_unloaded_and_reloaded(tmp_path: Path, new_client: NewClient) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    one, other = InSqlite(first), InSqlite(second)
    one.add_user("bob", PASSWORD.decode())
    one.add_rule("bob", "allow", "all", "t")
    other.add_user("ann", PASSWORD.decode())
    place = Place(tmp_path, {**one.options, **QUICK})
    bob = log_in(new_client, place, "l-1", "bob")
    assert publish(bob, "t") == 0

    place.write({**other.options, **QUICK, "auth_query": "SELECT nothing FROM mqtt_user"})
    assert place.do("config/reload") >= 400
    place.write({**other.options, **QUICK, "auth_qurey": ""})
    assert place.do("config/reload") >= 400
    log_in(new_client, place, "l-2", "bob")

    place.write({**other.options, **QUICK})
    assert place.do("config/reload") == 200
    log_in(new_client, place, "l-3", "bob", code=BAD_LOGIN)
    log_in(new_client, place, "l-3", "ann")
    assert publish(bob, "t") == NOT_AUTHORIZED  # rules are those of the new one

    assert place.do("unload") == 200
    new_client(place.address, "l-4").connect(username="anybody", password=b"x")
    assert publish(bob, "t") == 0
    assert place.do("load") == 200
    log_in(new_client, place, "l-5", "bob", code=BAD_LOGIN)
    ended_well(place)


def test_passwords_of_databases_are_shown_to_nobody(tmp_path: Path) -> None:
    away = {"backend": "postgresql", "server": "127.0.0.1:1", "database": "m", "password": SECRET}
    place = Place(tmp_path, {**QUICK, **away})
    shown = place.api.ask("GET", "/api/v1/plugins/1/rmq-auth-db/config").text
    assert json.dumps(SECRET)[1:-1] not in shown and "password" in shown
    assert "gives no answer yet" in place.node.log
    ended_well(place)


def test_by_default_users_are_in_a_file_among_the_nodes_data(tmp_path: Path, new_client: NewClient) -> None:
    place = Place(tmp_path, {})
    try:
        (path,) = (tmp_path / "data").rglob("users.db")
        assert path.stat().st_mode & 0o077 == 0 and path.parent.name == "rmq-auth-db"
        new_client(place.address, "d-1").connect(username="bob", password=PASSWORD, code=BAD_LOGIN)
    finally:
        assert place.node.stop() == 0
