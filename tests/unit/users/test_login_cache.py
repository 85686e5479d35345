"""Right logins are remembered for a while, in bounds, and until their user changes."""

from __future__ import annotations

from rmq.users.login_cache import LoginCache
from tests.support.users import user

A, B = user("a", "1"), user("b", "1")


def test_a_login_is_found_until_its_time_is_over() -> None:
    cache = LoginCache(10.0)
    key = cache.key("a", b"1")
    assert cache.find(key, 0.0) is None
    cache.keep(key, A, 0.0)
    assert cache.find(key, 9.0) is A
    assert cache.find(key, 18.9) is A  # used at 9, so it lives until 19
    assert cache.find(key, 28.9) is None
    assert len(cache) == 0


def test_zero_keeps_nothing() -> None:
    cache = LoginCache(0.0)
    cache.keep(cache.key("a", b"1"), A, 0.0)
    assert len(cache) == 0


def test_keys_are_those_of_one_name_one_password_and_one_process() -> None:
    cache = LoginCache(10.0)
    keys = [cache.key(*login) for login in (("a", b"b"), ("ab", b""), ("", b"ab"), ("a", b"B"))]
    assert len(set(keys)) == 4
    assert cache.key("a", b"b") == keys[0]
    assert LoginCache(10.0).key("a", b"b") != keys[0]


def test_the_oldest_goes_first() -> None:
    cache = LoginCache(10.0, most_entries=2)
    keys = [cache.key("a", bytes([number])) for number in range(3)]
    cache.keep(keys[0], A, 0.0)
    cache.keep(keys[1], A, 1.0)
    assert cache.find(keys[0], 2.0) is A
    cache.keep(keys[2], A, 3.0)
    assert [cache.find(key, 3.0) for key in keys] == [A, None, A]


def test_what_is_over_makes_room() -> None:
    cache = LoginCache(10.0)
    for number in range(5):
        cache.keep(cache.key("a", bytes([number])), A, 0.0)
    cache.keep(cache.key("b", b""), B, 10.0)
    assert len(cache) == 1


def test_changed_users_are_forgotten() -> None:
    cache = LoginCache(10.0)
    keys = {one.name: cache.key(one.name, b"1") for one in (A, B)}
    cache.keep(keys["a"], A, 0.0)
    cache.keep(keys["b"], B, 0.0)
    cache.keep_only({"a": A, "b": user("b", "1")})
    assert (cache.find(keys["a"], 1.0), cache.find(keys["b"], 1.0)) == (A, None)
    cache.keep_only({})
    assert len(cache) == 0
