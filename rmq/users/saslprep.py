"""SASLprep: the one form in which names and passwords are compared, whatever keyboard they came from (RFC 4013)."""

import stringprep
import unicodedata
from typing import Final

# What must not be in the result: RFC 4013, 2.3.
_PROHIBITED: Final = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


class SaslprepError(ValueError):
    """The text has a character that SASLprep forbids, or mixes directions of writing."""


def prepared_query(text: str) -> str:
    """What somebody sends, prepared; characters newer than Unicode 3.2 may be in it (RFC 4013, 2.5)."""
    if text.isascii():
        if text.isprintable():
            return text
        raise SaslprepError("a control character is not allowed")
    mapped = "".join(
        " " if stringprep.in_table_c12(character) else character
        for character in text
        if not stringprep.in_table_b1(character)
    )
    prepared = unicodedata.ucd_3_2_0.normalize("NFKC", mapped)
    for character in prepared:
        if any(forbidden(character) for forbidden in _PROHIBITED):
            raise SaslprepError(f"U+{ord(character):04X} is not allowed")
    _check_directions(prepared)
    return prepared


def prepared_stored(text: str) -> str:
    """What is to be kept, prepared; ``SaslprepError`` for characters newer than Unicode 3.2 too (RFC 4013, 2.5)."""
    for character in text:
        if stringprep.in_table_a1(character):
            raise SaslprepError(f"U+{ord(character):04X} is newer than the tables of SASLprep")
    return prepared_query(text)


def _check_directions(text: str) -> None:
    """RFC 3454, section 6: text from right to left stands alone, and begins and ends as such."""
    if not any(stringprep.in_table_d1(character) for character in text):
        return
    if any(stringprep.in_table_d2(character) for character in text):
        raise SaslprepError("it mixes directions of writing")
    if not (stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])):
        raise SaslprepError("text from right to left must begin and end with such characters")
