"""Comparing what a program printed with what a page of the documentation shows."""

from __future__ import annotations

import re
from collections.abc import Sequence


def is_printed(wanted: Sequence[str], output: str) -> bool:
    """Whether these lines are among what was printed, in this order; ``…`` stands for anything, spaces don't matter."""
    lines = iter(" ".join(line.split()) for line in output.splitlines())
    for want in wanted:
        pattern = ".*".join(re.escape(" ".join(part.split())) for part in want.split("…"))
        if not any(re.fullmatch(pattern.replace(".*", " ?.* ?"), line) for line in lines):
            return False
    return True
