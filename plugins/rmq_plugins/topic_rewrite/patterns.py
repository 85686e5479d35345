"""Regular expressions of RE2: they take time in proportion to the topic, whatever they are and whatever clients name.

Every client chooses what they are matched with, and all of it happens in the node's one thread: one that backtracks,
as Python's own may, would let a client stop the node.
"""

from typing import Final

import re2

# What one may use compiled, in bytes: more is an error when the configuration is read.
MAX_MEMORY: Final = 1 << 20


class Pattern:
    """A regular expression, found anywhere in a topic unless it is anchored. ``ValueError`` says what is wrong."""

    def __init__(self, text: str) -> None:
        options = re2.Options()
        options.log_errors = False  # it would write to standard error by itself
        options.max_mem = MAX_MEMORY
        try:
            self._compiled = re2.compile(text, options=options)
        except re2.error as error:
            reason = error.args[0] if error.args else "unknown"
            text_of = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
            raise ValueError(f"isn't a regular expression of RE2: {text_of}") from None
        self.groups: int = self._compiled.groups

    def captures(self, topic: str) -> tuple[str, ...] | None:
        """What its groups have captured, "" for one that took no part; None where it isn't found."""
        found = self._compiled.search(topic)
        return None if found is None else tuple(text or "" for text in found.groups())
