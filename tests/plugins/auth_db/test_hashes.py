"""Hashes that other programs made, against the passwords that they were made of."""

import base64
import hashlib
import time
from collections.abc import Callable

import bcrypt
import pytest
from rmq_plugins.auth_db.hashes import BadHash, Hashes

from rmq.node.passwords import ArgonPasswords
from tests.support.users import cheap_hash

PASSWORDS = ArgonPasswords()
# Written out, for it is part of the names of tests, which have to be the same for all who run them.
SALT = b"$2b$04$abcdefghijklmnopqrstuu"
# The last ones are of the tests of crypt_blowfish and of passlib's documents.
WRITTEN = [
    (cheap_hash("pa55"), "pa55"),
    (bcrypt.hashpw(b"pa55", SALT).decode(), "pa55"),
    (bcrypt.hashpw(b"pa55", SALT).decode().replace("$2b$", "$2y$"), "pa55"),
    ("$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U"),
    ("$pbkdf2-sha256$6400$0ZrzXitFSGltTQnBWOsdAw$Y11AchqV4b0sUisdZd0Xr97KWoymNE0LNNrnEgY4H9M", "password"),
]


@pytest.mark.parametrize(("written", "password"), WRITTEN)
def test_a_hash_says_itself_how_it_was_made(written: str, password: str) -> None:
    hashes = Hashes(PASSWORDS)
    assert hashes.is_right(written, "", password.encode())
    assert not hashes.is_right(written, "", password.encode() + b" ")
    assert not hashes.is_right(written, "", b"")


def test_django_and_passlib_of_every_digest() -> None:
    hashes = Hashes(PASSWORDS)
    for digest in ("sha1", "sha256", "sha512"):
        made = hashlib.pbkdf2_hmac(digest, b"pa55", b"salt", 1000)
        django = f"pbkdf2_{digest}$1000$salt${base64.b64encode(made).decode()}"
        assert hashes.is_right(django, "", b"pa55") and not hashes.is_right(django, "", b"other")
        name = "pbkdf2" if digest == "sha1" else f"pbkdf2-{digest}"
        salt, adapted = (base64.b64encode(part).decode().rstrip("=").replace("+", ".") for part in (b"salt", made))
        passlib = f"${name}$1000${salt}${adapted}"
        assert hashes.is_right(passlib, "", b"pa55") and not hashes.is_right(passlib, "", b"other")


@pytest.mark.parametrize(
    ("name", "position", "whole"),
    [
        ("sha256", "prefix", b"slatpa55"),
        ("sha256", "suffix", b"pa55slat"),
        ("sha", "prefix", b"slatpa55"),
        ("sha512", "suffix", b"pa55slat"),
        ("md5", "disable", b"pa55"),
    ],
)
def test_emqx_digests(name: str, position: str, whole: bytes) -> None:
    hashes = Hashes(PASSWORDS, name, position)
    written = hashlib.new({"sha": "sha1"}.get(name, name), whole).hexdigest()
    for kept in (written, written.upper()):
        assert hashes.is_right(kept, "slat", b"pa55")
        assert not hashes.is_right(kept, "slat", b"pa56")
    assert hashes.is_right(written, "other", b"pa55") == (position == "disable")


def test_emqx_pbkdf2() -> None:
    written = hashlib.pbkdf2_hmac("sha512", b"pa55", b"slat", 500, 32).hex()
    hashes = Hashes(PASSWORDS, "pbkdf2", mac="sha512", iterations=500, size=32)
    assert hashes.is_right(written, "slat", b"pa55") and not hashes.is_right(written, "slet", b"pa55")
    with pytest.raises(BadHash, match="32 bytes instead of 64"):
        Hashes(PASSWORDS, "pbkdf2", mac="sha512", iterations=500).is_right(written, "slat", b"pa55")


@pytest.mark.parametrize(
    ("name", "written", "says"),
    [
        ("auto", hashlib.sha256(b"pa55").hexdigest(), "password_hash_algorithm has to"),
        ("auto", "pa55", "password_hash_algorithm has to"),
        ("auto", "$argon2id$v=19$m=99999999,t=9,p=1$c2FsdHNhbHQ$" + "A" * 43, "can't be checked"),
        ("auto", "$argon2i$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$" + "A" * 43, "can't be checked"),
        ("auto", "$2b$31$" + "a" * 53, "cost beyond"),
        ("bcrypt", "$2b$04$short", "isn't one of bcrypt"),
        ("bcrypt", cheap_hash("x"), "isn't one of bcrypt"),
        ("auto", "$pbkdf2-sha256$99999999$c2FsdA$" + "A" * 43, "beyond 5000000"),
        ("auto", "pbkdf2_sha256$1000$salt$" + "A" * 3, "base64"),
        ("sha256", "not hex", "other characters"),
        ("sha256", hashlib.sha1(b"x").hexdigest(), "20 bytes instead of 32"),
    ],
)
def test_what_is_no_hash_lets_nobody_in_and_is_told_without_being_shown(name: str, written: str, says: str) -> None:
    with pytest.raises(BadHash, match=says) as caught:
        Hashes(PASSWORDS, name).is_right(written, "", b"pa55")
    assert written not in str(caught.value)


def test_bcrypt_of_a_long_password_and_of_one_with_a_zero() -> None:
    long = b"x" * 100
    written = bcrypt.hashpw(long[:72], bcrypt.gensalt(4)).decode()
    hashes = Hashes(PASSWORDS)
    assert hashes.is_right(written, "", long) and not hashes.is_right(written, "", long[:71])
    assert not hashes.is_right(bcrypt.hashpw(b"a", bcrypt.gensalt(4)).decode(), "", b"a\0b")


@pytest.mark.parametrize("name", ["auto", "bcrypt", "pbkdf2", "md5", "sha", "sha256", "sha512"])
def test_nobody_can_be_spent_time_on_from_the_beginning(name: str) -> None:
    Hashes(PASSWORDS, name).spend(b"pa55")


def test_somebody_unknown_takes_as_long_as_the_last_one_known() -> None:
    hashes = Hashes(PASSWORDS)
    dear = bcrypt.hashpw(b"pa55", bcrypt.gensalt(11)).decode()  # some 100 ms
    hashes.is_right(cheap_hash("pa55"), "", b"wrong")
    cheap_s = seconds(lambda: hashes.spend(b"wrong"))
    known_s = seconds(lambda: hashes.is_right(dear, "", b"wrong"))
    spent_s = seconds(lambda: hashes.spend(b"wrong"))
    assert spent_s > known_s / 3 and spent_s > cheap_s * 5


def seconds(work: Callable[[], object]) -> float:
    """Of processor time, the least of three."""
    took: list[float] = []
    for _ in range(3):
        began = time.thread_time()
        work()
        took.append(time.thread_time() - began)
    return min(took)
