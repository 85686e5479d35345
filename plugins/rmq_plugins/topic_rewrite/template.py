"""What a topic becomes: a text with captures (``$1``) and placeholders (``${clientid}``, ``${username}``)."""

import re
from typing import Final

from rmq.plugin_api import ClientInfo

CLIENT_ID: Final = "${clientid}"
USERNAME: Final = "${username}"

_PART: Final = re.compile(r"\$\{[^}]*\}|\$[0-9]+")
# A value that holds one of these would stand for more topics, or for other levels, than itself.
_UNSAFE: Final = frozenset("+#/\0")


class Template:
    """``captures`` is the highest capture that it needs. ``ValueError`` for a placeholder that there isn't."""

    def __init__(self, text: str) -> None:
        self.captures = 0
        self._parts: list[str | int] = []
        at = 0
        for found in _PART.finditer(text):
            self._parts.append(text[at : found.start()])
            at = found.end()
            part = found[0]
            if part.startswith("${"):
                if part not in (CLIENT_ID, USERNAME):
                    raise ValueError(f"{part} isn't a placeholder: there are {CLIENT_ID}, {USERNAME} and $1, $2, …")
                self._parts.append(part)
            else:
                number = int(part[1:])
                if number == 0:
                    raise ValueError("$0 isn't a capture: they begin with $1")
                self.captures = max(self.captures, number)
                self._parts.append(number)
        self._parts.append(text[at:])
        self.of_client = any(part in (CLIENT_ID, USERNAME) for part in self._parts)

    def filled(self, captures: tuple[str, ...], client: ClientInfo) -> str | None:
        """The text for a topic of this client, in one pass: what a client calls itself is never read as a placeholder.

        None where a value can't stand for exactly this client: it is empty, has a wildcard or a level too many, or
        would begin the topic with ``$``.
        """
        texts: list[str] = []
        for part in self._parts:
            if isinstance(part, int):
                texts.append(captures[part - 1])
            elif part in (CLIENT_ID, USERNAME):
                value = client.client_id if part == CLIENT_ID else client.username
                if not value or not _UNSAFE.isdisjoint(value) or (value.startswith("$") and not any(texts)):
                    return None
                texts.append(value)
            else:
                texts.append(part)
        return "".join(texts)
