"""Placeholders in the topic filters of rules: %c and %u, for exactly one client."""

import re
from typing import Final

from rmq.plugin_api import ClientInfo

_PLACEHOLDER: Final = re.compile("%[cu]")
# A value that holds one of these would stand for more, or for other levels, than itself.
_UNSAFE: Final = frozenset("+#/\0")


def has_placeholder(text: str) -> bool:
    """Whether ``text`` depends on the client."""
    return _PLACEHOLDER.search(text) is not None


def substituted(text: str, client: ClientInfo) -> str | None:
    """``text`` with %c and %u replaced for this client; None where that can't stand for exactly this client.

    The replacement is done in one pass: a user name of ``%c`` stays what it is. A value that begins with ``$`` must not
    begin a filter, or a client that calls itself ``$SYS`` would get the broker's own topics.
    """
    values: dict[str, str] = {}
    for placeholder in _PLACEHOLDER.findall(text):
        value = client.client_id if placeholder == "%c" else client.username
        if not value or not _UNSAFE.isdisjoint(value) or (value.startswith("$") and text.startswith(placeholder)):
            return None
        values[placeholder] = value
    return _PLACEHOLDER.sub(lambda found: values[found[0]], text)
