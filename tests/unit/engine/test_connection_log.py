"""What the log is told of clients that come and go, and how much of it at most."""

from __future__ import annotations

import pytest

from rmq.engine.connection_log import LONGEST_TEXT, ConnectionLog
from rmq.hooks.verdicts import DENY, AuthResult
from rmq.mqtt import codes
from rmq.session.limits import Limits
from tests.support import wire
from tests.support.engine import Engine
from tests.support.packet_notation import V311

Event = dict[str, object]


@pytest.fixture(autouse=True)
def _with_lines(engine: Engine) -> None:
    engine.broker.connection_log = ConnectionLog(1000)


def events(engine: Engine) -> list[Event]:
    return [event for _, event in engine.broker.connection_log.take(engine.time)]


def test_a_client_that_comes_and_goes(engine: Engine) -> None:
    client = engine.connect("c1", keep_alive=30, username="u", password=b"secret")
    host, port, _ = client.connection.addresses()
    client.subscribe(("t", 0))
    client.publish("t", b"x")
    client.publish("t", b"y")
    engine.time += 2.5
    client.disconnect()
    came, went = events(engine)
    who = {"client_id": "c1", "username": "u", "address": f"{host}:{port}", "listener": "tcp.external"}
    assert came == {
        "event": "client connected",
        **who,
        "protocol": "5.0",
        "clean_start": True,
        "session_present": False,
        "keep_alive": 30,
    }
    sizes = went.pop("bytes_received"), went.pop("bytes_sent")
    assert sizes == (engine.counters.bytes_received, engine.counters.bytes_sent), "there is no other client"
    assert went == {
        "event": "client disconnected",
        **who,
        "duration_s": 2.5,
        "messages_received": 2,
        "messages_sent": 2,
        "reason_code": 0,
        "reason": "success",
        "text": "disconnected by the client",
    }
    assert "secret" not in str((came, went))


def test_a_session_that_is_there_is_said_to_be(engine: Engine) -> None:
    engine.connect("c", V311, clean=False).lose()
    engine.connect("c", V311, clean=False)
    first, lost, second = events(engine)
    assert (first["session_present"], second["session_present"]) == (False, True)
    assert (first["protocol"], first["clean_start"], first["username"]) == ("3.1.1", False, None)
    assert (lost["reason"], lost["text"]) == ("unspecified error", "connection reset")


def test_the_reason_is_the_one_that_ended_it(engine: Engine) -> None:
    engine.connect("c")
    engine.connect("c")
    taken = events(engine)[1]
    assert (taken["reason_code"], taken["reason"]) == (codes.SESSION_TAKEN_OVER, "session taken over")


def test_a_client_that_is_refused(engine: Engine) -> None:
    engine.hooks.register("client_connect", lambda client, connect: AuthResult(DENY), "test")
    client = engine.connect("c", username="u", password=b"secret", code=codes.NOT_AUTHORIZED)
    (event,) = events(engine)
    host, port, _ = client.connection.addresses()
    assert event == {
        "event": "client refused",
        "client_id": "c",
        "username": "u",
        "address": f"{host}:{port}",
        "listener": "tcp.external",
        "reason_code": codes.NOT_AUTHORIZED,
        "reason": "not authorized",
        "text": "not authorized",
    }


def test_who_says_nothing_is_not_worth_a_line(engine: Engine) -> None:
    engine.open().lose()
    engine.open().send(b"\x00\x00")
    assert events(engine) == []


def test_texts_of_clients_are_cut(engine: Engine) -> None:
    engine.connect("c" * 1000, username="u" * 1000)
    (event,) = events(engine)
    assert (event["client_id"], event["username"]) == ("c" * LONGEST_TEXT, "u" * LONGEST_TEXT)


def test_more_than_so_many_in_a_second_are_counted_only(engine: Engine) -> None:
    log = engine.broker.connection_log = ConnectionLog(3)
    for number in range(5):
        engine.connect(str(number))
    assert [event["client_id"] for event in events(engine)] == ["0", "1", "2"]
    engine.connect("5")
    assert events(engine) == [], "still the same second"
    engine.time += 1
    assert [event for _, event in log.take(engine.time)] == [{"event": "connection lines left out", "count": 3}]
    engine.connect("6")
    assert [event["client_id"] for event in events(engine)] == ["6"]


def test_none_at_all(engine: Engine) -> None:
    engine.broker.connection_log = ConnectionLog(0)
    engine.connect("c", limits=Limits("tcp.other")).send(wire.disconnect())
    engine.time += 1
    assert events(engine) == []
