"""What sessions have queued and in flight is counted in bounded steps, and exactly."""

from __future__ import annotations

from rmq.engine.queue_census import SESSIONS_AT_ONCE, SESSIONS_PER_TICK, QueueCensus
from rmq.metrics.gauges import Stats
from rmq.mqtt.message import Message
from rmq.session.session import Session
from tests.support.engine import Engine


def sessions(count: int) -> list[Session]:
    """Sessions off line, each with two messages queued and one identifier to be released."""
    made: list[Session] = []
    for number in range(count):
        session = Session(f"c{number}", True)
        for _ in range(2):
            session.open_outbound().add(Message("t", b"", 1, False, ""), 1, False, None, "")
        session.add_inbound_qos2(1)
        made.append(session)
    return made


def test_a_round_of_several_steps() -> None:
    stats = Stats()
    there = sessions(10)
    census = QueueCensus(lambda: list(there), stats)
    for _ in range(3):
        census.count(3)
        assert (census.rounds, stats.message_queues.count) == (0, 0)
    assert census.is_under_way
    census.count(3)
    assert not census.is_under_way
    assert (census.rounds, stats.message_queues.count, stats.in_inflights.count) == (1, 20, 10)
    del there[5:]
    census.count(5)
    assert (census.rounds, stats.message_queues.count, stats.message_queues.max) == (2, 10, 20)
    there.clear()
    census.count(1)
    assert (census.rounds, stats.message_queues.count) == (3, 0)


def test_a_look_at_few_sessions_is_exact(engine: Engine) -> None:
    client = engine.connect("a", expiry=100)
    client.subscribe(("t", 1))
    publisher = engine.connect("p")
    publisher.publish("t", b"", 1)
    stats = engine.broker.refresh_stats()
    assert (stats.out_inflights.count, stats.message_queues.count) == (1, 0)
    publisher.subscribe(("u", 1))
    assert engine.broker.refresh_stats().subscriptions_persistent.count == 1, "the publisher's session ends with it"
    client.disconnect()
    publisher.publish("t", b"", 1)
    stats = engine.broker.refresh_stats()
    assert (stats.out_inflights.count, stats.message_queues.count) == (0, 2)
    assert not engine.broker.census.is_under_way


def test_a_look_at_many_sessions_is_finished_by_the_timers(engine: Engine) -> None:
    count = SESSIONS_AT_ONCE + 2 * SESSIONS_PER_TICK + 1
    engine.broker.state.sessions.update({session.client_id: session for session in sessions(count)})
    assert engine.broker.refresh_stats().message_queues.count == 0
    for _ in range(3):
        assert engine.broker.census.is_under_way
        engine.advance(0.1)
    assert not engine.broker.census.is_under_way
    assert engine.broker.stats.message_queues.count == 2 * count
    engine.advance(0.1)
    assert engine.broker.census.rounds == 1
