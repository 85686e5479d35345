"""mosquitto_pub and mosquitto_sub, the tools most people try a broker with, for MQTT 3.1, 3.1.1 and 5."""

from __future__ import annotations

import asyncio
import os
import shutil
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.conftest import Broker

from .adapters.base import Door
from .mosquitto_cli import Terminal

ALL_VERSIONS = pytest.mark.parametrize("version", [3, 4, 5], ids=["v31", "v311", "v5"])
ALL_TRANSPORTS = pytest.mark.parametrize("door", ["tcp", "tls"], indirect=True)
SHARING_VERSIONS = pytest.mark.parametrize("version", [4, 5], ids=["v311", "v5"])


@pytest.fixture(autouse=True)
def _tools_are_installed() -> None:
    for tool in ("mosquitto_pub", "mosquitto_sub"):
        if shutil.which(tool) is None:
            reason = f"{tool} is missing: install Debian's package mosquitto-clients"
            if os.environ.get("CI"):
                pytest.fail(reason)
            pytest.skip(reason)


@pytest.fixture
def prefix() -> str:
    return f"cli/{uuid.uuid4().hex[:12]}"


@pytest.fixture
def door(request: pytest.FixtureRequest, broker: Broker) -> Door:
    """Where a test's tools connect: plain TCP, or what a test asks for (they know no WebSocket)."""
    kind: str = getattr(request, "param", "tcp")
    if kind == "tcp":
        return Door(broker.address)
    doors: dict[str, Door] = request.getfixturevalue("doors")
    return doors[kind]


def run(door: Door, version: int, scenario: Callable[[Terminal], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            terminal = Terminal(door, version)
            try:
                await scenario(terminal)
            finally:
                await terminal.end()

    asyncio.run(bounded())


@ALL_TRANSPORTS
@ALL_VERSIONS
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_round_trip(door: Door, version: int, qos: int, prefix: str) -> None:
    async def scenario(terminal: Terminal) -> None:
        subscriber = await terminal.sub("-t", f"{prefix}/#", "-q", str(qos))
        assert subscriber.debug_lines[-1].endswith(f": {qos}"), "SUBACK grants another QoS"
        await terminal.pub("-t", f"{prefix}/Zürich/😀", "-q", str(qos), "-m", "grüezi")
        received = await subscriber.message()
        assert (received.topic, received.qos, received.retain) == (f"{prefix}/Zürich/😀", qos, False)
        assert received.payload == "grüezi".encode()
        await terminal.pub("-t", f"{prefix}/null", "-q", str(qos), "-n")
        assert (await subscriber.message()).payload == b""

    run(door, version, scenario)


@ALL_VERSIONS
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_thousand_lines_arrive_in_order(door: Door, version: int, qos: int, prefix: str) -> None:
    async def scenario(terminal: Terminal) -> None:
        subscriber = await terminal.sub("-t", prefix, "-q", str(qos))
        lines = [f"line {number}".encode() for number in range(1000)]
        received, _ = await asyncio.gather(
            subscriber.messages(1000), terminal.pub("-t", prefix, "-q", str(qos), "-l", stdin=b"\n".join(lines) + b"\n")
        )
        assert [message.payload for message in received] == lines

    run(door, version, scenario)


@ALL_TRANSPORTS
@ALL_VERSIONS
def test_large_file(door: Door, version: int, prefix: str, tmp_path: Path) -> None:
    payload = bytes(range(256)) * 2000
    (tmp_path / "large").write_bytes(payload)

    async def scenario(terminal: Terminal) -> None:
        subscriber = await terminal.sub("-t", prefix, "-q", "2")
        for qos in "012":
            await terminal.pub("-t", prefix, "-q", qos, "-f", str(tmp_path / "large"))
            assert (await subscriber.message()).payload == payload

    run(door, version, scenario)


@ALL_TRANSPORTS
@ALL_VERSIONS
def test_retained(door: Door, version: int, prefix: str) -> None:
    async def scenario(terminal: Terminal) -> None:
        await terminal.pub("-t", f"{prefix}/r", "-q", "1", "-r", "-m", "kept")
        late = await terminal.sub("-t", f"{prefix}/#", "-q", "1")
        received = await late.message()
        assert (received.payload, received.retain) == (b"kept", True)
        await terminal.pub("-t", f"{prefix}/r", "-q", "1", "-r", "-n")
        later = await terminal.sub("-t", f"{prefix}/#", "-q", "1")
        await terminal.pub("-t", f"{prefix}/barrier", "-q", "1", "-m", "b")
        assert (await later.message()).topic == f"{prefix}/barrier"

    run(door, version, scenario)


@ALL_TRANSPORTS
@ALL_VERSIONS
def test_will_of_a_killed_process(door: Door, version: int, prefix: str) -> None:
    async def scenario(terminal: Terminal) -> None:
        watcher = await terminal.sub("-t", f"{prefix}/#", "-q", "2")
        for end in ("stop", "kill"):
            will = ["--will-topic", f"{prefix}/will", "--will-payload", end, "--will-qos", "2"]
            doomed = await terminal.sub("-t", "unused", "-i", f"doomed-{prefix[-8:]}", *will)
            await (doomed.stop() if end == "stop" else doomed.kill())
        # With MQTT 5 a stopped mosquitto_sub says DISCONNECT with reason 0x04: publish the will all the same.
        for expected in (b"stop", b"kill") if version == 5 else (b"kill",):
            received = await watcher.message()
            assert (received.payload, received.qos) == (expected, 2)

    run(door, version, scenario)


@ALL_VERSIONS
def test_session_resumes_with_queued_messages(door: Door, version: int, prefix: str) -> None:
    async def scenario(terminal: Terminal) -> None:
        session = ["-c", "-i", f"s-{prefix[-8:]}", "-q", "2"]
        expiry = ["-x", "600"] if version == 5 else []
        first = await terminal.sub("-t", prefix, *session, *expiry)
        await first.kill()
        for qos in "12":
            await terminal.pub("-t", prefix, "-q", qos, "-l", stdin=b"a\nb\nc\n")
        second = await terminal.sub("-t", prefix, *session, *expiry)
        received = await second.messages(6)
        for granted in (1, 2):
            assert [m.payload for m in received if m.qos == granted] == [b"a", b"b", b"c"]
        await second.stop()

    run(door, version, scenario)


@ALL_VERSIONS
def test_unsubscribe(door: Door, version: int, prefix: str) -> None:
    async def scenario(terminal: Terminal) -> None:
        session = ["-c", "-i", f"u-{prefix[-8:]}", "-q", "1"]
        first = await terminal.sub("-t", f"{prefix}/a", "-t", f"{prefix}/b", *session)
        await first.stop()
        second = await terminal.sub("-U", f"{prefix}/a", "-t", f"{prefix}/b", *session)
        await second.wait_for_debug_line("received UNSUBACK")
        await terminal.pub("-t", f"{prefix}/a", "-q", "1", "-m", "unsubscribed")
        await terminal.pub("-t", f"{prefix}/b", "-q", "1", "-m", "barrier")
        assert (await second.message()).payload == b"barrier"

    run(door, version, scenario)


@SHARING_VERSIONS
def test_shared_subscription(door: Door, version: int, prefix: str) -> None:
    async def scenario(terminal: Terminal) -> None:
        members = [
            await terminal.sub("-t", f"$share/group/{prefix}/work", "-t", f"{prefix}/end", "-q", "1") for _ in range(2)
        ]
        lines = [str(number).encode() for number in range(60)]
        await terminal.pub("-t", f"{prefix}/work", "-q", "1", "-l", stdin=b"\n".join(lines) + b"\n")
        await terminal.pub("-t", f"{prefix}/end", "-q", "1", "-m", "end")
        shares: list[list[bytes]] = []
        for member in members:
            shares.append([])
            while (message := await member.message()).topic != f"{prefix}/end":
                shares[-1].append(message.payload)
        assert sorted(shares[0] + shares[1]) == sorted(lines)
        assert all(shares), f"one member got everything: {[len(share) for share in shares]}"

    run(door, version, scenario)


def test_v5_properties(door: Door, prefix: str) -> None:
    async def scenario(terminal: Terminal) -> None:
        subscriber = await terminal.sub("-t", prefix, "-q", "2")
        properties = {
            "content-type": ["text/plain"],
            "response-topic": ["answers/here"],
            "correlation-data": ["id 7"],
            "message-expiry-interval": ["3600"],
            "payload-format-indicator": ["1"],
        }
        arguments = [f"-D publish {name} {value}".split(" ", 3) for name, (value,) in properties.items()]
        arguments += [["-D", "publish", "user-property", "k", value] for value in ("1", "2", "1")]
        await terminal.pub("-t", prefix, "-q", "2", "-m", "x", *[part for group in arguments for part in group])
        received = await subscriber.message()
        assert received.content_type == "text/plain"
        assert received.response_topic == "answers/here"
        assert received.correlation_data == "id 7"
        assert received.user == "k:1 k:2 k:1"
        assert 3500 <= int(received.expiry) <= 3600

    run(door, 5, scenario)
