"""Placeholders in queries: ${clientid}, ${username}, ${ipaddr} (or ${peerhost}) and ${listener}.

What a client calls itself becomes a bound parameter of a query, or a part of one argument of a command, and never text
that a database reads. So a placeholder stands where a value stands: not within quotes (only '${username}' alone may
have them, as EMQX's have) and not in comments, which some drivers would write values into.
"""

import re
import shlex
from collections.abc import Mapping
from typing import Final

from rmq.plugin_api import ClientInfo

_ALIASES: Final = {"peerhost": "ipaddr"}
NAMES: Final = ("clientid", "username", "ipaddr", "listener")
_PLACEHOLDER: Final = re.compile(r"\$\{([^}]*)\}")
_QUOTED_PLACEHOLDER: Final = re.compile(r"""(['"])(\$\{[^}]*\})\1""")
_BEGINS: Final = re.compile(r"\s*(select|with)\b", re.IGNORECASE)
_PIECE: Final = re.compile(r"""'[^']*'|"[^"]*"|`[^`]*`|--|/\*|#|['"`]""")

Values = Mapping[str, str | None]


def values_of(client: ClientInfo) -> dict[str, str | None]:
    """What stands for a client; None for a user name that it hasn't."""
    return {
        "clientid": client.client_id,
        "username": client.username,
        "ipaddr": client.remote_host,
        "listener": client.listener,
    }


def are_text(values: Values) -> bool:
    """Whether they can be sent: a database takes neither U+0000 nor what is no UTF-8."""
    for value in values.values():
        if value is not None:
            if "\0" in value:
                return False
            try:
                value.encode()
            except UnicodeEncodeError:
                return False
    return True


class Query:
    """A query in SQL, as its text and names in turns: ``texts`` is one longer than ``names``."""

    def __init__(self, text: str) -> None:
        self.texts, self.names = _split(_QUOTED_PLACEHOLDER.sub(r"\2", text.strip().removesuffix(";")))


def read_query(text: str) -> Query:
    """A query; ``ValueError`` says what is wrong with it."""
    bare = _QUOTED_PLACEHOLDER.sub(r"\2", text)
    for found in _PIECE.finditer(bare):
        piece = found[0]
        if piece in ("--", "/*", "#"):
            raise ValueError(f"a query has no comments and no {piece} outside of quotes")
        if len(piece) == 1:
            raise ValueError(f"a {piece} isn't closed")
        if "\\" in piece:
            raise ValueError("a \\ within quotes isn't read alike by all databases: write it another way")
        if _PLACEHOLDER.search(piece):
            raise ValueError(
                "a placeholder can't stand within quotes: join texts instead, as in CONCAT('u-', ${username})"
            )
    if not _BEGINS.match(bare):
        raise ValueError("a query begins with SELECT or WITH")
    return Query(text)


class Command:
    """A command of Redis: words, each its text and names in turns."""

    def __init__(self, words: list[tuple[list[str], list[str]]]) -> None:
        self._words = words
        self.names = [name for _, names in words for name in names]

    def filled(self, values: Values) -> list[str] | None:
        """Its arguments for a client, one for each word; None where the client hasn't what a word needs."""
        arguments: list[str] = []
        for texts, names in self._words:
            argument = texts[0]
            for name, text in zip(names, texts[1:], strict=True):
                value = values[name]
                if value is None:
                    return None
                argument += value + text
            arguments.append(argument)
        return arguments


def read_command(text: str, allowed: Mapping[str, int]) -> Command:
    """A command; ``allowed`` has how many words each may have at least, ``ValueError`` says what is wrong with it."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ValueError(f"not a command: {error}") from None
    name = words[0].upper() if words else ""
    if name not in allowed:
        raise ValueError(f"a command begins with {' or '.join(allowed)}")
    if len(words) < allowed[name]:
        raise ValueError(f"{name} needs {allowed[name] - 1} arguments")
    if name != "HMGET" and len(words) > allowed[name]:
        raise ValueError(f"{name} has {allowed[name] - 1} arguments")
    split = [_split(word) for word in words]
    if split[0][1]:
        raise ValueError("the name of a command is fixed")
    return Command(split)


def _split(text: str) -> tuple[list[str], list[str]]:
    texts: list[str] = []
    names: list[str] = []
    for number, part in enumerate(_PLACEHOLDER.split(text)):
        if number % 2 == 0:
            texts.append(part)
            continue
        name = _ALIASES.get(part, part)
        if name == "password":
            raise ValueError("passwords are compared here, not sent to the database: there is no ${password}")
        if name not in NAMES:
            listed = ", ".join(f"${{{known}}}" for known in NAMES)
            raise ValueError(f"${{{part}}} is no placeholder: there are {listed}")
        names.append(name)
    return texts, names
