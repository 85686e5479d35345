"""Gives memory back when a dict has lost most of what it held: CPython never shrinks one on deletion."""

import sys
from typing import Final, TypeVar

Value = TypeVar("Value")

# Below this many bytes a half-empty table isn't worth a look.
_SMALL_TABLE: Final = 8192
# A table that was just filled takes 40 to 110 bytes per entry; this much means it was several times fuller once.
_WASTEFUL_PER_ENTRY: Final = 320


def shrunk(table: dict[str, Value]) -> dict[str, Value]:
    """The same dict, or a right-sized copy of it; to be called after each deletion.

    Only sizes that are a power of two look closer, so that n deletions copy O(n) entries altogether.
    """
    count = len(table)
    if count & (count - 1) != 0:
        return table
    size_bytes = sys.getsizeof(table)
    if size_bytes < _SMALL_TABLE or size_bytes < count * _WASTEFUL_PER_ENTRY:
        return table
    return table.copy()
