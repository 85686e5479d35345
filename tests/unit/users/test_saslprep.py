"""SASLprep: the examples of RFC 4013, section 3, and each rule of section 2."""

from __future__ import annotations

import pytest

from rmq.users.saslprep import SaslprepError, prepared_query, prepared_stored


@pytest.mark.parametrize(
    ("text", "prepared"),
    [
        ("I\u00adX", "IX"),  # mapped to nothing
        ("user", "user"),
        ("USER", "USER"),  # case is kept
        ("\u00aa", "a"),  # NFKC
        ("\u2168", "IX"),
        ("a\u00a0b\u3000c", "a b c"),  # spaces become a space
        ("e\u0301", "é"),
        ("\u0627\u0628", "\u0627\u0628"),
        ("\u0627 1 \u0628", "\u0627 1 \u0628"),
        ("", ""),
        ("\u00ad", ""),
    ],
)
def test_prepared(text: str, prepared: str) -> None:
    assert prepared_query(text) == prepared_stored(text) == prepared


@pytest.mark.parametrize(
    "text",
    [
        "\x07",
        "a\x7f",
        "ü\x80",
        "ü\u2028",
        "ü\ue000",
        "ü\ufdd0",
        "ü\ufffd",
        "\u2ff0",
        "ü\u202e",
        "ü\U000e0041",
        "\u0627\u0031",  # RFC 4013, section 3: must end from right to left
        "\u0627a\u0628",
    ],
)
def test_forbidden(text: str) -> None:
    with pytest.raises(SaslprepError):
        prepared_query(text)
    with pytest.raises(SaslprepError):
        prepared_stored(text)


def test_lone_surrogates_are_forbidden() -> None:
    with pytest.raises(SaslprepError):
        prepared_query("\ud800")


def test_characters_newer_than_unicode_3_2_may_be_asked_for_and_not_kept() -> None:
    assert prepared_query("\u0221") == "\u0221"
    with pytest.raises(SaslprepError, match=r"U\+0221 is newer"):
        prepared_stored("\u0221")
