"""Accounts in a cluster: the log decides who has a name, all nodes have it when it is answered, and levels are kept."""

from __future__ import annotations

from rmq.engine import admin
from rmq.engine.admin import Change
from rmq.storage.account_records import (
    ACCOUNT_LEVEL,
    ANY_REVISION,
    DONE,
    EXISTS,
    NO_REVISION,
    UNDECIDED,
    DeleteAccount,
    PutAccount,
)
from tests.unit.engine.cluster.conftest import Three
from tests.unit.engine.cluster.group import Group
from tests.unit.engine.cluster.member import Member

KIND = "api_key"


class Asked:
    """A change that somebody has asked a node for; ``is_done`` when it is answered."""

    def __init__(self, member: Member, operation: PutAccount | DeleteAccount) -> None:
        self.operation = operation
        self.is_done = False
        self.change = Change(member.broker, self._done)
        admin.change_account(operation, self.change)
        self.change.seal()

    def _done(self) -> None:
        self.is_done = True


def make(member: Member, name: str, value: bytes = b"v") -> Asked:
    return Asked(member, PutAccount(KIND, name, value, NO_REVISION))


def values(member: Member) -> dict[str, bytes]:
    return {account.name: account.value for account in member.broker.state.accounts.all()}


def test_all_nodes_have_it_when_it_is_answered(group: Group, three: Three) -> None:
    one, two, three_ = three
    two.holds_applying = True
    asked = make(one, "a")
    group.settle()
    assert values(one) == values(three_) == {"a": b"v"} and values(two) == {}
    assert asked.operation.outcome == DONE and not asked.is_done
    two.holds_applying = False
    group.settle()
    assert asked.is_done and values(two) == {"a": b"v"}


def test_nobody_waits_for_a_node_that_is_down(group: Group, three: Three) -> None:
    one, two, three_ = three
    group.cut_off(three_)
    group.declare_down(three_)
    asked = make(two, "a")
    group.settle()
    assert asked.is_done and values(one) == {"a": b"v"}
    group.heal(three_)
    group.settle()
    assert values(three_) == {"a": b"v"}


def test_the_log_decides_between_two(group: Group, three: Three) -> None:
    one, two, three_ = three
    first, second = make(one, "a", b"1"), make(two, "a", b"2")
    group.settle()
    assert sorted((first.operation.outcome, second.operation.outcome)) == [DONE, EXISTS]
    winner = first if first.operation.outcome == DONE else second
    assert isinstance(winner.operation, PutAccount)
    assert values(one) == values(two) == values(three_) == {"a": winner.operation.value}
    gone = Asked(three_, DeleteAccount(KIND, "a", ANY_REVISION))
    group.settle()
    assert gone.is_done and values(one) == values(two) == {}


def test_without_a_majority_nobody_is_told_that_it_is_done(group: Group, three: Three) -> None:
    one, two, three_ = three
    group.cut_off(three_)
    asked = make(three_, "a")
    group.settle()
    assert not asked.is_done
    group.pass_time(10.0)
    assert asked.is_done and asked.change.unknown and asked.operation.outcome == UNDECIDED
    refused = make(three_, "b")
    assert refused.is_done and refused.change.refused
    group.heal(three_)
    group.settle()
    assert values(one) == values(two) == {"a": b"v"}, "what nobody knew of may be made later"


def test_they_are_not_proposed_before_every_member_knows_them(group: Group, three: Three) -> None:
    assert not any(member.port.may_propose(ACCOUNT_LEVEL) for member in three)
    three[0].port.raise_level(ACCOUNT_LEVEL - 1)
    group.settle()
    assert not any(member.port.may_propose(ACCOUNT_LEVEL) for member in three)
    three[0].port.raise_level(ACCOUNT_LEVEL)
    group.settle()
    assert all(member.port.may_propose(ACCOUNT_LEVEL) for member in three)
