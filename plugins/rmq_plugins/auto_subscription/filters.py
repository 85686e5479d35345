"""Placeholders in topic filters, for exactly one client: its id, user name, host and port."""

import re
from typing import Final

from rmq.plugin_api import ClientInfo

_PLACEHOLDER: Final = re.compile(r"\$\{[^}]*\}")
_KNOWN: Final = ("${clientid}", "${username}", "${host}", "${port}")
# A value that holds one of these would stand for more topics, or for other levels, than itself.
_UNSAFE: Final = frozenset("+#/\0")


def check(text: str) -> None:
    """``ValueError`` names a placeholder that there isn't."""
    for placeholder in _PLACEHOLDER.findall(text):
        if placeholder not in _KNOWN:
            raise ValueError(f"{placeholder} isn't a placeholder: there are {', '.join(_KNOWN)}")


def filled(text: str, client: ClientInfo) -> str | None:
    """``text`` for this client, in one pass; None where a value can't stand for exactly this client.

    That is: it is empty, has a wildcard or a level too many, or would begin the filter with ``$``.
    """
    values: dict[str, str] = {}
    for placeholder in _PLACEHOLDER.findall(text):
        value = _value(placeholder, client)
        if not value or not _UNSAFE.isdisjoint(value) or (value.startswith("$") and text.startswith(placeholder)):
            return None
        values[placeholder] = value
    return _PLACEHOLDER.sub(lambda found: values[found[0]], text)


def _value(placeholder: str, client: ClientInfo) -> str | None:
    if placeholder == "${clientid}":
        return client.client_id
    if placeholder == "${username}":
        return client.username
    return client.remote_host if placeholder == "${host}" else str(client.remote_port)
