"""Hashes of other brokers inside argon2id: made by their tools, checked by ours."""

from __future__ import annotations

import hashlib

import pytest

from rmq.users import brought, hashing, record

WAYS = [
    brought.pbkdf2("sha512", 101, 64, b"salt"),
    brought.pbkdf2("sha256", 1000, 32, b""),
    *(brought.salted(digest, place, b"\0salt") for digest in brought.DIGESTS for place in ("prefix", "suffix")),
]


@pytest.mark.parametrize("way", WAYS)
def test_a_password_fits_its_own_hash_only(way: str) -> None:
    written = way + hashing.hashed(brought.hashed(way, b"right"))
    assert hashing.verified(written, b"right")
    assert not hashing.verified(written, b"wrong")
    assert not hashing.verified(written, brought.hashed(way, b"right"))
    assert hashing.cost_of(written) == hashing.DEFAULT_COST
    line = f"alice - {written} -"
    assert record.written(record.read(line)) == line


def test_the_salt_stands_where_it_stood() -> None:
    assert brought.hashed("sha256-prefix:YWI=", b"x") == hashlib.sha256(b"abx").digest()
    assert brought.hashed("sha256-suffix:YWI=", b"x") == hashlib.sha256(b"xab").digest()
    assert brought.hashed("", b"x") == b"x"


@pytest.mark.parametrize(
    "way",
    [
        "sha3-prefix:YWI=",
        "sha256:YWI=",
        "sha256-prefix:=ab",
        "pbkdf2-sha512:1000001:64:YWI=",
        "pbkdf2-sha512:101:1025:YWI=",
        "pbkdf2-sha512:0:64:YWI=",
        "x",
    ],
)
def test_what_a_file_may_not_hold(way: str) -> None:
    with pytest.raises(ValueError):
        hashing.cost_of(way + hashing.hashed(b"x"))
