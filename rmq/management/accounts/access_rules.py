"""Access rules that are kept by all nodes: of single clients, of single users, and of all.

Asked in this order, the first rule that fits decides; where none does, other plugins and their rules are asked.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final, Literal

from rmq.management.accounts.store import AccountStore
from rmq.management.errors import AccountExists, AccountNotFound, BadQuery
from rmq.mqtt.topics import is_valid_topic_filter
from rmq.storage.accounts import Account

KIND: Final = "access_rules"
# What one account keeps is bounded, too: some 80 rules with long topics.
MAX_RULES: Final = 100
MAX_WHO: Final = 240
LITERAL: Final = "eq "
PLACEHOLDERS: Final = ("${clientid}", "${username}")

Whose = Literal["clientid", "username", "all"]
Permission = Literal["allow", "deny"]
Action = Literal["publish", "subscribe", "all"]

_PLACEHOLDER: Final = re.compile(r"\$\{[^}]*\}")


@dataclass(frozen=True, slots=True)
class AccessRule:
    """One rule. ``topic`` is a topic filter; behind ``eq `` it is compared as text. ``retain`` None: either."""

    permission: Permission
    action: Action
    topic: str
    qos: tuple[int, ...] = (0, 1, 2)
    retain: bool | None = None

    def __post_init__(self) -> None:
        text = self.topic.removeprefix(LITERAL)
        for found in _PLACEHOLDER.findall(text):
            if found not in PLACEHOLDERS:
                raise BadQuery("topic", f"{found[:64]} isn't a placeholder: there are {', '.join(PLACEHOLDERS)}")
        if not is_valid_topic_filter(_PLACEHOLDER.sub("x", text)) or text.startswith("$share/"):
            raise BadQuery("topic", f"{self.topic[:128]!r} isn't a topic filter")
        if not self.qos or any(qos not in (0, 1, 2) for qos in self.qos):
            raise BadQuery("qos", "is a list of 0, 1 and 2")


@dataclass(frozen=True, slots=True)
class RulesOf:
    """The rules of a client, a user or, with ``who`` "", of all."""

    whose: Whose
    who: str
    rules: tuple[AccessRule, ...]


class AccessRules:
    """The rules, the same on all nodes. Raises what ``AccountStore`` raises, and ``BadQuery``."""

    def __init__(self, accounts: AccountStore) -> None:
        self._accounts = accounts

    def all(self, whose: Whose) -> list[RulesOf]:
        """Those of all clients, or of all users, by name."""
        found = (read_rules(account) for account in self._accounts.all(KIND))
        return [one for one in found if one.whose == whose]

    def get(self, whose: Whose, who: str) -> RulesOf:
        """Those of one."""
        return read_rules(self._accounts.get(KIND, account_name(whose, who)))

    def of_all(self) -> tuple[AccessRule, ...]:
        """Those of all; none where nothing was said."""
        account = self._accounts.find(KIND, account_name("all", ""))
        return () if account is None else read_rules(account).rules

    async def create(self, whose: Whose, who: str, rules: Sequence[AccessRule]) -> None:
        """The first rules of somebody."""
        await self._accounts.create(KIND, _checked(whose, who), _written(rules))

    async def put(self, whose: Whose, who: str, rules: Sequence[AccessRule]) -> None:
        """The rules of somebody from now on."""
        name, value = _checked(whose, who), _written(rules)
        try:
            await self._accounts.change(KIND, name, lambda before: value)
        except AccountNotFound:
            try:
                await self._accounts.create(KIND, name, value)
            except AccountExists:  # somebody else was faster, and comes before us
                await self._accounts.change(KIND, name, lambda before: value)

    async def delete(self, whose: Whose, who: str) -> None:
        """Somebody has no rules any more."""
        await self._accounts.delete(KIND, account_name(whose, who))

    async def delete_all(self) -> None:
        """Nobody has."""
        for account in self._accounts.all(KIND):
            try:
                await self._accounts.delete(KIND, account.name)
            except AccountNotFound:
                continue  # somebody else did it


def account_name(whose: Whose, who: str) -> str:
    """What the account is called that has somebody's rules."""
    return f"{whose}:{who}"


def read_rules(account: Account) -> RulesOf:
    """The rules that an account keeps."""
    whose, _, who = account.name.partition(":")
    fields = json.loads(account.value)["rules"]
    rules = tuple(
        AccessRule(rule["permission"], rule["action"], rule["topic"], tuple(rule["qos"]), rule["retain"])
        for rule in fields
    )
    return RulesOf(whose if whose in ("clientid", "username") else "all", who, rules)  # type: ignore[arg-type]  # mypy doesn't narrow a text by what it is in


def _checked(whose: Whose, who: str) -> str:
    if whose != "all" and not 0 < len(who) <= MAX_WHO:
        raise BadQuery(whose, f"has from 1 to {MAX_WHO} characters")
    return account_name(whose, who)


def _written(rules: Sequence[AccessRule]) -> bytes:
    if len(rules) > MAX_RULES:
        raise BadQuery("rules", f"no more than {MAX_RULES} at once")
    return json.dumps({"rules": [asdict(rule) for rule in rules]}, separators=(",", ":")).encode()
