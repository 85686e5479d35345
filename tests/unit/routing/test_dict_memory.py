"""Dicts that have shrunk give their memory back, at little cost."""

import sys

from rmq.routing.dict_memory import shrunk
from rmq.routing.retained_trie import RetainedTrie
from rmq.routing.router import Router
from tests.unit.routing.naive import message, session, subscription


def test_deleting_from_a_large_dict_gives_its_table_back() -> None:
    table = {str(i): i for i in range(50_000)}
    copies = 0
    for i in range(49_990):
        del table[str(i)]
        smaller = shrunk(table)
        copies += smaller is not table
        table = smaller
        assert sys.getsizeof(table) <= 8192 or sys.getsizeof(table) < 1200 * len(table)
    assert table == {str(i): i for i in range(49_990, 50_000)}
    assert sys.getsizeof(table) <= 8192
    assert 1 <= copies <= 8


def test_a_dict_that_goes_up_and_down_isn_t_copied_each_time() -> None:
    table = {str(i): i for i in range(4096)}
    for _ in range(100):
        table["x"] = 0
        del table["x"]
        assert shrunk(table) is table


def test_tries_give_their_tables_back() -> None:
    router = Router()
    trie = RetainedTrie()
    owner = session("c")
    exact = [subscription(owner, f"dev/{i}") for i in range(5000)]
    wild = [subscription(owner, f"dev/{i}/#") for i in range(5000)]
    for i in range(5000):
        router.add(exact[i])
        router.add(wild[i])
        trie.set(message(f"dev/{i}/x"))
    for i in range(4999):
        router.remove(exact[i])
        router.remove(wild[i])
        trie.remove(f"dev/{i}/x")
    branch = router._trie._root.children
    assert branch is not None
    below = getattr(branch["dev"], "children")  # noqa: B009
    assert list(below) == ["4999"]
    tables = [router._trie._exact, below, trie._messages]
    assert max(sys.getsizeof(table) for table in tables) <= 8192
