"""What an answer of the endpoint means.

2xx with the text ``allow``, ``deny`` or ``ignore``, and a header ``X-Superuser: true`` where it is one; or with JSON:
``{"result": "allow", "superuser": false, "expire_at": 1800000000, "acl": [...]}``. 401 and 403 are ``deny``, other 4xx
but 408 and 429 are ``ignore``. Anything else is no answer at all.
"""

import math
from collections.abc import Mapping
from typing import Final

import orjson

from rmq.plugin_api import ALLOW, DENY, UNDECIDED, AccessRule, ClientInfo, NoAnswerError, read_rules

_WORDS: Final = {"allow": ALLOW, "deny": DENY, "ignore": UNDECIDED}
_FAILED: Final = (408, 429)
# A number of seconds as large as this is a number of milliseconds: in seconds it is the year 5138.
_LEAST_MILLIS: Final = 100_000_000_000


class Answer:
    """``expires_at`` in seconds since 1970, 0.0: never. ``cache_ms``: None without X-Cache, -1 as long as connected."""

    __slots__ = ("cache_ms", "expires_at", "rules", "superuser", "verdict")

    def __init__(
        self,
        verdict: int,
        superuser: bool = False,
        expires_at: float = 0.0,
        rules: tuple[AccessRule, ...] = (),
        cache_ms: int | None = None,
    ) -> None:
        self.verdict = verdict
        self.superuser = superuser
        self.expires_at = expires_at
        self.rules = rules
        self.cache_ms = cache_ms


def understood(status: int, headers: Mapping[str, str], body: bytes, client: ClientInfo) -> Answer:
    """The answer; raises ``NoAnswerError``. ``headers`` finds names in whatever case they were sent."""
    if status in (401, 403):
        return Answer(DENY)
    if 400 <= status < 500 and status not in _FAILED:
        return Answer(UNDECIDED)
    if not 200 <= status < 300:
        raise NoAnswerError("status", f"HTTP {status}")
    cache_ms = _cache_ms(headers.get("x-cache"))
    superuser = headers.get("x-superuser", "").strip().lower() in ("true", "1")
    text = body.strip()
    if not text.startswith(b"{"):
        verdict = _WORDS.get(text.decode("ascii", "replace").lower())
        if verdict is None:
            raise NoAnswerError("garbled", "the answer is neither allow, deny, ignore nor JSON")
        return Answer(verdict, superuser and verdict == ALLOW, cache_ms=cache_ms)
    try:
        return _of_json(orjson.loads(text), superuser, cache_ms, client)
    except orjson.JSONDecodeError:
        raise NoAnswerError("garbled", "the answer is no JSON") from None
    except ValueError as error:
        raise NoAnswerError("garbled", str(error)) from None


def _of_json(value: object, superuser: bool, cache_ms: int | None, client: ClientInfo) -> Answer:
    if not isinstance(value, dict):
        raise ValueError("the answer is no JSON object")
    word = value.get("result")
    verdict = _WORDS.get(word) if isinstance(word, str) else None
    if verdict is None:
        raise ValueError('result must be "allow", "deny" or "ignore"')
    if verdict != ALLOW:
        return Answer(verdict, cache_ms=cache_ms)
    given = value.get("superuser", value.get("is_superuser"))
    if given is not None and not isinstance(given, bool):
        raise ValueError("superuser must be true or false")
    listed = value.get("acl")
    rules = () if listed is None else read_rules(listed, client)
    return Answer(verdict, superuser or bool(given), _expiry(value.get("expire_at")), rules, cache_ms)


def _expiry(value: object) -> float:
    if value is None:
        return 0.0
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
        raise ValueError("expire_at must be seconds since 1970")
    return value / 1000 if value >= _LEAST_MILLIS else float(value)


def _cache_ms(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return max(int(text), -1)
    except ValueError:
        return None  # as without the header
