"""`$exclusive/` and `$limit/` over the nodes of a cluster: whoever comes later in the log is refused, at any node."""

from __future__ import annotations

import pytest

from tests.support import wire
from tests.support.engine import Client
from tests.support.wire_parser import Suback, Unsuback
from tests.unit.engine.cluster.conftest import Three
from tests.unit.engine.cluster.group import Group
from tests.unit.engine.cluster.member import Member

FULL = 0x97
EXCLUSIVE = "$exclusive/t"


@pytest.fixture(autouse=True)
def _switched_on(three: Three) -> None:
    for node in three:
        node.limits.limit_subscription = True


def connected(node: Member, client_id: str, *, kept: bool) -> Client:
    return node.connect(client_id, expiry=100 if kept else 0)


def unsubscribe(client: Client) -> None:
    client.send(wire.unsubscribe(2, [EXCLUSIVE]))
    assert client.take(Unsuback).codes == [0]


@pytest.mark.parametrize("kept", [True, False], ids=["kept", "transient"])
@pytest.mark.parametrize("theirs", [True, False], ids=["kept", "transient"])
def test_it_is_held_by_one_in_the_whole_cluster(group: Group, three: Three, kept: bool, theirs: bool) -> None:
    one, two, last = three
    first, second = connected(one, "a", kept=kept), connected(two, "b", kept=theirs)
    assert first.subscribe((EXCLUSIVE, 1)) == [1]
    assert second.subscribe((EXCLUSIVE, 1), ("other", 1)) == [FULL, 1]
    assert second.subscribe(("$limit/5/t", 1)) == [FULL]
    # Again by the same client, and messages go to it, once.
    assert first.subscribe((EXCLUSIVE, 1)) == [1]
    last.connect("p").publish("t", b"m", 1)
    assert [m.payload for m in first.receive_all()] == [b"m"]
    assert second.receive_all() == []
    unsubscribe(first)
    assert second.subscribe((EXCLUSIVE, 1)) == [1]
    assert first.subscribe((EXCLUSIVE, 1)) == [FULL]
    last.connect("q").publish("t", b"n", 1)
    assert [m.payload for m in second.receive_all()] == [b"n"] and first.receive_all() == []


@pytest.mark.parametrize("kept", [True, False], ids=["kept", "transient"])
@pytest.mark.parametrize("theirs", [True, False], ids=["kept", "transient"])
def test_of_two_in_the_same_moment_one_has_it(group: Group, three: Three, kept: bool, theirs: bool) -> None:
    one, two, last = three
    first, second = connected(one, "a", kept=kept), connected(two, "b", kept=theirs)
    one.holds_commands = two.holds_commands = True
    for client in (first, second):
        client.send(wire.subscribe(1, [(EXCLUSIVE, 1), ("u", 0)]))
    group.settle()
    two.holds_commands = False
    group.settle()
    one.holds_commands = False
    group.settle()
    assert second.take(Suback).codes == [1, 0]
    assert first.take(Suback).codes == [FULL, 0]
    last.connect("p").publish("t", b"m", 1)
    assert [m.payload for m in second.receive_all()] == [b"m"] and first.receive_all() == []
    # Nothing of the refused one is left anywhere.
    unsubscribe(second)
    assert connected(last, "c", kept=False).subscribe((EXCLUSIVE, 1)) == [1]


def test_the_lowest_limit_holds_over_all_nodes(three: Three) -> None:
    one, two, last = three
    assert connected(one, "a", kept=False).subscribe(("$limit/3/t", 1)) == [1]
    assert connected(two, "b", kept=True).subscribe(("$limit/2/t", 1)) == [1]
    assert connected(last, "c", kept=False).subscribe(("$limit/9/t", 1)) == [FULL]


def test_another_filter_of_the_same_client_takes_its_place(group: Group, three: Three) -> None:
    one, two, _ = three
    first, second = connected(one, "a", kept=False), connected(two, "b", kept=False)
    assert first.subscribe((EXCLUSIVE, 1)) == [1]
    assert first.subscribe(("$limit/2/t", 1)) == [1]
    assert second.subscribe(("$limit/2/t", 1)) == [1]
    assert first.subscribe(("t", 1)) == [1]
    assert connected(two, "c", kept=False).subscribe(("$limit/2/t", 1)) == [1]
    assert connected(one, "d", kept=False).subscribe(("$limit/2/t", 1)) == [FULL]


def test_a_client_that_moves_takes_it_along(three: Three) -> None:
    one, two, _ = three
    assert connected(one, "a", kept=False).subscribe((EXCLUSIVE, 1)) == [1]
    again = two.connect("a", clean=True)
    assert again.subscribe((EXCLUSIVE, 1)) == [1]
    assert connected(one, "b", kept=False).subscribe((EXCLUSIVE, 1)) == [FULL]
    again.disconnect()
    assert connected(one, "c", kept=False).subscribe((EXCLUSIVE, 1)) == [1]


def test_those_of_a_dead_node_hold_nothing(group: Group, three: Three) -> None:
    one, _, last = three
    assert connected(last, "a", kept=False).subscribe((EXCLUSIVE, 1)) == [1]
    assert connected(one, "b", kept=False).subscribe((EXCLUSIVE, 1)) == [FULL]
    last.kill()
    group.declare_down(3)
    assert connected(one, "c", kept=False).subscribe((EXCLUSIVE, 1)) == [1]


def test_a_snapshot_has_them(group: Group, three: Three) -> None:
    one, two, last = three
    assert connected(one, "a", kept=False).subscribe((EXCLUSIVE, 1)) == [1]
    group.take_snapshot(two)
    last.kill()
    group.declare_down(3)
    again = group.start(3, join=False)
    again.limits.limit_subscription = True
    group.install(two, again)
    group.join(again)
    assert connected(again, "b", kept=False).subscribe((EXCLUSIVE, 1)) == [FULL]
