"""What judges the tokens of others, as access sees it: ``tokens`` does, which is loaded where there are such tokens."""

from dataclasses import dataclass
from typing import Protocol


class TokenRefused(Exception):
    """A token that isn't good; the text says why."""


class TokenOver(TokenRefused):
    """A token that was good until its time was over."""


class KeysNotThere(Exception):
    """The keys couldn't be fetched so far, so that nobody can say whether a token is good."""


@dataclass(frozen=True, slots=True)
class Bearer:
    """Who a token says asks."""

    name: str
    role: str


class TokenJudge(Protocol):
    """Knows good tokens from others."""

    async def identify(self, token: str) -> Bearer:
        """Who it says asks. Raises ``TokenRefused``, ``KeysNotThere``."""
