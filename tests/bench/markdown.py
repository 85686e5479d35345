"""Tables and figures in Markdown."""

from __future__ import annotations

from statistics import median


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table whose first column is text and whose others are figures."""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in lines)


def verdict(met: bool) -> str:
    """Whether a target was met."""
    return "met" if met else "**NOT met**"


def spread(values: list[float]) -> str:
    """The median, and between what the runs were."""
    if not values:
        return "-"
    if len(values) == 1:
        return f"{values[0]:,.0f}"
    return f"{median(values):,.0f} ({min(values):,.0f} to {max(values):,.0f})"
