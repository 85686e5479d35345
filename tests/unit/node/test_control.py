"""The control socket: whose it is, what it understands, what it refuses, and that nobody can hold it up."""

from __future__ import annotations

import errno
import json
import os
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
import trio.testing

from rmq.cli.control_client import NodeUnavailable, Refused, ask
from rmq.config import ConfigError
from rmq.management.cluster import ClusterControl
from rmq.management.errors import NotAMember, NotInACluster
from rmq.node import control
from rmq.node.control import BUG, BUSY, MAX_CONNECTIONS, MAX_REQUEST_BYTES, REQUEST_TIMEOUT_S, ControlSocket
from tests.support.fake_cluster import STATUS, FakeCluster


class Bugs:
    """Counts them."""

    def __init__(self) -> None:
        self.count = 0

    def report(self) -> None:
        self.count += 1


SOCKET = "control.sock"
BUGS = Bugs()


@asynccontextmanager
async def serving(path: Path, cluster: ClusterControl) -> AsyncIterator[ControlSocket]:
    control = ControlSocket(path, cluster, BUGS.report)
    control.open()
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(control.run)
            yield control
            nursery.cancel_scope.cancel()
    finally:
        control.close()


async def asked(path: Path, line: bytes) -> dict[str, object]:
    async with await trio.open_unix_socket(str(path)) as stream:
        await stream.send_all(line)
        return await answer_of(stream)


async def answer_of(stream: trio.SocketStream) -> dict[str, object]:
    received = b""
    while not received.endswith(b"\n"):
        part = await stream.receive_some(65536)
        if not part:
            break
        received += part
    found: dict[str, object] = json.loads(received)
    return found


async def test_every_call_arrives_with_its_arguments(tmp_path: Path) -> None:
    cluster = FakeCluster()
    path = tmp_path / SOCKET
    requests: list[tuple[dict[str, object], tuple[object, ...], object]] = [
        ({"command": "join", "members": ["1@h:1"]}, ("join", ("1@h:1",), False), None),
        ({"command": "join", "members": [], "discard_data": True}, ("join", (), True), None),
        ({"command": "leave"}, ("leave", 100.0), None),
        ({"command": "leave", "rate": 7}, ("leave", 7.0), None),
        ({"command": "remove", "node_id": 3}, ("remove", 3), None),
        ({"command": "drain", "rate": 5}, ("drain", 5.0), None),
        ({"command": "drain", "rate": 0.5}, ("drain", 0.5), None),
        ({"command": "undrain"}, ("undrain",), None),
        ({"command": "transfer_leadership"}, ("transfer_leadership", None), 2),
        ({"command": "transfer_leadership", "node_id": 3}, ("transfer_leadership", 3), 3),
        ({"command": "bootstrap", "node_ids": [1, 2]}, ("bootstrap", (1, 2)), None),
        ({"command": "backup", "path": "/b"}, ("backup", Path("/b")), {"path": "/b", "index": 118, "size": 4096}),
        ({"command": "restore", "path": "/b"}, ("restore", Path("/b")), None),
        ({"command": "rescue_warnings"}, ("rescue_warnings",), [*(await FakeCluster().rescue_warnings())]),
        ({"command": "rescue"}, ("rescue",), None),
        ({"command": "rebuild"}, ("rebuild",), None),
    ]
    async with serving(path, cluster):
        for request, call, done in requests:
            assert await asked(path, json.dumps(request).encode() + b"\n") == {"done": done}
            assert cluster.calls.pop() == call
        status = (await asked(path, b'{"command": "status"}\n'))["done"]
    assert isinstance(status, dict)
    assert (status["cluster_id"], status["leader"], len(status["members"])) == ("c0ffee", 2, 4)
    assert status["members"][2]["state"] == "down"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"status\n", "the request is no JSON"),
        (b"\xff\n", "the request is no JSON"),
        (b"[" * 60_000 + b"\n", "the request is no JSON"),
        (b"[]\n", "the request is no JSON object"),
        (b"{}\n", "command must be a string"),
        (b'{"command": 1}\n', "command must be a string"),
        (b'{"command": "explode"}\n', "there is no command 'explode'"),
        (b'{"command": "__class__"}\n', "there is no command '__class__'"),
        (b'{"command": "remove"}\n', "node_id must be a whole number"),
        (b'{"command": "remove", "node_id": true}\n', "node_id must be a whole number"),
        (b'{"command": "remove", "node_id": "3"}\n', "node_id must be a whole number"),
        (b'{"command": "drain", "rate": "fast"}\n', "rate must be a number"),
        (b'{"command": "drain", "rate": false}\n', "rate must be a number"),
        (b'{"command": "drain"}\n', "rate must be a number"),
        (b'{"command": "leave", "rate": null}\n', "rate must be a number"),
        (b'{"command": "join", "members": "1@h:1"}\n', "members must be a list of strings"),
        (b'{"command": "join", "members": [1]}\n', "members must be a list of strings"),
        (b'{"command": "join", "members": [], "discard_data": 1}\n', "discard_data must be true or false"),
        (b'{"command": "bootstrap", "node_ids": 1}\n', "node_ids must be a list of whole numbers"),
        (b'{"command": "bootstrap", "node_ids": [1.5]}\n', "node_ids must be a whole number"),
        (b'{"command": "backup", "path": "here"}\n', "path must be an absolute path"),
        (b'{"command": "backup", "path": ""}\n', "path must be a string"),
    ],
)
async def test_what_is_no_command_changes_nothing(tmp_path: Path, line: bytes, reason: str) -> None:
    cluster = FakeCluster()
    async with serving(tmp_path / SOCKET, cluster):
        assert await asked(tmp_path / SOCKET, line) == {"refused": reason}
    assert cluster.calls == []


async def test_a_request_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / SOCKET
    async with serving(path, FakeCluster()):
        answer = await asked(path, b" " * (MAX_REQUEST_BYTES + 1))
        assert answer == {"refused": f"a request is one line of JSON, at most {MAX_REQUEST_BYTES} bytes"}
        async with await trio.open_unix_socket(str(path)) as stream:
            await stream.send_all(b'{"command": "leave"}')
            await stream.send_eof()
            assert "refused" in await answer_of(stream)


async def test_who_says_nothing_is_not_waited_for(tmp_path: Path, autojump_clock: object) -> None:
    control = ControlSocket(tmp_path / SOCKET, FakeCluster(), BUGS.report)
    ours, theirs = trio.testing.memory_stream_pair()
    before = trio.current_time()
    await control.serve(ours)
    assert trio.current_time() - before == pytest.approx(REQUEST_TIMEOUT_S)
    assert b"refused" in await theirs.receive_some(1000)


async def test_who_does_not_read_is_not_waited_for(tmp_path: Path, autojump_clock: object) -> None:
    control = ControlSocket(tmp_path / SOCKET, FakeCluster(), BUGS.report)
    ours, theirs = trio.testing.lockstep_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(theirs.send_all, b'{"command": "leave"}\n')
        await control.serve(ours)  # ends, although nobody takes the answer


async def test_a_refusal_is_the_nodes_own_words(tmp_path: Path) -> None:
    cluster = FakeCluster()
    async with serving(tmp_path / SOCKET, cluster):
        for refusal in (NotAMember(9), NotInACluster()):
            cluster.refusal = refusal
            answer = await asked(tmp_path / SOCKET, b'{"command": "leave"}\n')
            assert answer == {"refused": str(refusal)}


async def test_a_bug_is_told_without_a_traceback_and_the_socket_goes_on(tmp_path: Path) -> None:
    cluster = FakeCluster()
    path = tmp_path / SOCKET
    async with serving(path, cluster):
        cluster.refusal = RuntimeError("secret detail")
        before = BUGS.count
        assert await asked(path, b'{"command": "leave"}\n') == {"refused": BUG}
        assert BUGS.count == before + 1
        cluster.refusal = None
        assert await asked(path, b'{"command": "leave"}\n') == {"done": None}


async def test_a_command_is_finished_though_nobody_waits_for_it(tmp_path: Path) -> None:
    cluster = FakeCluster()
    cluster.gate = trio.Event()
    async with serving(tmp_path / SOCKET, cluster):
        async with await trio.open_unix_socket(str(tmp_path / SOCKET)) as stream:
            await stream.send_all(b'{"command": "leave"}\n')
            await cluster.begun.wait()
        cluster.gate.set()
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert cluster.calls[-1] == ("leave", 100.0, "finished")


async def test_only_so_many_at_a_time(tmp_path: Path) -> None:
    cluster = FakeCluster()
    cluster.gate = trio.Event()
    path = tmp_path / SOCKET
    async with serving(path, cluster):
        streams = [await trio.open_unix_socket(str(path)) for _ in range(MAX_CONNECTIONS)]
        for stream in streams:
            await stream.send_all(b'{"command": "leave"}\n')
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert len(cluster.calls) == MAX_CONNECTIONS
        assert await asked(path, b'{"command": "leave"}\n') == {"refused": BUSY}
        cluster.gate.set()
        for stream in streams:
            assert await answer_of(stream) == {"done": None}
            await stream.aclose()
        assert await asked(path, b'{"command": "leave"}\n') == {"done": None}


async def test_it_is_its_owners_only_and_goes_with_the_node(tmp_path: Path) -> None:
    path = tmp_path / SOCKET
    before = os.umask(0)
    try:
        async with serving(path, FakeCluster()):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
    finally:
        os.umask(before)
    assert not path.exists()


async def test_the_socket_of_a_killed_node_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / SOCKET
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(path))
    async with serving(path, FakeCluster()):
        with pytest.raises(ConfigError, match=r"node\.data_dir: .*control\.sock: Address already in use"):
            ControlSocket(path, FakeCluster(), BUGS.report).open()
        assert await asked(path, b'{"command": "leave"}\n') == {"done": None}
    path.write_text("mine")
    with pytest.raises(ConfigError, match="there is a file that isn't a socket"):
        ControlSocket(path, FakeCluster(), BUGS.report).open()
    assert path.read_text() == "mine"
    with pytest.raises(ConfigError, match="No such file or directory"):
        ControlSocket(tmp_path / "none" / SOCKET, FakeCluster(), BUGS.report).open()


async def test_a_path_longer_than_an_address_works_for_both_ends(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 40)
    folder.mkdir()
    async with serving(folder / SOCKET, FakeCluster()):
        status = await trio.to_thread.run_sync(ask, folder / SOCKET, "status", 5.0)
    assert isinstance(status, dict)
    assert status["cluster_id"] == STATUS.cluster_id


async def test_the_client_tells_what_happened(tmp_path: Path) -> None:
    cluster = FakeCluster()
    path = tmp_path / SOCKET
    with pytest.raises(NodeUnavailable, match="no node that is in a cluster runs with the data in"):
        ask(path, "status")
    async with serving(path, cluster):
        cluster.refusal = NotAMember(9)
        with pytest.raises(Refused, match="node 9 isn't a member"):
            await trio.to_thread.run_sync(lambda: ask(path, "remove", node_id=9))
        cluster.refusal = None
        cluster.gate = trio.Event()
        with pytest.raises(NodeUnavailable, match="doesn't answer"):
            await trio.to_thread.run_sync(ask, path, "status", 0.05)


async def test_a_node_that_stops_leaves_the_client_in_no_doubt_that_it_may_be_done(tmp_path: Path) -> None:
    cluster = FakeCluster()
    cluster.gate = trio.Event()
    outcome: list[str] = []
    path = tmp_path / SOCKET

    def leave() -> None:
        try:
            ask(path, "leave")
        except NodeUnavailable as error:
            outcome.append(str(error))

    async with trio.open_nursery() as nursery, serving(path, cluster):
        nursery.start_soon(trio.to_thread.run_sync, leave)
        await cluster.begun.wait()
    assert outcome == ["the node ended before it answered: whether leave was done, its log says"]


async def test_it_accepts_again_when_there_are_descriptors_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    accept = trio.SocketListener.accept
    failures = iter([OSError(errno.EMFILE, "Too many open files")] * 2)

    async def fail(self: trio.SocketListener) -> trio.SocketStream:
        for error in failures:
            raise error
        return await accept(self)

    monkeypatch.setattr(trio.SocketListener, "accept", fail)
    monkeypatch.setattr(control, "ACCEPT_PAUSE_S", 0.0)
    async with serving(tmp_path / SOCKET, FakeCluster()):
        assert "done" in await asked(tmp_path / SOCKET, b'{"command": "status"}\n')
    written = "".join(capsys.readouterr())
    assert written.count("can't accept") == 1
    assert "Traceback" not in written
