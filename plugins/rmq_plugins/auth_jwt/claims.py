"""What a token claims: whether it holds for this client and this time, and what it gives the client."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from rmq.plugin_api import DENY, UNDECIDED, AccessRule, ClientInfo, read_rules

_PLACEHOLDERS: Final[Mapping[str, Callable[[ClientInfo], str]]] = {
    "${username}": lambda client: client.username or "",
    "${clientid}": lambda client: client.client_id,
    "${ipaddr}": lambda client: client.remote_host,
    "${protocol}": lambda client: str(client.protocol_level),
    "%u": lambda client: client.username or "",
    "%c": lambda client: client.client_id,
}
# The names of EMQX's form of an ACL, and what they are about.
_LISTS: Final = {"pub": "publish", "sub": "subscribe", "all": "all"}
# The year 9999: whatever is later is for ever.
_LATEST: Final = 253_402_300_799.0


class ClaimRefused(Exception):
    """A claim that doesn't hold; the text names it, and has nothing of what it says."""


class Grant:
    """What a token gives. ``expires_at`` in seconds since 1970, 0.0: nothing that ends.

    ``otherwise`` is the verdict on what none of the ``rules`` fits.
    """

    __slots__ = ("expires_at", "otherwise", "rules", "superuser")

    def __init__(
        self,
        superuser: bool = False,
        expires_at: float = 0.0,
        rules: tuple[AccessRule, ...] = (),
        otherwise: int = UNDECIDED,
    ) -> None:
        self.superuser = superuser
        self.expires_at = expires_at
        self.rules = rules
        self.otherwise = otherwise


def check_template(text: str) -> None:
    """``ValueError`` for a placeholder that there isn't."""
    for is_placeholder, piece in _pieces(text):
        if is_placeholder and piece not in _PLACEHOLDERS:
            raise ValueError(f"{piece} is no placeholder: {', '.join(_PLACEHOLDERS)}")


def filled(text: str, client: ClientInfo) -> str | None:
    """The text for this client, in one pass and literally; None where the client has no value for a placeholder."""
    parts: list[str] = []
    for is_placeholder, piece in _pieces(text):
        value = _PLACEHOLDERS[piece](client) if is_placeholder else piece
        if is_placeholder and not value:
            return None  # an empty name must not make "" fit whoever has none
        parts.append(value)
    return "".join(parts)


def _pieces(text: str) -> Sequence[tuple[bool, str]]:
    """The text cut at its placeholders: of each piece whether it is one, and the piece."""
    found: list[tuple[bool, str]] = []
    plain = at = 0
    while at < len(text):
        end = 0
        if text.startswith(("%u", "%c"), at):
            end = at + 2
        elif text.startswith("${", at):
            closed = text.find("}", at)
            end = closed + 1 if closed >= 0 else len(text)
        if not end:
            at += 1
            continue
        if plain < at:
            found.append((False, text[plain:at]))
        found.append((True, text[at:end]))
        plain = at = end
    if plain < len(text):
        found.append((False, text[plain:]))
    return found


class ClaimRules:
    """What is demanded: ``exp`` and ``nbf`` within ``leeway_s``, and of other claims one of some values."""

    def __init__(self, exp: bool, nbf: bool, leeway_s: float, wanted: Mapping[str, Sequence[str]]) -> None:
        self._exp = exp
        self._nbf = nbf
        self._leeway_s = leeway_s
        self._wanted = wanted

    def judge(self, claims: Mapping[str, object], client: ClientInfo, now: float) -> Grant:
        """What the token gives this client; raises ``ClaimRefused``."""
        expires_at = 0.0
        if self._exp:
            expires_at = _time(claims, "exp") + self._leeway_s
            if expires_at <= now:
                raise ClaimRefused("its time is over")
        if self._nbf and "nbf" in claims and _time(claims, "nbf") - self._leeway_s > now:
            raise ClaimRefused("its time hasn't come")
        for name, values in self._wanted.items():
            allowed = [filled(value, client) for value in values]
            claimed = claims.get(name)
            # A list is for what RFC 7519, 4.1.3 allows one: one of its values is enough.
            given = claimed if isinstance(claimed, list) else [claimed]
            if not any(isinstance(each, str) and each in allowed for each in given):
                raise ClaimRefused(f"its {name} is not what it must be")
        superuser = claims.get("superuser", claims.get("is_superuser"))
        if superuser is not None and not isinstance(superuser, bool):
            raise ClaimRefused("its superuser is neither true nor false")
        listed = claims.get("acl")
        # What isn't in EMQX's object is denied; a list of rules leaves it to others.
        otherwise = DENY if isinstance(listed, Mapping) else UNDECIDED
        return Grant(superuser is True, 0.0 if expires_at >= _LATEST else expires_at, _rules(listed, client), otherwise)


def _time(claims: Mapping[str, object], name: str) -> float:
    value = claims.get(name)
    if value is None:
        raise ClaimRefused(f"it has no {name}")
    # Not only whole numbers: RFC 7519, 2 (NumericDate).
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
        raise ClaimRefused(f"its {name} is no time")
    return min(float(value), _LATEST)


def _rules(listed: object, client: ClientInfo) -> tuple[AccessRule, ...]:
    if listed is None:
        return ()
    try:
        return read_rules(_as_list(listed) if isinstance(listed, Mapping) else listed, client)
    except ValueError as error:
        raise ClaimRefused(f"its acl can't be read: {error}") from None


def _as_list(listed: Mapping[str, object]) -> list[dict[str, str]]:
    """EMQX's form, lists of topic filters as ``pub``, ``sub`` and ``all``, in the form of a list of rules."""
    rules: list[dict[str, str]] = []
    for name, topics in listed.items():
        action = _LISTS.get(name)
        if action is None or not isinstance(topics, list):
            raise ValueError("an object has lists of topic filters as pub, sub and all")
        for topic in topics:
            if not isinstance(topic, str):
                raise ValueError("a topic filter is a text")
            written = topic.replace("%c", "${clientid}").replace("%u", "${username}")
            rules.append({"permission": "allow", "action": action, "topic": written})
    return rules
