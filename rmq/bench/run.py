"""One run from the first connect to the last message: connect, warm-up, measured window, drain, disconnect."""

from __future__ import annotations

import gc
import os
import resource
import select
import time
from collections.abc import Callable

from rmq.bench import frames
from rmq.bench.handshake import Candidate, Handshakes, connack_limits
from rmq.bench.latency import AckTimes, Latency
from rmq.bench.leftovers import disconnect, remove
from rmq.bench.load import Load
from rmq.bench.peers import LoadError, Peer
from rmq.bench.plan import MODES, Plan
from rmq.bench.report import Result, percentiles

_SECOND_NS = 1_000_000_000
_FOREVER_S = 365 * 86_400.0

Progress = Callable[[str], None]


def raise_open_files(wanted: int) -> int:
    """Lift the soft limit on open files as far as the hard one allows; return the limit now in force."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        soft = hard if hard != resource.RLIM_INFINITY and hard < wanted else wanted
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return soft


def run(plan: Plan, progress: Progress) -> Result:
    """Do what the plan says; never raises for what the broker does, that is in Result.error."""
    result = Result(plan)
    total = plan.clients if plan.mode == "conn" else plan.publishers + plan.subscribers
    limit = raise_open_files(total + 64)
    if limit < total + 16:
        result.error = f"{total} connections need more open files than the limit of {limit} allows (ulimit -n)"
        return result
    _remove_leftovers(plan, result)
    if result.error:
        return result
    candidates = _candidates(plan)
    shakes = Handshakes(candidates, plan.version, plan.in_flight, plan.timeout_s)
    cpu = time.process_time()
    shakes.run()
    result.connected = shakes.connected
    result.failures = dict(shakes.failures)
    result.connect_seconds = shakes.seconds
    result.load_cpu_percent = 100 * (time.process_time() - cpu) / max(shakes.seconds, 1e-9)
    progress(f"{shakes.connected} of {total} connected in {shakes.seconds:.2f} s")
    try:
        if shakes.failures:
            result.error = f"{total - shakes.connected} of {total} connections failed"
        elif plan.mode == "conn":
            _hold(plan, candidates, progress)
        else:
            _load(plan, candidates, result, progress)
    except LoadError as error:
        result.error = str(error)
    except KeyboardInterrupt:
        result.error = "interrupted"
    finally:
        for candidate in candidates:
            disconnect(candidate)
    _remove_leftovers(plan, result)
    return result


def _remove_leftovers(plan: Plan, result: Result) -> None:
    wrong = remove(plan)
    if wrong and not result.error:
        result.error = f"what a run leaves at the broker was not removed: {wrong}"


def _candidates(plan: Plan) -> list[Candidate]:
    """Subscribers first, so that every one of them is there before the first message."""

    def connect(name: str, expiry_s: int = 0) -> bytes:
        client_id = f"{plan.client_id}-{name}"
        return frames.connect(plan.version, client_id, plan.username, plan.password, plan.keep_alive_s, expiry_s)

    def subscribe(index: int) -> bytes:
        return frames.subscribe(plan.version, 1, plan.subscribe_filter(index), plan.qos)

    if plan.mode == "conn":
        return [
            Candidate(i, False, plan.address(i), connect(f"c{i}"), subscribe(i) if plan.subscribe else b"")
            for i in range(plan.clients)
        ]
    subscribers = [
        Candidate(i, False, plan.address(i), connect(f"s{i}", plan.expiry_s), subscribe(i))
        for i in range(plan.subscribers)
    ]
    return subscribers + [
        Candidate(i, True, plan.publisher_address(i), connect(f"p{i}"), b"") for i in range(plan.publishers)
    ]


def _peer(plan: Plan, candidate: Candidate) -> Peer:
    assert candidate.sock is not None
    peer = Peer(candidate.sock, candidate.index, candidate.publisher, plan.version)
    peer.rest = candidate.buffer
    if candidate.publisher:
        topic = plan.publish_topic(candidate.index)
        head = frames.publish_head(plan.version, topic, plan.qos, plan.size, retain=plan.retain)
        properties = b"\x00" if plan.version == frames.V5 else b""
        if plan.size >= frames.STAMP_SIZE:
            stamp_head = properties + frames.STAMP_MAGIC + candidate.index.to_bytes(4, "big")
            peer.set_message(head, stamp_head, frames.payload_tail(plan.size))
        else:
            peer.set_message(head, b"", properties + b"." * plan.size)
    return peer


def _load(plan: Plan, candidates: list[Candidate], result: Result, progress: Progress) -> None:
    epoll = select.epoll()
    peers = [_peer(plan, candidate) for candidate in candidates]
    for peer in peers:
        epoll.register(peer.fd, select.EPOLLIN)
    publishers = [peer for peer in peers if peer.publisher]
    subscribers = [peer for peer in peers if not peer.publisher]
    load = Load(MODES[plan.mode], plan.version, plan.qos, plan.window, epoll, publishers, subscribers)
    limits = [connack_limits(candidate.connack, plan.version) for candidate in candidates if candidate.publisher]
    if limits:
        load.inflight_limit = min(limit[0] for limit in limits)
        if min(limit[1] for limit in limits) < plan.qos:
            raise LoadError(f"the broker's maximum QoS is {min(limit[1] for limit in limits)}")
    if plan.until_acked:
        load.inflight_limit = min(load.inflight_limit, plan.window)
    if plan.rate:
        load.interval_ns = _SECOND_NS / plan.rate
        load.spins = plan.spin
    if plan.ack_latency:
        load.ack_times = AckTimes()
    if plan.messages:
        if publishers:
            load.budget = plan.messages
        else:
            load.goal = plan.messages
    gc.collect()
    gc.disable()
    try:
        _measure(plan, load, result, progress)
    finally:
        gc.enable()
        epoll.close()


def _measure(plan: Plan, load: Load, result: Result, progress: Progress) -> None:
    load.start()
    counts = load.counts
    if not plan.messages:
        _advance(load, plan.warmup_s, plan.drain_s, progress)
        load.latency = Latency()
        if load.ack_times is not None:
            load.ack_times.latency = Latency()
        load.late_ns = 0
    sent, received, began, cpu = counts.sent, counts.received, time.monotonic(), time.process_time()
    try:
        _advance(load, plan.duration_s if not plan.messages else _FOREVER_S, plan.drain_s, progress)
    finally:
        result.seconds = max(time.monotonic() - began, 1e-9)
        result.load_cpu_percent = 100 * (time.process_time() - cpu) / result.seconds
        result.sent = counts.sent - sent
        result.received = counts.received - received
        result.latency_us = percentiles(load.latency)
        if load.ack_times is not None:
            result.ack_latency_us = percentiles(load.ack_times.latency)
        result.late_us = load.late_ns // 1000
        result.take_totals(counts)
    load.latency = Latency()
    load.stop_publishing()
    if not load.drained():
        load.run_until(time.monotonic_ns() + int(plan.drain_s * _SECOND_NS))
    result.drained = load.drained()
    result.take_totals(counts)
    expected = counts.sent * (plan.subscribers if plan.mode == "fan-out" else 1)
    result.lost = 0 if plan.mode in ("pub", "sub") else expected - counts.received
    if plan.mode != "pub" and not counts.received:
        result.error = "nothing arrived"
    elif counts.refused:
        result.error = f"{counts.refused} messages were refused by the broker"
    elif not result.drained:
        result.error = f"not everything arrived within {plan.drain_s:g} s after the run"


def _advance(load: Load, seconds: float, patience_s: float, progress: Progress) -> None:
    """Run the load for this long, or to the end of its count; a line of progress a second."""
    end = time.monotonic_ns() + int(seconds * _SECOND_NS)
    idle_since = time.monotonic()
    while True:
        now = time.monotonic_ns()
        if now >= end or load.reached_goal() or (load.budget == 0 and load.drained()):
            return
        sent, received = load.counts.sent, load.counts.received
        load.run_until(min(end, now + _SECOND_NS))
        took = (time.monotonic_ns() - now) / _SECOND_NS
        sent, received = load.counts.sent - sent, load.counts.received - received
        progress(f"sent {sent / took:,.0f}/s  received {received / took:,.0f}/s")
        if sent or received:
            idle_since = time.monotonic()
        elif load.budget == 0 and time.monotonic() - idle_since > patience_s:
            return  # all is sent, and what is missing doesn't come any more


def _hold(plan: Plan, candidates: list[Candidate], progress: Progress) -> None:
    """Keep idle connections open; ping when a keep alive asks for it; notice those the broker closes."""
    if not plan.hold_s:
        return
    epoll = select.epoll()
    by_fd = {candidate.sock.fileno(): candidate for candidate in candidates if candidate.sock is not None}
    for fd in by_fd:
        epoll.register(fd, select.EPOLLIN)
    every = min((connack_limits(c.connack, plan.version)[2] or plan.keep_alive_s for c in candidates), default=0) / 2
    end = time.monotonic() + plan.hold_s
    next_ping = time.monotonic() + every if every else end
    progress(f"holding {len(by_fd)} connections for {plan.hold_s:g} s")
    try:
        while (now := time.monotonic()) < end:
            if now >= next_ping:
                next_ping = now + every
                for fd in by_fd:
                    os.write(fd, frames.PINGREQ)
            for fd, _ in epoll.poll(max(0.0, min(end, next_ping) - now), 256):
                if not os.read(fd, 4096):
                    raise LoadError(f"connection {by_fd[fd].index} was closed by the broker while it was idle")
    except OSError as error:
        raise LoadError(f"an idle connection failed: {error.strerror}") from error
    finally:
        epoll.close()
