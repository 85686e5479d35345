"""What a terminal is given: nothing that steers it, in columns that line up."""

from __future__ import annotations

import pytest

from rmq.ctl.table import Table, facts
from rmq.ctl.text import cut, printable, shown, size, width


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("a b", "a b"),
        ("日本語", "日本語"),
        ("\x1b[2J", r"\x1b[2J"),
        ("a\nb\tc\x7f", r"a\nb\tc\x7f"),
        ("\x9b31m", r"\x9b31m"),  # CSI as one character (ECMA-48, 5.3)
        ("\u202eabc", r"\u202eabc"),  # writes from right to left
        ("a\u200bb", r"a\u200bb"),  # can't be seen
        ("\udcff", r"\udcff"),
    ],
)
def test_what_isnt_visible_is_escaped(text: str, safe: str) -> None:
    assert printable(text) == safe
    assert printable(safe) == safe


@pytest.mark.parametrize(("text", "columns"), [("abc", 3), ("日本", 4), ("e\u0301", 1), ("\uff26", 2), ("", 0)])
def test_width(text: str, columns: int) -> None:
    assert width(text) == columns


@pytest.mark.parametrize(
    ("text", "most", "left"),
    [("abcdef", 6, "abcdef"), ("abcdefg", 6, "abcde…"), ("日本語", 5, "日本…"), ("日本語", 4, "日…")],
)
def test_cut(text: str, most: int, left: str) -> None:
    assert cut(text, most) == left
    assert width(left) <= most


@pytest.mark.parametrize(
    ("value", "cell"), [(None, "-"), ("", "-"), (True, "yes"), (False, "no"), (0, "0"), (1.5, "1.5"), ("a\n", r"a\n")]
)
def test_a_value_as_a_cell(value: object, cell: str) -> None:
    assert shown(value) == cell


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (3 * 2**30, "3.0 GiB"), (2**50, "1024.0 TiB")],
)
def test_bytes_for_a_person(count: int, text: str) -> None:
    assert size(count) == text


def test_columns_line_up_by_what_is_seen() -> None:
    table = Table(["id", "n", "what"], right=["n"])
    assert table.lines([["日本", "1", "a"], ["x", "10", ""]]) == [
        "id     n  what",
        "日本   1  a",
        "x     10",
    ]


def test_a_later_portion_has_no_head_and_is_no_narrower() -> None:
    table = Table(["id", "n"])
    assert table.lines([["aaaa", "1"]]) == ["id    n", "aaaa  1"]
    assert table.lines([["b", "2"]]) == ["b     2"]
    assert table.lines([["cccccc", "3"]]) == ["cccccc  3"]


def test_the_widest_columns_are_cut_to_the_terminal() -> None:
    table = Table(["id", "node", "address"], room=34)
    lines = table.lines([["x" * 30, "1", "10.0.0.1:40000"]])
    assert lines == ["id             node  address", "xxxxxxxxxxxx…  1     10.0.0.1:400…"]
    assert all(width(line) <= 34 for line in lines)


def test_what_there_is_no_room_for_is_left_out() -> None:
    table = Table(["id", "node", "address"], room=24)
    lines = table.lines([["x" * 30, "1", "10.0.0.1:40000"]])
    assert lines == ["id               node  …", "xxxxxxxxxxxxxx…  1"]
    assert all(width(line) <= 24 for line in lines)


def test_a_terminal_may_be_too_narrow_for_anything() -> None:
    assert Table(["first column of all", "second"], room=3).lines([["a", "b"]]) == ["first colum…  …", "a"]


def test_facts() -> None:
    assert facts([("a", "1"), ("long", "2")]) == ["a     1", "long  2"]
    assert facts([]) == []
