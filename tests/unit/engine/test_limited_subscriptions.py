"""`$exclusive/` and `$limit/` inside the engine: who counts, what replaces what, what counts before it is applied."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rmq.engine.admin import Change, subscribe_client
from rmq.engine.ports import ClusterPort
from rmq.hooks.verdicts import ALLOW, DENY
from rmq.mqtt.packets import SubscriptionRequest, Will
from rmq.session.receipts import Receipt
from rmq.storage.records import Operation
from rmq.storage.state import State
from tests.support import wire
from tests.support.engine import Client, Engine
from tests.support.wire_parser import Suback, Unsuback

FULL = 0x97
INVALID = 0x8F


class LaterPort(ClusterPort):
    """Applies what is proposed when the test says so, as a journal does."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._epoch = 0
        self.proposed: list[tuple[Operation, Receipt | None]] = []

    def propose(self, operation: Operation, receipt: Receipt | None = None) -> bool:
        self.proposed.append((operation, receipt))
        return False

    def claim(
        self, client_id: str, will: Will | None, claimed: Callable[[int], None], refused: Callable[[], None]
    ) -> None:
        self._epoch += 1
        claimed(self._epoch)

    def release(self, client_id: str, epoch: int) -> None:
        """Nobody else asks for it."""

    def apply(self) -> None:
        while self.proposed:
            entries, self.proposed = self.proposed, []
            for operation, receipt in entries:
                self._state.apply(operation)
                if receipt is not None:
                    receipt.applied()


@pytest.fixture(autouse=True)
def _switched_on(engine: Engine) -> None:
    engine.limits.limit_subscription = True


@pytest.fixture
def later(engine: Engine) -> LaterPort:
    port = LaterPort(engine.broker.state)
    engine.broker.cluster = port
    return port


def persistent(engine: Engine, later: LaterPort, name: str) -> Client:
    """A connected client with a session that outlives its connection."""
    client = engine.open()
    client.send(wire.connect(name, 5, True, 0, [(wire.SESSION_EXPIRY, 100)]))
    later.apply()
    engine.turn()
    client.read()
    return client


def ask(client: Client, *filters: str) -> None:
    """SUBSCRIBE without waiting for the SUBACK."""
    client.send(wire.subscribe(client.next_packet_id(), [(name, 1) for name in filters]))


def nothing_is_left(engine: Engine) -> bool:
    """No session has anything: then nothing may be remembered of limited subscriptions."""
    return not engine.broker.ctx.router.limited and not engine.broker.limited._proposed


def test_limits_of_one_filter_hold_together(engine: Engine) -> None:
    one, two, three = (engine.connect(name) for name in ("one", "two", "three"))
    assert one.subscribe(("$limit/3/t", 1)) == [1]
    assert two.subscribe(("$exclusive/t", 1)) == [FULL], "not alone"
    assert two.subscribe(("$limit/2/t", 1)) == [1]
    assert three.subscribe(("$limit/3/t", 1)) == [FULL], "one holder wants no more than two"
    assert three.subscribe(("$limit/3/t/#", 1), ("$exclusive/+", 1)) == [1, 1], "other filters"
    two.disconnect()
    assert three.subscribe(("$limit/3/t", 1)) == [1]
    one.disconnect()
    three.disconnect()
    assert nothing_is_left(engine)


def test_plain_and_shared_subscriptions_neither_count_nor_are_refused(engine: Engine) -> None:
    plain, shared, owner = (engine.connect(name) for name in ("plain", "shared", "owner"))
    assert plain.subscribe(("t", 1)) == [1]
    assert shared.subscribe(("$share/g/t", 1)) == [1]
    assert owner.subscribe(("$exclusive/t", 1)) == [1]
    assert engine.connect("late").subscribe(("t", 1), ("$share/g/t", 1)) == [1, 1]


def test_one_filter_is_one_subscription_however_it_is_limited(engine: Engine) -> None:
    client, other = engine.connect("c"), engine.connect("other")
    for key in ("t", "$exclusive/t", "$limit/2/t"):
        assert client.subscribe((key, 1)) == [1]
        assert list(engine.session("c").subscriptions or ()) == [key]
        assert engine.broker.ctx.router.subscription_count == 1
    assert other.subscribe(("$limit/2/t", 1)) == [1], "no longer exclusive"
    other.publish("t", b"once")
    assert client.payloads() == other.payloads() == [b"once"]
    assert client.subscribe(("t", 0)) == [0]
    other.disconnect()
    assert nothing_is_left(engine)
    client.send(wire.unsubscribe(9, ["t"]))
    assert client.take(Unsuback).codes == [0]
    assert engine.broker.ctx.router.subscription_count == 0


def test_an_access_rule_is_asked_about_the_filter_itself(engine: Engine) -> None:
    asked: list[str] = []

    def check(client: object, topic_filter: str, qos: int) -> int:
        asked.append(topic_filter)
        return DENY if topic_filter.startswith("secret") else ALLOW

    engine.hooks.register("client_subscribe_check_acl", check, "test")
    client = engine.connect("c")
    keys = ["$exclusive/secret/#", "$limit/2/secret", "$exclusive/open", "$limit/x/t", "$share/g/t"]
    assert client.subscribe(*((key, 0) for key in keys)) == [0x87, 0x87, 0, INVALID, 0]
    assert asked == ["secret/#", "secret", "open", "$limit/x/t", "$share/g/t"]


def test_the_listener_s_rules_are_about_the_filter_itself(engine: Engine) -> None:
    engine.limits.max_topic_levels = 2
    client = engine.connect("c")
    assert client.subscribe(("$limit/3/a/b", 0), ("$limit/3/a/b/c", 0)) == [0, INVALID], "levels of the filter itself"
    engine.limits.wildcard_subscription_available = False
    assert client.subscribe(("$exclusive/#", 0)) == [0xA2]


def test_switched_off_such_filters_are_refused(engine: Engine) -> None:
    engine.limits.limit_subscription = False
    client = engine.connect("c")
    assert client.subscribe(("$exclusive/t", 0), ("$limit/2/t", 0), ("$limit/x/t", 0)) == [INVALID] * 3


def test_an_administrator_s_subscription_counts_alike(engine: Engine) -> None:
    one, two = engine.connect("one"), engine.connect("two", expiry=100)
    request = [SubscriptionRequest("$exclusive/t", 1)]
    done: list[bool] = []
    for client, code in ((two, 1), (one, FULL)):
        change = Change(engine.broker, lambda: done.append(True))
        assert subscribe_client(engine.broker, client.channel, request, change) == [code]
        change.seal()
    assert one.subscribe(("$exclusive/t", 1)) == [FULL]
    assert done == [True, True]
    assert not engine.broker.limited._proposed


def test_what_is_proposed_counts_before_it_is_applied(engine: Engine, later: LaterPort) -> None:
    owner, other = persistent(engine, later, "owner"), persistent(engine, later, "other")
    passing = engine.connect("passing")
    ask(owner, "$exclusive/t", "$limit/2/u")
    ask(other, "$exclusive/t", "$limit/2/u")
    assert passing.subscribe(("$limit/5/t", 1), ("$limit/2/u", 1)) == [FULL, FULL]
    assert owner.read() == other.read() == [], "nothing is applied yet, so nothing is answered"
    later.apply()
    engine.turn()
    assert owner.take(Suback).codes == [1, 1]
    assert other.take(Suback).codes == [FULL, 1]
    assert not engine.broker.limited._proposed
    assert passing.subscribe(("$exclusive/t", 1), ("$limit/2/u", 1)) == [FULL, FULL]


def test_ownership_lasts_until_the_removal_is_applied(engine: Engine, later: LaterPort) -> None:
    owner, passing = persistent(engine, later, "owner"), engine.connect("passing")
    ask(owner, "$exclusive/t")
    later.apply()
    engine.turn()
    owner.send(wire.unsubscribe(8, ["$exclusive/t"]))
    assert passing.subscribe(("$exclusive/t", 1)) == [FULL]
    later.apply()
    assert passing.subscribe(("$exclusive/t", 1)) == [1]
    passing.disconnect()
    assert nothing_is_left(engine)


def test_a_connection_that_ends_before_it_is_applied_leaves_nothing_behind(engine: Engine, later: LaterPort) -> None:
    owner, passing = persistent(engine, later, "owner"), engine.connect("passing")
    ask(owner, "$exclusive/t")
    owner.lose()
    assert passing.subscribe(("$exclusive/t", 1)) == [FULL]
    later.apply()
    assert not engine.broker.limited._proposed, "though there is nobody to answer any more"
    assert passing.subscribe(("$exclusive/t", 1)) == [FULL], "the session has it"
    engine.advance(101)
    later.apply()
    assert nothing_is_left(engine)
    assert passing.subscribe(("$exclusive/t", 1)) == [1]


def test_a_session_keeps_it_off_line_and_gives_it_up_at_its_end(engine: Engine) -> None:
    owner, other = engine.connect("owner", expiry=100), engine.connect("other")
    owner.subscribe(("$exclusive/t", 1))
    owner.lose()
    assert other.subscribe(("$exclusive/t", 1)) == [FULL]
    back = engine.connect("owner", clean=False, expiry=100)
    assert back.subscribe(("$exclusive/t", 1)) == [1], "its own one is replaced"
    back.lose()
    engine.advance(101)
    assert other.subscribe(("$exclusive/t", 1)) == [1]
    other.disconnect()
    assert nothing_is_left(engine)


def test_a_clean_start_gives_it_up(engine: Engine) -> None:
    owner, other = engine.connect("owner", expiry=100), engine.connect("other")
    owner.subscribe(("$exclusive/t", 1))
    engine.connect("owner", expiry=100)
    assert other.subscribe(("$exclusive/t", 1)) == [1]


def test_unsubscribing_stops_the_retained_messages_that_are_still_owed(engine: Engine) -> None:
    publisher = engine.connect("p")
    for number in range(50):
        publisher.publish(f"r/{number}", bytes(100_000), retain=True)
    client = engine.connect("c")
    client.take_nothing()
    client.send(wire.subscribe(1, [("$exclusive/r/+", 0)]), wire.unsubscribe(2, ["$exclusive/r/+"]))
    assert engine.broker.registry.get("c") is not None
    assert client.channel.retained is None
