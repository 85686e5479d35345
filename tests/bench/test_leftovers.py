"""What a run of rmq-bench keeps at the broker while it goes on, and that the next one, and everybody, begins empty."""

from __future__ import annotations

import subprocess

import pytest

from tests.bench.bench_process import bench, start_bench, totals
from tests.support import wire
from tests.support.client import Client
from tests.support.packet_notation import V5, V311

pytestmark = pytest.mark.realtime

LEVELS = {"3.1.1": V311, "5": V5}
each_protocol = pytest.mark.parametrize("protocol", LEVELS)


def session_present(port: int, client_id: str, level: int) -> bool:
    """Whether the broker has a session of this client."""
    client = Client(("127.0.0.1", port), client_id, level)
    present = client.connect(clean=False, properties=[(wire.SESSION_EXPIRY, 60)] if level == V5 else ()).session_present
    client.disconnect()
    return present


def retained(port: int, topic: str) -> bool:
    """Whether the broker has a retained message for this topic."""
    client = Client(("127.0.0.1", port), "looks", V311)
    client.connect()
    client.subscribe(topic)
    found = bool(client.drain())
    client.disconnect()
    return found


def kill_in_the_middle(process: subprocess.Popen[str], word: str) -> None:
    """Kill it when it says this word."""
    assert process.stderr is not None
    with process:
        assert any(word in line for line in process.stderr)
        process.kill()


@each_protocol
@pytest.mark.parametrize("mode", ["pair", "fan-in", "fan-out"])
def test_persistent_sessions_are_gone_after_a_run(port: int, mode: str, protocol: str) -> None:
    options = ("-c", "3", "-q", "1", "-V", protocol, "-n", "60", "-i", f"gone-{mode}", "--persistent", "--until-acked")
    code, result = bench(port, mode, *options)
    assert (code, result["error"], result["lost"]) == (0, None, 0)
    assert totals(result)["puback_received"] == 60
    assert not session_present(port, f"gone-{mode}-s0", LEVELS[protocol])
    assert not session_present(port, f"gone-{mode}-p0", LEVELS[protocol])


@each_protocol
def test_the_sessions_of_a_killed_run_are_gone_before_the_next(port: int, protocol: str) -> None:
    options = ("-q", "1", "-V", protocol, "-i", f"killed-{protocol}", "-t", f"killed-{protocol}", "--persistent")
    kill_in_the_middle(start_bench(port, "sub", *options, "-d", "30", "--progress"), "connected")
    name = f"killed-{protocol}-s0"
    assert session_present(port, name, LEVELS[protocol])
    assert not session_present(port, f"killed-{protocol}-p0", LEVELS[protocol])
    waiting = Client(("127.0.0.1", port), "publishes")
    waiting.connect()
    waiting.publish(f"killed-{protocol}/00000", b"from before")
    waiting.disconnect()
    code, result = bench(port, "pair", *options, "-n", "50")
    assert (code, totals(result)["sent"], totals(result)["received"]) == (0, 50, 50)
    assert not session_present(port, name, LEVELS[protocol])


@each_protocol
def test_retained_messages_are_gone_after_a_run_and_before_the_next(port: int, protocol: str) -> None:
    topic = f"kept-{protocol}"
    options = ("-q", "1", "-V", protocol, "-i", topic, "-t", topic, "--retain")
    kill_in_the_middle(start_bench(port, "pub", *options, "-d", "30", "--warmup", "0", "--progress"), "sent")
    assert retained(port, f"{topic}/00000")
    code, result = bench(port, "pair", *options, "-n", "50")
    assert (code, totals(result)["sent"], totals(result)["received"]) == (0, 50, 50)
    assert not retained(port, f"{topic}/00000")


@pytest.mark.parametrize(
    "options",
    [
        ("pub", "--persistent"), ("conn", "--persistent"), ("sub", "--retain"), ("conn", "--retain"),
        ("pub", "-q", "1", "--until-acked"), ("pair", "-q", "0", "--until-acked"),
        ("pair", "-q", "1", "-r", "100", "--until-acked"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_options_that_mean_nothing_together_are_refused(options: tuple[str, ...]) -> None:
    with start_bench(1, *options) as process:
        _, said = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "Error: " in said
