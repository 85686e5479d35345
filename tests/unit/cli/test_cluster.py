"""rmq-node cluster: what reaches the node, what is printed, what is asked first, and the exit codes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import trio
from click.testing import CliRunner, Result
from structlog.testing import capture_logs

from rmq.cli import main
from rmq.management.errors import NoQuorum
from rmq.node.control import ControlSocket
from tests.support.fake_cluster import STATUS, FakeCluster


class Node:
    """A node whose cluster only remembers; ``run`` is the command line, told which node it is for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cluster = FakeCluster()

    async def run(self, *args: str, answer: str = "") -> Result:
        def invoke() -> Result:
            return CliRunner().invoke(main, ["cluster", *args, "--data-dir", str(self.folder)], input=answer)

        return await trio.to_thread.run_sync(invoke)


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Node]:
    node = Node(folder)
    control = ControlSocket(folder / "control.sock", node.cluster, lambda: None)
    control.open()
    try:
        # The node's log, which is in this very process here, must not be taken for the command's output.
        with capture_logs():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(control.run)
                yield node
                nursery.cancel_scope.cancel()
    finally:
        control.close()


async def test_status_is_a_table(tmp_path: Path) -> None:
    async with running(tmp_path) as node:
        result = await node.run("status")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "cluster  c0ffee, as node 1 sees it",
        "leader   node 2, term 7",
        "quorum   yes",
        "log      120 committed, 118 applied here",
        "",
        "node  name  address         state    votes  role      link  behind  start",
        "1     1     127.0.0.1:5363  up       yes    follower  -     2       3",
        "2     2     127.0.0.1:5364  up       yes    leader    up    0       1",
        "3     3     127.0.0.1:5365  DOWN     yes    follower  DOWN  100     4",
        "4     4     127.0.0.1:5366  stopped  no     observer  DOWN  100     1",
        "",
        "ALARM    the states of nodes 1 and 2 differ",
    ]


async def test_status_says_what_is_missing(tmp_path: Path) -> None:
    async with running(tmp_path) as node:
        node.cluster.answer = replace(STATUS, cluster_id="", leader=None, has_quorum=False, draining=True, alarms=())
        lines = (await node.run("status")).stdout.splitlines()
    assert lines[0] == "cluster  not founded yet, as node 1 sees it"
    assert lines[1] == "leader   none known, term 7"
    assert lines[2] == "quorum   NO: nothing that is kept can be changed"
    assert lines[4].startswith("drained  ")
    assert not any(line.startswith("ALARM") for line in lines)


async def test_status_for_programs(tmp_path: Path) -> None:
    async with running(tmp_path) as node:
        status = json.loads((await node.run("status", "--json")).stdout)
    assert (status["leader"], status["has_quorum"]) == (2, True)
    assert status["members"][2] == {
        "node_id": 3,
        "name": "3",
        "address": "127.0.0.1:5365",
        "voter": True,
        "state": "down",
        "incarnation": 4,
        "applied_lag": 100,
        "link_up": False,
        "operation_level": 1,
    }


@pytest.mark.parametrize(
    ("args", "call", "printed"),
    [
        (("join", "1@10.0.0.1:5363", "2@h:1"), ("join", ("1@10.0.0.1:5363", "2@h:1"), False), "joined\n"),
        (("join", "10.0.0.1:5363", "2@h:1"), ("join", ("10.0.0.1:5363", "2@h:1"), False), "joined\n"),
        (("leave",), ("leave", 100.0), "left\n"),
        (("leave", "--rate", "7"), ("leave", 7.0), "left\n"),
        (("drain",), ("drain", 100.0), "draining\n"),
        (("drain", "--rate", "2.5"), ("drain", 2.5), "draining\n"),
        (("undrain",), ("undrain",), "takes clients\n"),
        (("transfer-leader",), ("transfer_leadership", None), "node 2 leads\n"),
        (("transfer-leader", "3"), ("transfer_leadership", 3), "node 3 leads\n"),
        (("bootstrap", "--nodes", "1, 2"), ("bootstrap", (1, 2)), "founded\n"),
    ],
)
async def test_commands(tmp_path: Path, args: tuple[str, ...], call: tuple[object, ...], printed: str) -> None:
    async with running(tmp_path) as node:
        result = await node.run(*args)
    assert (result.exit_code, result.output) == (0, printed)
    assert node.cluster.calls == [call]


async def test_a_backup_is_written_where_the_person_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with running(tmp_path) as node:
        result = await node.run("backup", "monday")
    assert node.cluster.calls == [("backup", tmp_path / "monday")]
    assert result.stdout == f"{tmp_path / 'monday'}: 4096 bytes, up to log entry 118\n"


DANGEROUS = [
    (("remove", "3"), ("remove", 3), "Sessions on it that aren't kept are lost"),
    (("restore", "/b"), ("restore", Path("/b")), "What changed since the backup"),
    (("rescue",), ("rescue",), "Node 2 was 20 entries ahead when it was last heard of."),
    (("rebuild",), ("rebuild",), "What no other member has is lost"),
    (("join", "1@h:1", "--discard-data"), ("join", ("1@h:1",), True), "All data of this node are deleted"),
]


@pytest.mark.parametrize(("args", "call", "warning"), DANGEROUS)
async def test_what_may_lose_something_says_so_and_asks(
    tmp_path: Path, args: tuple[str, ...], call: tuple[object, ...], warning: str
) -> None:
    async with running(tmp_path) as node:
        for answer in ("n\n", "\n", ""):
            result = await node.run(*args, answer=answer)
            assert result.exit_code == 1
            assert warning in result.stderr
            assert call not in node.cluster.calls
        assert (await node.run(*args, answer="y\n")).exit_code == 0
        assert node.cluster.calls[-1] == call


@pytest.mark.parametrize(("args", "call", "warning"), DANGEROUS)
async def test_yes_is_not_asked_but_told(
    tmp_path: Path, args: tuple[str, ...], call: tuple[object, ...], warning: str
) -> None:
    async with running(tmp_path) as node:
        result = await node.run(*args, "--yes")
    assert (result.exit_code, node.cluster.calls[-1]) == (0, call)
    assert warning in result.stderr and "Do it?" not in result.stderr


async def test_a_refusal_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    async with running(tmp_path) as node:
        node.cluster.refusal = NoQuorum()
        result = await node.run("leave")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"rmq-node cluster: {NoQuorum()}\n"


async def test_without_a_node_it_says_how_to_name_one(tmp_path: Path) -> None:
    result = await Node(tmp_path).run("status")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"rmq-node cluster: no node that is in a cluster runs with the data in {tmp_path} "
        "(say which: --id, --data-dir)\n"
    )


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (("join",), "Missing argument 'MEMBERS"),
        (("join", "@10.0.0.1:5363"), '"@10.0.0.1:5363" has no node number before an @'),
        (("drain", "--rate", "0"), "0.0 is not in the range x>0"),
        (("remove", "0"), "0 is not in the range x>=1"),
        (("bootstrap", "--nodes", "1;2"), "write the numbers with commas between them"),
        (("explode",), "No such command 'explode'"),
        (("status", "--id", "none"), 'rmq-node cluster: --id: node.id: must be a whole number, not "none"'),
        (("status", "-f", "none.toml"), "rmq-node cluster: none.toml: can't be read"),
    ],
)
async def test_a_wrong_command_is_exit_code_2(tmp_path: Path, args: tuple[str, ...], text: str) -> None:
    result = await Node(tmp_path).run(*args)
    assert result.exit_code == 2
    assert text in result.stderr


async def test_the_node_is_found_by_its_own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RMQ_CLUSTER_NODES", "nonsense, which is the node's business")
    folder = tmp_path / "of-7"
    folder.mkdir()
    file = tmp_path / "my.toml"
    file.write_text(f'[node]\nid = 7\ndata_dir = "{tmp_path}/of-{{id}}"\n')
    async with running(folder):
        result = await trio.to_thread.run_sync(CliRunner().invoke, main, ["cluster", "status", "-f", str(file)])
    assert result.exit_code == 0
