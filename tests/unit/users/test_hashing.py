"""Argon2id: what is made can be checked, and what a file may hold."""

from __future__ import annotations

import pytest

from rmq.users import hashing

SALT_AND_HASH = "$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA"


def test_a_password_fits_its_own_hash_only() -> None:
    written = hashing.hashed(b"right")
    assert hashing.verified(written, b"right")
    assert not hashing.verified(written, b"wrong")
    assert not hashing.verified(written, b"")
    assert hashing.cost_of(written) == hashing.DEFAULT_COST
    assert hashing.hashed(b"right") != written


def test_passwords_are_bytes() -> None:
    assert hashing.verified(hashing.hashed(b"\0\xff" * 100), b"\0\xff" * 100)


def test_the_hash_of_nobody_costs_as_much_and_fits_nothing() -> None:
    cost = (64, 3, 2)
    written = hashing.unmatched(cost)
    assert hashing.cost_of(written) == cost
    assert not hashing.verified(written, b"")
    assert len(hashing.unmatched(hashing.DEFAULT_COST)) == len(hashing.hashed(b"x"))


@pytest.mark.parametrize(
    "written",
    [
        "",
        "plain",
        "$argon2i$v=19$m=64,t=1,p=1" + SALT_AND_HASH,
        "$argon2id$v=16$m=64,t=1,p=1" + SALT_AND_HASH,
        "$argon2id$m=64,t=1,p=1" + SALT_AND_HASH,
        "$argon2id$v=19$m=64,t=1" + SALT_AND_HASH,
        "$argon2id$v=19$m=64,t=0,p=1" + SALT_AND_HASH,
        "$argon2id$v=19$m=64,t=1,p=1$!$!",
        "$argon2id$v=19$m=64,t=1,p=1" + SALT_AND_HASH + "$",
        "$argon2id$v=19$m=1048577,t=1,p=1" + SALT_AND_HASH,
        "$argon2id$v=19$m=64,t=65,p=1" + SALT_AND_HASH,
        "$argon2id$v=19$m=1024,t=1,p=17" + SALT_AND_HASH,
        "$argon2id$v=19$m=8,t=1,p=2" + SALT_AND_HASH,
    ],
)
def test_what_is_no_hash_we_check_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="argon2id"):
        hashing.cost_of(written)


def test_a_hash_that_the_library_refuses_fits_nothing() -> None:
    assert not hashing.verified("$argon2id$v=19$m=64,t=1,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAA", b"x")
    assert not hashing.verified("nonsense", b"x")
