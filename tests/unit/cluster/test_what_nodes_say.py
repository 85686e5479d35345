"""What nodes say of themselves and keep on disk: read back as it was, and refused when it is something else."""

from __future__ import annotations

import json
import math
from pathlib import Path
from random import Random
from typing import Any

import pytest
from rmq_cluster.digests import Digests
from rmq_cluster.hello import EMPTY, JOINING, MEMBER, SEED, BadHello, Hello, refusal
from rmq_cluster.identity import Entry, Identity, IdentityError, Position, load_identity, save_identity
from rmq_cluster.peers import BadStatus, Peers, Status
from rmq_cluster.recover import leave_behind

from rmq.storage.packing import pack

LISTED = {1: "a:1", 2: "b:1"}


def hello(state: int, cluster_id: str = "", generation: int = 1, book: dict[int, Entry] | None = None) -> Hello:
    return Hello(
        state, cluster_id, generation, "n", "a:1", True, 1, dict(LISTED), book or {}, (1, 2), (3,), {"tcp": "x"}
    )


def member(cluster_id: str = "c", generation: int = 1, **removed: bool) -> Hello:
    gone = "" if removed else "b:1"
    return hello(MEMBER, cluster_id, generation, {1: Entry("a:1", 1), 2: Entry(gone, 2)})


def test_a_hello_comes_back_as_it_was() -> None:
    said = member()
    assert Hello.of(json.loads(json.dumps(said.fields()))) == said


@pytest.mark.parametrize("position", range(12))
@pytest.mark.parametrize("value", [None, -1, "x" * 300, ["x"], [[1]], {"a": 1}, 1.5, b"x"])
def test_a_hello_of_another_make_is_refused(position: int, value: Any) -> None:
    fields = member().fields()
    fields[position] = value
    try:
        Hello.of(fields)
    except BadHello:
        return
    assert position == 5, "only a vote may be anything, which is no vote"


@pytest.mark.parametrize("fields", [[], [1], list(range(20))])
def test_a_hello_of_another_length_is_refused(fields: list[Any]) -> None:
    with pytest.raises(BadHello):
        Hello.of(fields)


@pytest.mark.parametrize(
    ("own", "theirs", "why"),
    [
        (hello(EMPTY), hello(EMPTY), None),
        (hello(EMPTY), hello(SEED), None),
        (hello(SEED), hello(SEED), "both have data of their own"),
        (member(), member(), None),
        (member(), member("d"), "node 2 is in cluster d, node 1 in cluster c"),
        (member(), member("c", 2), "node 1 was left behind when the cluster was rescued with node 2"),
        (member("c", 3), member(), "node 2 was left behind when the cluster was rescued with node 1"),
        (member(), hello(SEED), "node 2 has data of its own"),
        (member(), hello(EMPTY), None),
        (member(removed=True), hello(EMPTY), "isn't a member of cluster c"),
        (member(removed=True), member(), "node 2 was removed from cluster c"),
        (hello(EMPTY), member(), None),
        (hello(SEED), member(), "node 1 has data of its own"),
        (hello(EMPTY), hello(MEMBER, "c", 1, {2: Entry("b:1", 1)}), "node 1 isn't a member of cluster c"),
        (hello(JOINING), hello(MEMBER, "c", 1, {2: Entry("b:1", 1)}), None),
    ],
)
def test_who_is_refused_and_why(own: Hello, theirs: Hello, why: str | None) -> None:
    said = refusal(own, 1, 2, theirs)
    assert (said is None) is (why is None), said
    assert why is None or (said is not None and why in said)


def test_an_identity_comes_back_as_it_was(tmp_path: Path) -> None:
    identity = Identity(
        3,
        "c",
        2,
        "n",
        (1, 3),
        {1: Entry("a:1", 4), 2: Entry("", 5)},
        False,
        True,
        Position(9, 2, (1,), ()),
        {2: "b:1"},
        True,
    )
    save_identity(tmp_path, identity)
    assert load_identity(tmp_path) == identity
    assert [path.name for path in tmp_path.iterdir()] == ["cluster.json"]
    assert identity.addresses() == {1: "a:1"}
    assert identity.dialled() == {1: "a:1", 2: "b:1"}


def test_an_identity_of_before_left_nobody_behind(tmp_path: Path) -> None:
    save_identity(tmp_path, Identity(3, "c", 2, "n", (1, 3)))
    fields = json.loads((tmp_path / "cluster.json").read_text())
    del fields["left_behind"], fields["entering"]
    (tmp_path / "cluster.json").write_text(json.dumps(fields))
    found = load_identity(tmp_path)
    assert found is not None and found.left_behind == {}


def test_who_was_left_behind_is_so_until_it_is_a_member_again() -> None:
    identity = Identity(1, "c", 1, "n", (1,), {1: Entry("a:1", 1), 2: Entry("b:1", 1), 3: Entry("c:1", 1)})
    leave_behind(identity, 1)
    assert identity.addresses() == {1: "a:1"} and identity.left_behind == {2: "b:1", 3: "c:1"}
    assert identity.merge({2: Entry("new:1", 9)}) and identity.put(3, "c:2")
    assert identity.left_behind == {}
    assert identity.dialled() == {1: "a:1", 2: "new:1", 3: "c:2"}


def test_a_folder_without_one_belongs_to_no_cluster(tmp_path: Path) -> None:
    assert load_identity(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 2}', "\x00"])
def test_a_damaged_identity_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "cluster.json").write_text(text)
    with pytest.raises(IdentityError, match=r"cluster\.json"):
        load_identity(tmp_path)


def test_of_two_addresses_the_newer_one_holds() -> None:
    identity = Identity(1, "c", 1, "n", (1,), {2: Entry("old:1", 2)})
    assert not identity.merge({2: Entry("older:1", 1)})
    assert identity.merge({2: Entry("new:1", 3), 3: Entry("c:1", 1)})
    assert identity.addresses() == {2: "new:1", 3: "c:1"}
    assert not identity.put(2, "new:1")
    assert identity.put(2, "")
    assert not identity.has(2)


def status() -> Status:
    return Status(5, 4, 1.7e9, 1, True, 2, 6, False, 4, b"digest", 7.5, 6.5)


def test_a_status_comes_back_as_it_was() -> None:
    found = Status.of(status().packed())
    assert (found.applied, found.synced, found.is_leader, found.digest) == (5, 4, True, b"digest")
    assert (found.sent_at, found.echo) == (7.5, 6.5)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        pack([]),
        pack([1] * 12),
        pack([5, 4, 1.7e9, 1, True, 2, 6, False, 4, b""]),
        pack([-1, 4, 1.7e9, 1, True, 2, 6, False, 4, b"", 1.0, 0.0]),
        pack([5, 4, math.nan, 1, True, 2, 6, False, 4, b"", 1.0, 0.0]),
        pack([5, 4, math.inf, 1, True, 2, 6, False, 4, b"", 1.0, 0.0]),
        pack([5, 4, 1.7e9, 1, True, 2, 6, False, 4, "text", 1.0, 0.0]),
        pack([5, 4, 1.7e9, 1, True, 2, 6, False, 4, b"", -1.0, 0.0]),
        pack([5, 4, 1.7e9, 1, True, 2, 6, False, 4, b"", 1.0, math.nan]),
        pack([5, 4, 1.7e9, 1, True, 2, 6, False, 4, b"", 1.0, "text"]),
    ],
)
def test_a_status_of_another_make_is_refused(body: bytes) -> None:
    with pytest.raises(BadStatus):
        Status.of(body)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_silence_is_counted_from_the_last_word_but_not_through_ones_own_standstill() -> None:
    clock = Clock()
    peers = Peers(clock, lambda: 1e9)
    peers.up(2, hello(MEMBER))
    for _ in range(10):
        clock.now += 0.02
        peers.look()
    assert peers.silent_for(2, 0.0) == pytest.approx(0.2)
    clock.now += 10.0
    peers.look()
    assert peers.silent_for(2, 0.0) == pytest.approx(0.2)
    assert peers.silent_for(3, 109.0) == pytest.approx(1.2)


def test_time_is_the_lower_median_of_those_in_contact() -> None:
    clock = Clock()
    peers = Peers(clock, lambda: 1000.0)
    for node_id, ahead in ((2, 3600.0), (3, -50.0), (4, 2.0)):
        peers.up(node_id, hello(MEMBER))
        peers.told(node_id, Status(0, 0, 1000.0 + ahead, 1, False, 1, 0, False, 0, b"").packed())
    assert peers.median_time(3) == pytest.approx(1000.0)
    clock.now += 5.0
    peers.down(2)
    assert peers.median_time(3) == pytest.approx(1000.0)


def test_the_time_isnt_known_by_fewer_clocks_than_a_majority_has() -> None:
    """One of them may be an hour off: a leader whose links have just broken doesn't go by its own."""
    peers = Peers(Clock(), lambda: 5000.0)
    assert peers.median_time(1) == 5000.0
    assert peers.median_time(2) is None
    peers.up(2, hello(MEMBER))
    assert peers.median_time(2) is None, "it hasn't told yet"
    peers.told(2, Status(0, 0, 1000.0, 1, False, 1, 0, False, 0, b"").packed())
    assert peers.median_time(2) == pytest.approx(1000.0)
    peers.down(2)
    assert peers.median_time(2) is None


def test_digests_are_compared_at_the_same_index_whoever_is_first() -> None:
    digests = Digests()
    random = Random(1)
    for index in range(0, 4000, 100):
        digest = random.randbytes(4)
        if index % 200:
            digests.compare(2, index, digest)
            digests.note(index, digest)
        else:
            digests.note(index, digest)
            digests.compare(2, index, digest)
    assert digests.compared == 40
    assert not digests.different
    digests.note(5000, b"a")
    digests.compare(3, 5000, b"b")
    digests.compare(2, 5000, b"a")
    assert digests.different == {3: 5000}
