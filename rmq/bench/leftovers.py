"""Removes what a run leaves at the broker: sessions that outlive their connections, retained messages."""

from __future__ import annotations

from rmq.bench import frames
from rmq.bench.handshake import Candidate, Handshakes
from rmq.bench.plan import Plan


def remove(plan: Plan) -> str:
    """Connect clean as each client that leaves something; returns what went wrong, or nothing.

    A clean start ends the session that was there [MQTT-3.1.2-4], in MQTT 3.1.1 [MQTT-3.1.2-6]. A publisher removes its
    retained message and then subscribes, because the SUBACK says that the broker has come so far: a PUBLISH with QoS 0
    has no answer.
    """
    made: list[Candidate] = []
    if plan.persistent:
        made += [Candidate(i, False, plan.address(i), _connect(plan, f"s{i}"), b"") for i in range(plan.subscribers)]
    if plan.retain:
        made += [
            Candidate(i, True, plan.publisher_address(i), _connect(plan, f"p{i}"), _forget(plan, i))
            for i in range(plan.publishers)
        ]
    if not made:
        return ""
    shakes = Handshakes(made, plan.version, plan.in_flight, plan.timeout_s)
    try:
        shakes.run()
    finally:
        for candidate in made:
            disconnect(candidate)
    return "; ".join(f"{count} times {why}" for why, count in shakes.failures.items())


def disconnect(candidate: Candidate) -> None:
    """Say DISCONNECT, if there is a connection that takes it, and close."""
    sock = candidate.sock
    if sock is None:
        return
    try:
        sock.send(frames.DISCONNECT)
    except OSError:
        pass  # it is closed or full: closing is all that is left to do
    sock.close()


def _connect(plan: Plan, name: str) -> bytes:
    return frames.connect(plan.version, f"{plan.client_id}-{name}", plan.username, plan.password, plan.keep_alive_s)


def _forget(plan: Plan, index: int) -> bytes:
    topic = plan.publish_topic(index)
    return frames.forget_retained(plan.version, topic) + frames.subscribe(plan.version, 1, topic, 0)
