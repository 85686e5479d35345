"""/api/v1/cluster: every call of ClusterControl, with its arguments, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from rmq.management.cluster import LEAVE_RATE, BackupView, ClusterStatus, MemberView, NoCluster
from rmq.management.errors import ChangeUnderWay, NoQuorum, NotAMember
from tests.unit.http_api.api import Api, problem
from tests.unit.management.world import Peers, World

BASE = "/api/v1/cluster"


class FakeCluster(NoCluster):
    """Writes down what it was asked to do; ``refusal`` is raised instead."""

    def __init__(self) -> None:
        self.done: list[tuple[object, ...]] = []
        self.refusal: Exception | None = None

    def _do(self, *what: object) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.done.append(what)

    async def status(self) -> ClusterStatus:
        member = MemberView(2, "two", "127.0.0.1:5364", True, "up", 3, 0, True, 1)
        return ClusterStatus("abc", 1, 2, 7, 100, 99, (member,), True, ("disk full",))

    async def join(self, members: tuple[str, ...], *, discard_data: bool = False) -> None:
        self._do("join", members, discard_data)

    async def leave(self, rate: float = LEAVE_RATE) -> None:
        self._do("leave", rate)

    async def remove(self, node_id: int) -> None:
        self._do("remove", node_id)

    async def drain(self, rate: float) -> None:
        self._do("drain", rate)

    async def undrain(self) -> None:
        self._do("undrain")

    async def transfer_leadership(self, node_id: int | None = None) -> int:
        self._do("transfer", node_id)
        return node_id or 3

    async def bootstrap(self, node_ids: tuple[int, ...]) -> None:
        self._do("bootstrap", node_ids)

    async def backup(self, path: Path) -> BackupView:
        self._do("backup", path)
        return BackupView(str(path), 5, 100)

    async def restore(self, path: Path) -> None:
        self._do("restore", path)

    async def rescue_warnings(self) -> tuple[str, ...]:
        return ("much is lost",)

    async def rescue(self) -> None:
        self._do("rescue")

    async def rebuild(self) -> None:
        self._do("rebuild")


@pytest.fixture
def cluster(api: Api) -> FakeCluster:
    made = FakeCluster()
    api.world.service.cluster = api.world.local.condition.cluster = made
    return made


@pytest.mark.parametrize(
    ("path", "body", "done", "answer"),
    [
        ("join", {"members": ["1@a:1", "2@b:2"], "discard_data": True}, ("join", ("1@a:1", "2@b:2"), True), None),
        ("leave", {}, ("leave", LEAVE_RATE), None),
        ("leave", {"rate": 5}, ("leave", 5.0), None),
        ("drain", {"rate": 50}, ("drain", 50.0), None),
        ("drain", {"node_id": 1}, ("drain", LEAVE_RATE), None),
        ("undrain", {}, ("undrain",), None),
        ("transfer-leader", {}, ("transfer", None), {"leader": 3}),
        ("transfer-leader", {"node_id": 2}, ("transfer", 2), {"leader": 2}),
        ("bootstrap", {"node_ids": [1, 2]}, ("bootstrap", (1, 2)), None),
        ("backup", {"path": "/tmp/b"}, ("backup", Path("/tmp/b")), {"path": "/tmp/b", "index": 5, "size": 100}),
        ("restore", {"path": "/tmp/b"}, ("restore", Path("/tmp/b")), None),
        ("rescue", {}, ("rescue",), None),
        ("rebuild", {}, ("rebuild",), None),
    ],
)
async def test_every_change(
    api: Api, cluster: FakeCluster, path: str, body: object, done: tuple[object, ...], answer: object
) -> None:
    found = await api.ask("POST", f"{BASE}/{path}", json=body)
    assert (found.status_code, found.json()) == (200, answer)
    assert cluster.done == [done]
    for refusal, status in ((NoQuorum(), 503), (ChangeUnderWay("a join"), 409), (NotAMember(9), 404)):
        cluster.refusal = refusal
        assert problem(await api.ask("POST", f"{BASE}/{path}", json=body))[0] == status


async def test_a_member_is_removed(api: Api, cluster: FakeCluster) -> None:
    assert (await api.ask("DELETE", f"{BASE}/members/3")).status_code == 200
    assert cluster.done == [("remove", 3)]


async def test_questions(api: Api, cluster: FakeCluster) -> None:
    status = await api.get(BASE)
    assert (status["leader"], status["term"], status["has_quorum"], status["alarms"]) == (2, 7, True, ["disk full"])
    assert status["members"][0]["address"] == "127.0.0.1:5364"
    assert await api.get(f"{BASE}/rescue") == ["much is lost"]
    assert cluster.done == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("join", {"members": []}),
        ("join", {}),
        ("drain", {"rate": 0}),
        ("drain", {"rate": "fast"}),
        ("backup", {"path": "here"}),
        ("backup", {"path": "/a\0"}),
        ("bootstrap", {"node_ids": [0]}),
        ("leave", {"now": True}),
    ],
)
async def test_bad_bodies(api: Api, cluster: FakeCluster, path: str, body: object) -> None:
    assert problem(await api.ask("POST", f"{BASE}/{path}", json=body)) == (400, "BAD_PARAMETER")
    assert cluster.done == []


async def test_changes_are_json(api: Api, cluster: FakeCluster) -> None:
    answer = await api.ask("POST", f"{BASE}/leave")
    assert problem(answer) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert cluster.done == []


async def test_another_node_is_drained() -> None:
    other = World(2)
    api = Api(World(1, Peers([other])))
    cluster = FakeCluster()
    other.local.condition.cluster = cluster
    assert (await api.ask("POST", f"{BASE}/drain", json={"node_id": 2, "rate": 5})).status_code == 200
    assert (await api.ask("POST", f"{BASE}/undrain", json={"node_id": 2})).status_code == 200
    assert cluster.done == [("drain", 5.0), ("undrain",)]


async def test_a_node_alone(api: Api) -> None:
    assert problem(await api.ask("GET", BASE)) == (409, "NOT_IN_A_CLUSTER")
