"""What a handler is given: the values of the path, query and body in their models, and who asks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

from pydantic import BaseModel

Q = TypeVar("Q", bound=BaseModel)
B = TypeVar("B", bound=BaseModel | None)

VIEWER: Final = "viewer"
ADMINISTRATOR: Final = "administrator"
# Each may what those before it may.
ROLES: Final = (VIEWER, ADMINISTRATOR)
# How it is known who asks, where a program has an API key.
API_KEY: Final = "api_key"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: ``name`` for the log, ``address`` without a port, ``how`` it is known who it is."""

    name: str
    role: str
    address: str
    how: str

    @property
    def has_logged_in(self) -> bool:
        """Whether it is somebody and no API key; who asks from this machine where that is open, is somebody."""
        return self.how != API_KEY

    def may(self, role: str) -> bool:
        """Whether what needs this role is allowed."""
        return ROLES.index(self.role) >= ROLES.index(role)


class PathValues:
    """The values in a path by name; which there are, and of which type, the pattern says."""

    def __init__(self, values: Mapping[str, str | int]) -> None:
        self._values = values

    def text(self, name: str) -> str:
        """A text."""
        value = self._values[name]
        assert isinstance(value, str), f"{{{name}}} is a number in the pattern"
        return value

    def number(self, name: str) -> int:
        """A whole number."""
        value = self._values[name]
        assert isinstance(value, int), f"{{{name}}} is a text in the pattern"
        return value

    def as_mapping(self) -> Mapping[str, Any]:
        """All of them."""
        return self._values


class Logins(Protocol):
    """How a route has somebody log in, by the rules of the listener that was asked."""

    async def check(self, name: str, password: str) -> Caller:
        """Who that is; ``errors.Unauthorized``, or ``ApiError`` 429 after too many failures."""

    async def token(self, name: str, password: str) -> tuple[Caller, str]:
        """The same, and a token that is good as Bearer on every node for ``login_lifetime``.

        ``ManagementError`` as every change, for the first token of all has the secret made.
        """

    async def end(self) -> None:
        """The token that this request came with is good no more; it must have come with one."""


@dataclass(frozen=True, slots=True)
class Call(Generic[Q, B]):
    """One request, checked. ``url`` is path and query as they came: what ``Link`` headers are made of.

    ``logins`` are for routes that take a name and a password.
    """

    path: PathValues
    query: Q
    body: B
    caller: Caller
    url: str
    logins: Logins
