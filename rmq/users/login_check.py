"""A password checked in a thread: so many at a time, so many that wait, and right ones remembered for a while."""

from collections.abc import Callable

import trio

from rmq.hooks.verdicts import ALLOW, DENY, AuthResult
from rmq.metrics.counters import Counters
from rmq.mqtt import codes
from rmq.users import hashing
from rmq.users.login_cache import LoginCache
from rmq.users.record import User


class LoginCheck:
    """``threads`` check passwords at a time, at most ``queue_limit`` logins wait for one; ``cache_ttl_s`` is how long a
    right login is remembered; ``now`` gives seconds on a clock that never goes back.
    """

    def __init__(
        self, counters: Counters, now: Callable[[], float], threads: int, queue_limit: int, cache_ttl_s: float
    ) -> None:
        self._counters = counters
        self._now = now
        self._limiter = trio.CapacityLimiter(threads)
        self._most_pending = threads + queue_limit
        self._pending = 0
        self.cache = LoginCache(cache_ttl_s)

    async def judge(self, name: str, password: bytes, find: Callable[[str], User | None], unmatched: str) -> AuthResult:
        """Whether it is the password of who ``find`` finds now and once it is checked; nobody takes as long."""
        key = self.cache.key(name, password)
        known = self.cache.find(key, self._now())
        if known is not None and find(name) is known:
            self._counters.logins_from_cache += 1
            return AuthResult(ALLOW, known.superuser)
        if self._pending >= self._most_pending:
            self._counters.logins_refused_busy += 1
            return AuthResult(DENY, reason_code=codes.SERVER_BUSY, reason_string="too many logins at once")
        user = find(name)
        if not await self._verified(user, password, unmatched) or user is None or find(name) is not user:
            self._counters.logins_failed += 1
            return wrong_login()
        self.cache.keep(key, user, self._now())
        return AuthResult(ALLOW, user.superuser)

    async def _verified(self, user: User | None, password: bytes, unmatched: str) -> bool:
        argon2 = unmatched if user is None else user.argon2
        self._pending += 1
        try:
            return await trio.to_thread.run_sync(hashing.verified, argon2, password, limiter=self._limiter)
        finally:
            self._pending -= 1


def wrong_login() -> AuthResult:
    """What everybody is told whose name or password isn't right."""
    return AuthResult(DENY, reason_code=codes.BAD_USER_NAME_OR_PASSWORD, reason_string="bad user name or password")
