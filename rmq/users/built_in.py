"""The users that all nodes keep (``management.mqtt_users``) as hook handlers: who they are by password.

They are asked before the password file. While there are none nobody is asked; from the first one on, a client without a
user name gets in only where its listener says in so many words that it may.
"""

from collections.abc import Collection
from typing import Final

import structlog

from rmq.engine.broker import Broker
from rmq.hooks.registry import Handle, HookRegistry
from rmq.hooks.verdicts import ALLOW, DENY, AuthRequest, AuthResult
from rmq.management.accounts.mqtt_users import KIND, read_mqtt_user
from rmq.mqtt import codes
from rmq.storage.accounts import Account
from rmq.users import hashing
from rmq.users.login_check import LoginCheck
from rmq.users.record import User

log = structlog.get_logger(__name__)

OWNER: Final = "built-in users"
# Behind every plugin, and before the password file, which knows of nobody who isn't in it.
PRIORITY: Final = -90


class BuiltInUsers:
    """``open_listeners`` take clients without a user name. ``is_last``: nobody is asked behind, so that whoever isn't
    known is refused.
    """

    def __init__(
        self, broker: Broker, hooks: HookRegistry, check: LoginCheck, open_listeners: Collection[str], *, is_last: bool
    ) -> None:
        self._broker = broker
        self._hooks = hooks
        self._check = check
        self._open_listeners = frozenset(open_listeners)
        self._is_last = is_last
        self._users: dict[str, User] = {}
        self._unmatched = hashing.unmatched(hashing.DEFAULT_COST)
        self._handle: Handle | None = None
        broker.account_watch.listen(KIND, self._changed)

    def __len__(self) -> int:
        return len(self._users)

    async def authenticate(self, request: AuthRequest) -> AuthResult | None:
        """By user name and password."""
        if request.certificate_name is not None:
            # The certificate is the proof; this only knows more about the user, if it knows it at all.
            known = self._users.get(request.certificate_name)
            return None if known is None else AuthResult(ALLOW, known.superuser)
        name = request.client.username
        if name is None:
            if request.client.listener in self._open_listeners:
                return None
            return AuthResult(DENY, reason_code=codes.NOT_AUTHORIZED, reason_string="a user name is needed")
        if name not in self._users and not self._is_last:
            return None
        password = request.password if request.password is not None else b""
        return await self._check.judge(name, password, self._users.get, self._unmatched)

    def _changed(self, name: str | None) -> None:
        accounts = self._broker.state.accounts
        if name is None:
            self._users = {}
            for account in accounts.kinds.get(KIND, {}).values():
                self._enter(account)
        else:
            self._users.pop(name, None)
            found = accounts.find(KIND, name)
            if found is not None:
                self._enter(found)
        if self._users and self._handle is None:
            self._handle = self._hooks.register("client_authenticate", self.authenticate, OWNER, PRIORITY)
        elif not self._users and self._handle is not None:
            self._hooks.unregister(self._handle)
            self._handle = None

    def _enter(self, account: Account) -> None:
        try:
            found = read_mqtt_user(account)
        except (ValueError, KeyError, TypeError):  # while an operation is applied: it must not fail on one node
            log.exception("a user that can't be read gets in nowhere", user=account.name)
        else:
            self._users[account.name] = User(found.name, found.superuser, found.password_hash, None)
