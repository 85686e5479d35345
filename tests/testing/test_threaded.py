"""ThreadedBroker: what it tells, what it does, and how it begins and ends."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rmq.testing import BrokerDownError, Client, ConfigError, Session, Subscription, ThreadedBroker
from tests.support import wire
from tests.support.client import Client as RawClient
from tests.support.client import ConnectionClosed
from tests.support.wire import Will
from tests.support.wire_parser import Disconnect, Publish
from tests.testing.conftest import Connect

pytestmark = pytest.mark.realtime

NOT_AUTHORIZED = 0x87
ADMINISTRATIVE_ACTION = 0x98
SERVER_SHUTTING_DOWN = 0x8B
# The promise of docs/testing.md; a start takes a few milliseconds on a quiet machine.
START_LIMIT_S = 0.05
# trio keeps a thread that was busy for ten seconds, in case there is more to do.
TRIO_KEEPS = "Trio thread"


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


class TestLife:
    def test_listens_on_loopback_and_stops(self) -> None:
        with ThreadedBroker() as broker:
            assert broker.host == "127.0.0.1"
            assert broker.url == f"mqtt://127.0.0.1:{broker.port}"
            assert broker.address() == broker.address("tcp.external") == (broker.host, broker.port)
            socket.create_connection(broker.address(), 5).close()
        with pytest.raises(OSError):
            socket.create_connection(broker.address(), 5)

    def test_brokers_side_by_side_do_not_meet(self) -> None:
        with ThreadedBroker() as one, ThreadedBroker() as other:
            assert one.port != other.port
            one.publish("a", "1", retain=True)
            assert other.retained() == []

    def test_starts_quickly(self) -> None:
        took = []
        for _ in range(5):
            before = time.process_time()  # of all threads; the clock on the wall would count who else uses the machine
            with ThreadedBroker():
                took.append(time.process_time() - before)
        assert min(took) < START_LIMIT_S, took

    @pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts descriptors in /proc")
    def test_leaves_no_thread_and_no_descriptor(self) -> None:
        with ThreadedBroker():
            pass  # whatever is made once in a process is there now
        threads, descriptors = set(threading.enumerate()), open_descriptors()
        for _ in range(5):
            with ThreadedBroker() as broker:
                client = RawClient(broker.address(), "c")
                client.connect()
                broker.restart()
                client.close()
        left = set(threading.enumerate()) - threads
        assert [thread for thread in left if not thread.name.startswith(TRIO_KEEPS)] == []
        assert open_descriptors() <= descriptors

    def test_a_stopping_broker_tells_its_clients(self, running: ThreadedBroker, open_client: Connect) -> None:
        client = open_client("c")
        client.connect()
        running.stop()
        assert client.expect(Disconnect).code == SERVER_SHUTTING_DOWN

    def test_a_client_that_does_not_leave_holds_nothing_up(self, running: ThreadedBroker, open_client: Connect) -> None:
        open_client("c").connect()
        before = time.perf_counter()
        running.stop()
        assert time.perf_counter() - before < 5
        running.stop()  # twice is once

    def test_outage_and_restart_keep_the_address(self, running: ThreadedBroker, open_client: Connect) -> None:
        address = running.address()
        running.publish("a", "1", retain=True)
        client = open_client("c")
        client.connect()
        with running.outage():
            assert client.expect(Disconnect).code == SERVER_SHUTTING_DOWN
            with pytest.raises(OSError):
                socket.create_connection(address, 5)
            with pytest.raises(BrokerDownError, match="down"):
                running.clients()
        assert running.address() == address
        assert running.retained() == []  # it was in memory
        assert [message.text for message in running.messages()] == ["1"]  # what the test saw stays
        open_client("c").connect()
        assert running.wait_for_client("c").client_id == "c"

    def test_after_a_crash_nothing_is_remembered(self, running: ThreadedBroker, open_client: Connect) -> None:
        client = open_client("c")
        client.connect(properties=[(wire.SESSION_EXPIRY, 600)], will=Will("gone", b"c"))
        address = running.address()
        running.crash()
        client.expect_closed()
        assert running.address() == address
        assert running.sessions() == [] and running.messages("gone") == []

    def test_is_entered_once(self) -> None:
        with ThreadedBroker() as broker, pytest.raises(RuntimeError, match="once"):
            broker.start()

    def test_asked_before_and_after(self) -> None:
        broker = ThreadedBroker()
        with pytest.raises(BrokerDownError, match="with"):
            _ = broker.port
        with pytest.raises(BrokerDownError, match="with"):
            broker.clients()
        with broker:
            pass
        with pytest.raises(BrokerDownError, match="stopped"):
            broker.clients()

    def test_stopped_while_somebody_waits(self, running: ThreadedBroker) -> None:
        raised: list[BaseException] = []

        def wait() -> None:
            try:
                running.wait_for_message("never", timeout=30)
            except BrokerDownError as error:
                raised.append(error)

        waiting = threading.Thread(target=wait)
        waiting.start()
        running.publish("turn", "")  # the order of calls is the order of their effects: the wait may still be to come
        running.stop()
        waiting.join(20)
        assert len(raised) == 1

    def test_a_failure_of_the_broker_reaches_the_test(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object) -> None:
            raise KeyError("a bug")

        broker = ThreadedBroker()
        broker.start()
        # A bug in a task of the node is told and survived; one in the telling isn't.
        monkeypatch.setattr("rmq.engine.broker.Broker.advance_timers", fail)
        monkeypatch.setattr("rmq.engine.broker.Broker.report_bug", fail)
        with pytest.raises(BrokerDownError, match="a bug"):
            broker.wait_for_message("never", timeout=10)
        with pytest.raises(BrokerDownError, match="failed"):
            broker.clients()
        with pytest.raises(BrokerDownError, match="failed") as raised:
            broker.stop()
        cause = raised.value.__cause__
        assert isinstance(cause, ExceptionGroup) and cause.subgroup(KeyError) is not None


class TestSettings:
    def test_are_those_of_the_configuration_file(self) -> None:
        with ThreadedBroker(mqtt={"max_sessions": 1}, listener={"tcp": {"external": {"max_qos_allowed": 0}}}) as broker:
            first, second = RawClient(broker.address(), "first"), RawClient(broker.address(), "second")
            assert dict(first.connect().properties)[wire.MAXIMUM_QOS] == 0
            second.connect(code=0x97)
            with pytest.raises(TimeoutError, match=r"'second' isn't connected.*'first'.*refused: 'second'.*quota"):
                broker.wait_for_client("second", timeout=0.01)
            first.close()
            second.close()

    def test_every_listener_gets_a_free_port(self) -> None:
        with ThreadedBroker(listener={"tcp": {"external": {}, "internal": {"addr": "[::1]:0"}}}) as broker:
            assert broker.host == "127.0.0.1"
            assert broker.address("tcp.internal")[0] == "::1"
            with pytest.raises(LookupError, match=r"tcp\.external, tcp\.internal"):
                broker.address("tcp.other")
            address = broker.address("tcp.internal")
            broker.restart()
            assert broker.address("tcp.internal") == address

    def test_the_only_listener_is_the_one_meant(self) -> None:
        with ThreadedBroker(listener={"tcp": {"mine": {"addr": "[::1]:0"}}}) as broker:
            assert broker.url == f"mqtt://[::1]:{broker.port}"
            socket.create_connection(broker.address(), 5).close()

    def test_listeners_of_other_kinds(self, tmp_path: Path) -> None:
        path = tmp_path / "socket"
        with ThreadedBroker(listener={"ws": {"external": {}}, "unix": {"external": {"path": str(path)}}}) as broker:
            assert broker.url == f"ws://127.0.0.1:{broker.port}"
            broker.restart()
            socket.create_connection(broker.address("ws.external"), 5).close()
            assert path.is_socket()

    @pytest.mark.parametrize(
        ("settings", "key"),
        [
            ({"mqtt": {"max_sesions": 1}}, r"mqtt\.max_sesions.*did you mean max_sessions"),
            ({"mqqt": {}}, "mqqt: unknown key"),
            ({"listener": {"tcp": {"external": {"max_inflight": 0}}}}, r"listener\.tcp\.external\.max_inflight"),
            ({"listener": {"tcp": 5}}, r"listener\.tcp"),
            ({"listener": 5}, "listener"),
            ({"node": 5}, "node"),
        ],
    )
    def test_a_wrong_key_is_named(self, settings: dict[str, Any], key: str) -> None:
        with pytest.raises(ConfigError, match=f"(?s)rmq.testing: {key}"):
            ThreadedBroker(**settings)

    @pytest.mark.parametrize("plugins", [{"default_startups": ["nonsense"]}, {"rmq-acl": {"nonsense": 1}}])
    def test_wrong_plugins_are_named_at_the_start(self, plugins: dict[str, object]) -> None:
        broker = ThreadedBroker(plugins=plugins)
        with pytest.raises(ConfigError, match="nonsense"):
            broker.start()
        broker.stop()

    def test_an_address_that_is_taken_is_named(self, running: ThreadedBroker) -> None:
        broker = ThreadedBroker(listener={"tcp": {"external": {"addr": f"127.0.0.1:{running.port}"}}})
        with pytest.raises(ConfigError, match=r"listener\.tcp\.external\.addr: .*in use"):
            broker.start()

    def test_nothing_else_has_a_say(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "etc").mkdir()
        (tmp_path / "etc" / "rmq.toml").write_text("nonsense = 1")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("RMQ_NONSENSE__KEY", "1")
        with ThreadedBroker():
            pass
        assert [path.name for path in tmp_path.iterdir()] == ["etc"]  # and nothing is left behind

    def test_what_was_given_is_not_changed(self) -> None:
        listener: dict[str, object] = {"tcp": {"external": {}}}
        with ThreadedBroker(listener=listener):
            assert listener == {"tcp": {"external": {}}}


class TestMessages:
    def test_of_clients_wills_and_the_test(self, running: ThreadedBroker, open_client: Connect) -> None:
        client = open_client("c")
        client.connect(will=Will("state/c", b"gone", 1, True))
        client.publish(
            "data/c",
            b'{"t": 20.5}',
            properties=[(wire.CONTENT_TYPE, "application/json"), (wire.USER_PROPERTY, ("a", "b"))],
        )
        client.close()
        assert running.wait_for_message("state/#").text == "gone"
        assert running.publish("data/test", b"x") == 0
        first, second = running.messages("data/+")
        assert (first.topic, first.json(), first.qos, first.publisher) == ("data/c", {"t": 20.5}, 1, "c")
        assert (first.content_type, first.user_properties) == ("application/json", (("a", "b"),))
        assert (second.topic, second.payload, second.publisher) == ("data/test", b"x", "")
        assert [message.topic for message in running.messages()] == ["data/c", "state/c", "data/test"]
        assert [message.topic for message in running.retained("state/#")] == ["state/c"]

    def test_a_refused_message_was_not_published(self) -> None:
        rules = [["deny", "all", "publish", ["secret/#"]], ["allow", "all"]]
        with ThreadedBroker(plugins={"rmq-acl": {"rules": rules}}) as broker:
            client = RawClient(broker.address(), "c")
            client.connect()
            client.publish("open/a")
            client.send_publish("secret/a")
            client.expect_disconnect(NOT_AUTHORIZED)
            client.close()
            assert [message.topic for message in broker.messages()] == ["open/a"]

    def test_reaches_subscribers_with_its_properties(self, running: ThreadedBroker, open_client: Connect) -> None:
        client = open_client("c")
        client.connect()
        client.subscribe(("ask", 1))
        matched = running.publish(
            "ask",
            "?",
            1,
            expiry=60,
            content_type="text/plain",
            response_topic="answer",
            correlation_data=b"7",
            user_properties=[("a", "1"), ("a", "2")],
        )
        assert matched == 1
        publish = client.expect(Publish)
        assert (publish.payload, publish.qos) == (b"?", 1)
        properties = dict(publish.properties)
        assert properties[wire.MESSAGE_EXPIRY] in (59, 60)
        assert properties[wire.RESPONSE_TOPIC] == "answer"
        assert properties[wire.CORRELATION_DATA] == b"7"
        assert properties[wire.CONTENT_TYPE] == "text/plain"
        users = [value for number, value in publish.properties if number == wire.USER_PROPERTY]
        assert users == [("a", "1"), ("a", "2")]

    def test_waits_until_there_are_enough(self, running: ThreadedBroker, open_client: Connect) -> None:
        client = open_client("c")
        client.connect()
        client.send_publish("n", b"1")
        client.send_publish("n", b"2")
        assert [message.text for message in running.wait_for_messages("n", 2)] == ["1", "2"]
        with pytest.raises(TimeoutError, match=r"after 0\.01 s no 3 messages on 'n': 2 came; published was on n"):
            running.wait_for_messages("n", 3, timeout=0.01)
        running.forget_messages()
        with pytest.raises(TimeoutError, match="no message on 'n': 0 came; published was on nothing"):
            running.wait_for_message("n", timeout=0.01)

    def test_of_the_system_are_asked_for_by_name(self, running: ThreadedBroker) -> None:
        assert "connections.count" in running.wait_for_message("$SYS/brokers/+/stats").json()
        assert running.messages() == [] and running.retained() == []

    @pytest.mark.parametrize("topic", ["", "a/#", "+", "a\0b"])
    def test_a_wrong_topic_is_an_error(self, running: ThreadedBroker, topic: str) -> None:
        with pytest.raises(ValueError, match="topic name"):
            running.publish(topic, b"")

    def test_other_mistakes_are_errors(self, running: ThreadedBroker) -> None:
        with pytest.raises(ValueError, match="QoS"):
            running.publish("a", b"", 3)
        with pytest.raises(ValueError, match="response topic"):
            running.publish("a", b"", response_topic="#")
        for ask in (running.messages, running.retained, running.wait_for_message):
            for topic_filter in ("", "a/#/b", "$share/g/a"):
                with pytest.raises(ValueError, match="topic filter"):
                    ask(topic_filter)


class TestClients:
    def test_who_is_connected(self, running: ThreadedBroker, open_client: Connect) -> None:
        open_client("five").connect(keep_alive=30, username="ann", password=b"secret")
        open_client("four", 4).connect(clean=False, keep_alive=0)
        open_client("three", 3).connect()
        five, four, three = running.clients()
        assert (five.client_id, five.username, five.protocol, five.keepalive) == ("five", "ann", "5.0", 30)
        assert (four.username, four.protocol, four.keepalive, four.clean_start) == (None, "3.1.1", 0, False)
        assert three.protocol == "3.1"
        assert five.address[0] == "127.0.0.1" and five.listener == "tcp.external"
        assert five.connected_at == pytest.approx(time.time(), abs=60)
        assert "secret" not in repr(five)

    def test_waiting_for_one(self, running: ThreadedBroker, open_client: Connect) -> None:
        client = open_client("c")
        with pytest.raises(TimeoutError, match=r"client 'c' isn't connected; connected: nothing$"):
            running.wait_for_client("c", timeout=0.01)
        found: list[Client] = []
        waiting = threading.Thread(target=lambda: found.append(running.wait_for_client()))
        waiting.start()
        client.connect()
        waiting.join(10)
        assert found == running.clients()
        with pytest.raises(TimeoutError, match="client 'c' is still connected"):
            running.wait_for_disconnect("c", timeout=0.01)
        client.close()
        running.wait_for_disconnect("c")
        assert running.clients() == []

    def test_kicking_one(self, running: ThreadedBroker, open_client: Connect) -> None:
        client = open_client("c")
        client.connect()
        running.kick("c")
        assert client.expect(Disconnect).code == ADMINISTRATIVE_ACTION
        with pytest.raises(ConnectionClosed):
            client.expect(Disconnect)
        with pytest.raises(LookupError, match="client 'c' isn't connected; connected: nothing"):
            running.kick("c")

    def test_cutting_one(self, running: ThreadedBroker, open_client: Connect) -> None:
        client = open_client("c")
        client.connect(will=Will("gone", b"c"))
        running.cut("c")
        client.expect_closed()
        assert running.clients() == []
        assert [message.text for message in running.messages("gone")] == ["c"]
        with pytest.raises(LookupError, match="client 'c' isn't connected"):
            running.cut("c")

    def test_sessions_and_subscriptions(self, running: ThreadedBroker, open_client: Connect) -> None:
        kept = open_client("kept")
        kept.connect(properties=[(wire.SESSION_EXPIRY, 600)])
        kept.subscribe(("a/#", 1), ("$share/g/b", 0x2A))
        kept.close()
        running.wait_for_disconnect("kept")
        other = open_client("other")
        other.connect()
        other.subscribe("c", properties=[(wire.SUBSCRIPTION_ID, 9)])
        running.publish("a/b", b"", 1)
        assert running.sessions() == [Session("kept", False, 600, 1), Session("other", True, 0, 0)]
        assert running.subscriptions() == [
            Subscription("kept", "a/#", 1),
            Subscription("kept", "$share/g/b", 2, False, True, 2),
            Subscription("other", "c", 0, subscription_id=9),
        ]

    def test_waiting_for_a_subscription(self, running: ThreadedBroker, open_client: Connect) -> None:
        client = open_client("c")
        client.connect()
        with pytest.raises(TimeoutError, match="any client has no subscription 'a'; subscriptions: nothing"):
            running.wait_for_subscription("a", timeout=0.01)
        client.send(wire.subscribe(1, [("a", 1)]))
        assert running.wait_for_subscription("a", "c") == Subscription("c", "a", 1)
        with pytest.raises(TimeoutError, match="client 'd' has no subscription 'a'; subscriptions: 'a' of 'c'"):
            running.wait_for_subscription("a", "d", timeout=0.01)


class TestThreads:
    def test_waiting_goes_on_through_an_outage(self, running: ThreadedBroker, open_client: Connect) -> None:
        found: list[object] = []
        waits: list[Callable[[], object]] = [
            lambda: running.wait_for_client("c"),
            lambda: running.wait_for_subscription("a"),
            lambda: running.wait_for_message("a"),
        ]
        threads = [threading.Thread(target=lambda wait=wait: found.append(wait())) for wait in waits]
        for thread in threads:
            thread.start()
        running.restart()
        client = open_client("c")
        client.connect()
        client.subscribe("a")
        running.publish("a", "1")
        for thread in threads:
            thread.join(10)
        assert len(found) == 3

    def test_any_thread_may_call(self, running: ThreadedBroker) -> None:
        def publish() -> None:
            for number in range(50):
                running.publish("n", str(number))

        threads = [threading.Thread(target=publish) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert len(running.messages("n")) == 200

    def test_the_own_thread_is_told_not_to_wait_for_itself(self, running: ThreadedBroker) -> None:
        told: list[BaseException] = []

        def ask(_core: object) -> None:
            try:
                running.clients()
            except RuntimeError as error:
                told.append(error)

        call: Callable[[Callable[[object], None]], None] = running._call
        call(ask)
        assert "own thread" in str(told[0])
