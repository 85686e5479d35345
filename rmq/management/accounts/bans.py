"""The ban list as administrators see it: who may not connect, on any node, for ever or until some time."""

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from rmq.engine.bans import KIND, Ban, BanKind, account_name, read_ban, write_ban
from rmq.management.accounts.store import AccountStore
from rmq.management.errors import AccountExists, AccountNotFound, BadQuery, TooManyBans

KINDS: Final[tuple[BanKind, ...]] = ("clientid", "username", "peerhost", "peerhost_net")
# Kinds that other brokers have and this one refuses.
PATTERNS: Final = ("clientid_re", "username_re")
__all__ = ["KINDS", "Ban", "BanKind", "BanQuery", "Bans"]

# Of ``storage.accounts.MAX_ACCOUNTS``, so that there is always room for users and API keys.
MAX_BANS: Final = 8000
MAX_TEXT: Final = 512
MAX_WHO: Final = 4096
# The end of the year 9999.
LATEST: Final = 253_402_300_799.0


@dataclass(frozen=True, slots=True)
class BanQuery:
    """One filter of bans, or none: ``kind`` and all of ``who``, or a part of it."""

    kind: BanKind | None = None
    who: str | None = None
    who_contains: str | None = None

    def passes(self, ban: Ban) -> bool:
        """Whether a ban satisfies it."""
        return (
            (self.kind is None or ban.kind == self.kind)
            and (self.who is None or ban.who == self.who)
            and (self.who_contains is None or self.who_contains in ban.who)
        )


EVERY_BAN: Final = BanQuery()


class Bans:
    """The bans of all nodes; changes return when they hold on every node that isn't down.

    A new ban ends the connections of whom it is about within moments. Bans whose time is over aren't listed, and are
    taken out soon.
    """

    def __init__(self, accounts: AccountStore, clock: Callable[[], float]) -> None:
        self._accounts = accounts
        self._clock = clock

    def all(self, query: BanQuery = EVERY_BAN) -> list[Ban]:
        """Those that are in force and satisfy a query, by kind and by whom they are about."""
        now = self._clock()
        bans = (read_ban(account) for account in self._accounts.all(KIND))
        found = [ban for ban in bans if not ban.is_over(now) and query.passes(ban)]
        found.sort(key=lambda ban: (ban.kind, ban.who))
        return found

    async def create(
        self,
        kind: str,
        who: str,
        *,
        by: str = "",
        reason: str = "",
        at: float | None = None,
        until: float | None = None,
    ) -> Ban:
        """Ban somebody; raises ``AccountExists``, ``TooManyBans``, ``BadQuery``. ``at`` None: now."""
        now = self._clock()
        if until is not None and not now < until <= LATEST:
            raise BadQuery("until", "is over already" if until <= now else "isn't a time before the year 10000")
        if at is not None and not 0 <= at <= LATEST:
            raise BadQuery("at", "isn't a time between 1970 and 9999")
        for name, text in (("by", by), ("reason", reason)):
            if len(text) > MAX_TEXT:
                raise BadQuery(name, f"has no more than {MAX_TEXT} characters")
        checked = check_kind(kind)
        ban = Ban(checked, normal(checked, who), by, reason, now if at is None else at, until)
        name = account_name(ban.kind, ban.who)
        before = self._accounts.find(KIND, name)
        if before is not None and read_ban(before).is_over(now):
            await self.delete(ban.kind, ban.who)
        elif before is None and self._accounts.count(KIND) >= MAX_BANS:
            raise TooManyBans(MAX_BANS)
        try:
            await self._accounts.create(KIND, name, write_ban(ban))
        except AccountExists:
            raise AccountExists(KIND, f"{ban.kind}:{ban.who}") from None
        return ban

    async def delete(self, kind: str, who: str) -> None:
        """Let somebody in again; raises ``AccountNotFound``, ``BadQuery``."""
        checked = check_kind(kind)
        try:
            await self._accounts.delete(KIND, account_name(checked, normal(checked, who)))
        except (AccountNotFound, BadQuery):  # nobody is banned by what can't be written so
            raise AccountNotFound(KIND, f"{kind}:{who}") from None

    async def clear(self) -> int:
        """Let everybody in again; answers how many bans there were."""
        names = [account.name for account in self._accounts.all(KIND)]
        await self._accounts.delete_all(KIND, names)
        return len(names)


def check_kind(kind: str) -> BanKind:
    """A kind of ban; ``BadQuery`` says why not."""
    for known in KINDS:
        if kind == known:
            return known
    if kind in PATTERNS:
        raise BadQuery("as", f"{kind}: this broker runs no regular expressions: ban each, or by address")
    raise BadQuery("as", f"must be one of {', '.join(KINDS)}")


def normal(kind: BanKind, who: str) -> str:
    """Whom a ban is about in the one way to write it; ``BadQuery`` for what can't be one."""
    if not 0 < len(who) <= MAX_WHO:
        raise BadQuery("who", f"has from 1 to {MAX_WHO} characters")
    try:
        if kind == "peerhost":
            host = ipaddress.ip_address(who)
            mapped = host.ipv4_mapped if isinstance(host, ipaddress.IPv6Address) else None
            return str(host if mapped is None else mapped)
        if kind == "peerhost_net":
            return str(ipaddress.ip_network(who, strict=False))
        who.encode()
    except UnicodeEncodeError:
        raise BadQuery("who", "can't be written in UTF-8") from None
    except ValueError:
        what = "an IP address" if kind == "peerhost" else "a network such as 10.0.0.0/8"
        raise BadQuery("who", f"isn't {what}") from None
    return who
