"""A user as a line: there and back, with every name, and what is wrong with a line said without secrets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmq.users import record
from tests.support.users import user

NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)


@given(NAMES)
def test_every_name_a_client_can_have_comes_back(name: str) -> None:
    line = record.written(record.User(name, False, "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo", None))
    assert "\n" not in line and "\r" not in line and not line.startswith("#")
    assert record.read(line).name == name


@pytest.mark.parametrize("superuser", [True, False])
@pytest.mark.parametrize("scram", [True, False])
def test_there_and_back(superuser: bool, scram: bool) -> None:
    before = user("a b", "secret", superuser=superuser, scram=scram)
    after = record.read(record.written(before))
    assert after.same_as(before)
    assert (after.name, after.superuser, after.argon2) == ("a b", superuser, before.argon2)
    assert (after.verifier is not None) == scram
    if after.verifier is not None and before.verifier is not None:
        assert after.verifier.salt == before.verifier.salt
        assert after.verifier.stored_key == before.verifier.stored_key
        assert after.verifier.server_key == before.verifier.server_key


def test_a_change_is_seen() -> None:
    one = user("a", "secret")
    assert not one.same_as(None)
    assert not one.same_as(user("a", "other"))
    assert not one.same_as(user("a", "secret", superuser=True))
    assert not one.same_as(user("a", "secret", scram=False))


def test_names_are_readable_where_they_can_be() -> None:
    assert record.encoded("sensor/1+#$ü") == "sensor/1+%23$ü"
    assert record.encoded("a b%\t") == "a%20b%25%09"


GOOD = record.written(user("a", "secret"))
FIELDS = GOOD.split(" ")
SCRAM = FIELDS[3]


def with_field(index: int, text: str) -> str:
    return " ".join([*FIELDS[:index], text, *FIELDS[index + 1 :]])


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("a", "has 1 fields"),
        (" ".join(FIELDS[:3]), "has 3 fields"),
        (GOOD + " more", "has 5 fields"),
        (with_field(0, "a%"), "%25"),
        (with_field(0, "a%2"), "%25"),
        (with_field(0, "a%FF"), "UTF-8"),
        (with_field(0, "a%00"), "U+0000"),
        (with_field(0, "a" * 65_536), "65535 bytes"),
        (with_field(1, "root"), "second field"),
        (with_field(1, "Superuser"), "second field"),
        (with_field(2, "secret"), "argon2id"),
        (with_field(3, "secret"), "last field"),
        (with_field(3, SCRAM.replace("$4096", "$4095")), "iterations must be 4096"),
        (with_field(3, SCRAM.replace("$4096", "$9999999999")), "iterations must be"),
        (with_field(3, SCRAM.replace("$4096", "$0")), "last field"),
        (with_field(3, SCRAM.replace("SHA-256", "SHA-1")), "last field"),
        (with_field(3, SCRAM[:-2]), "last field"),
        (with_field(3, SCRAM[:-44] + "=" * 44), "base64"),
        (with_field(3, SCRAM[:-44] + "A" * 44), "32 bytes"),
    ],
)
def test_what_is_wrong_is_said(line: str, says: str) -> None:
    with pytest.raises(ValueError) as caught:
        record.read(line)
    assert says in str(caught.value)
    assert "secret" not in str(caught.value) and FIELDS[2] not in str(caught.value)


@pytest.mark.parametrize("name", ["", "a\0b", "\ud800", "a" * 65_536])
def test_names_that_no_client_can_have(name: str) -> None:
    with pytest.raises(ValueError, match="user name"):
        record.check_name(name)
