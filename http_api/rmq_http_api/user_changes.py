"""What is done about users for somebody who asks, with its lines in the audit log; all dialects go through here."""

from typing import Any

import structlog

from rmq.management.accounts.users import KIND, NewUser, User, UserChange, Users
from rmq.management.errors import WrongPassword
from rmq_http_api.calls import ADMINISTRATOR, Call, Caller
from rmq_http_api.errors import ApiError, Unauthorized
from rmq_http_api.passwords import STORED, TOKEN

audit = structlog.get_logger("rmq.audit")


class UserChanges:
    """Changes of users, told in the audit log. Raises what ``Users`` raises."""

    def __init__(self, users: Users) -> None:
        self._users = users

    async def create(self, caller: Caller, wanted: NewUser) -> User:
        """A new user."""
        user = await self._users.create(wanted)
        _note("user made", caller, user.name, role=user.role)
        return user

    async def change(self, caller: Caller, name: str, change: UserChange) -> User:
        """Role, description, e-mail address."""
        user = await self._users.change(name, change)
        _note("user changed", caller, name, role=user.role)
        return user

    async def set_password(self, caller: Caller, name: str, password: str) -> User:
        """Another password, as an administrator may give it."""
        user = await self._users.set_password(name, password)
        _note("password set", caller, name)
        return user

    async def change_password(self, call: Call[Any, Any], name: str, old: str, new: str) -> None:
        """Another password for who knows the old one: the user, or an administrator.

        Wrong old passwords count as failed logins do: ``WrongPassword``, ``ApiError`` 429. The password of a user of
        the configuration is changed there: ``ApiError`` 409.
        """
        caller = call.caller
        is_own = caller.name == name and caller.how in (STORED, TOKEN)
        if not is_own and not caller.may(ADMINISTRATOR):
            raise ApiError(403, "FORBIDDEN", f"{caller.name} may change the own password and no other")
        self._users.get(name)
        try:
            known = await call.logins.check(name, old)
        except Unauthorized:
            raise WrongPassword(KIND, name) from None
        if known.how != STORED:
            raise ApiError(409, "USER_OF_CONFIGURATION", f"the password of {name!r} is in the configuration")
        await self._users.change_password(name, old, new)
        _note("password changed", caller, name)

    async def delete(self, caller: Caller, name: str) -> None:
        """The user is gone."""
        await self._users.delete(name)
        _note("user taken out", caller, name)

    async def log_out(self, call: Call[Any, Any]) -> None:
        """The token that the caller came with is good no more; others of the same user are."""
        await call.logins.end()
        _note("logged out", call.caller, call.caller.name)


def note_login(caller: Caller) -> None:
    """The line of a login."""
    audit.info("logged in", user=caller.name, role=caller.role, address=caller.address)


def _note(event: str, caller: Caller, name: str, **facts: object) -> None:
    audit.info(event, about=name, **facts, user=caller.name, how=caller.how, address=caller.address)
