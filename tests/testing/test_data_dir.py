"""A broker that keeps its data: what is in its folder is there again, and questions are answered as of now."""

from __future__ import annotations

from pathlib import Path

import pytest

from rmq.testing import Broker, ConfigError, Session, ThreadedBroker
from tests.support import wire
from tests.support.client import Client, ConnectionClosed
from tests.support.wire import Will
from tests.support.wire_parser import Publish

pytestmark = pytest.mark.realtime


def leave_a_session(broker: ThreadedBroker, client_id: str, expiry: int = 600) -> None:
    client = Client(broker.address(), client_id)
    client.connect(properties=[(wire.SESSION_EXPIRY, expiry)])
    client.subscribe(("a", 1))
    client.disconnect()


def test_sessions_and_messages_survive_a_restart(tmp_path: Path) -> None:
    with ThreadedBroker(data_dir=tmp_path) as broker:
        leave_a_session(broker, "c")
        broker.publish("a", "kept", 1, retain=True)
        assert broker.sessions() == [Session("c", False, 600, 1)]
        for _ in range(2):
            broker.restart()
            assert broker.sessions() == [Session("c", False, 600, 1)]
            assert [message.text for message in broker.retained()] == ["kept"]
    with ThreadedBroker(data_dir=tmp_path) as broker:
        client = Client(broker.address(), "c")
        assert client.connect(clean=False).session_present
        client.receive_publish(b"kept")
        client.close()


def test_a_crash_keeps_what_was_there(tmp_path: Path) -> None:
    with ThreadedBroker(data_dir=tmp_path) as broker:
        client = Client(broker.address(), "c")
        client.connect(properties=[(wire.SESSION_EXPIRY, 600)], will=Will("gone", b"c"))
        client.subscribe(("a", 1))
        broker.publish("a", "answered", 1)
        client.receive_publish(b"answered")
        broker.publish("a", "unanswered", 1)
        broker.clock.advance(0)  # what the client has sent is taken in
        assert broker.messages("gone") == []
        broker.crash()
        assert [message.text for message in broker.messages("gone")] == ["c"]
        client.expect(Publish)
        with pytest.raises(ConnectionClosed):
            client.receive()  # and no DISCONNECT
        again = Client(broker.address(), "c")
        assert again.connect(clean=False).session_present
        again.receive_publish(b"unanswered")
        again.expect_nothing()
        client.close()
        again.close()


def test_questions_are_answered_as_of_now(tmp_path: Path) -> None:
    with ThreadedBroker(data_dir=tmp_path) as broker:
        for number in range(20):
            broker.publish(f"n/{number}", b"x", retain=True)
            assert len(broker.retained("n/+")) == number + 1


def test_time_goes_on_as_without(tmp_path: Path) -> None:
    with ThreadedBroker(data_dir=tmp_path) as broker:
        client = Client(broker.address(), "c")
        will = Will("gone", b"c", properties=[(wire.WILL_DELAY, 30)])
        client.connect(keep_alive=60, properties=[(wire.SESSION_EXPIRY, 600)], will=will)
        broker.publish("a", "1", retain=True, expiry=50)
        broker.clock.advance(689)
        assert len(broker.messages("gone")) == 1 and len(broker.sessions()) == 1 and broker.retained() == []
        broker.clock.advance(1)
        assert broker.sessions() == []
        client.close()


async def test_in_trio(tmp_path: Path) -> None:
    async with Broker(data_dir=tmp_path) as broker:
        broker.publish("a", "1", retain=True)
        assert len(broker.retained()) == 1
        await broker.restart()
        assert len(broker.retained()) == 1
        await broker.crash()
        assert len(broker.retained()) == 1


def test_a_folder_serves_one_broker_at_a_time(tmp_path: Path) -> None:
    with ThreadedBroker(data_dir=tmp_path), pytest.raises(ConfigError, match=r"node\.data_dir.*used by another"):
        ThreadedBroker(data_dir=tmp_path).start()


def test_storage_needs_a_folder_that_was_chosen(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"storage\.enable: needs a folder: give data_dir"):
        ThreadedBroker(storage={"enable": True})
    with ThreadedBroker(storage={"ack_policy": "memory"}) as broker:
        assert not list(tmp_path.iterdir()) and broker.retained() == []
    with ThreadedBroker(data_dir=tmp_path, storage={"enable": False}):
        assert not list(tmp_path.iterdir())
