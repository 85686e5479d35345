"""Who votes and who only listens, and the single changes that lead from one membership to the next."""

from typing import Any, NamedTuple

from rmq.storage.packing import pack, unpack

ADD_VOTER = 1
ADD_OBSERVER = 2
REMOVE = 3


class Members(NamedTuple):
    """The node ids of a cluster, each tuple sorted."""

    voters: tuple[int, ...] = ()
    observers: tuple[int, ...] = ()


def changed(members: Members, change: int, node: int) -> Members | None:
    """The membership after one change; None when it would change nothing or leave nobody who votes."""
    voters, observers = set(members.voters), set(members.observers)
    if change == REMOVE:
        voters.discard(node)
        observers.discard(node)
    elif change == ADD_VOTER:
        observers.discard(node)
        voters.add(node)
    elif change == ADD_OBSERVER and node not in voters:
        observers.add(node)
    after = Members(tuple(sorted(voters)), tuple(sorted(observers)))
    return after if after != members and voters else None


def encode_members(members: Members) -> bytes:
    """A membership as bytes."""
    return pack([list(members.voters), list(members.observers)])


def decode_members(data: bytes | memoryview) -> Members:
    """The membership that these bytes stand for. Raises ``ValueError``."""
    return members_of(unpack(data))


def members_of(fields: list[Any]) -> Members:
    """The membership that two lists of ids stand for. Raises ``ValueError``."""
    if len(fields) != 2 or not all(isinstance(ids, list) and len(ids) <= 1000 for ids in fields):
        raise ValueError("not two lists of node ids")
    for node in (*fields[0], *fields[1]):
        if type(node) is not int or not 0 < node < 1 << 31:
            raise ValueError("not a node id")
    return Members(tuple(sorted(set(fields[0]))), tuple(sorted(set(fields[1]))))
