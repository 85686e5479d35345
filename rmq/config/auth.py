"""[auth]: the users of the node's own password file; and which listeners take clients that are nobody."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from rmq.config.listener_kinds import AnyListenerSettings, TcpListenerSettings
from rmq.config.section import Section
from rmq.config.units import Duration


def _users_file(value: str) -> str:
    for placeholder in re.findall(r"\{[^}]*\}", value):
        if placeholder != "{config_dir}":
            raise ValueError(f"{placeholder} is unknown; only {{config_dir}} can be used here")
    if "\0" in value:
        raise ValueError("must not hold U+0000")
    return value


class AuthSettings(Section):
    """[auth]"""

    users_file: Annotated[str, AfterValidator(_users_file)] = ""
    login_threads: Annotated[int, Field(ge=1, le=64)] = 2
    # What waits longer than hooks.async_time_budget is refused too, so many more could only wait for nothing.
    login_queue: Annotated[int, Field(ge=0, le=100_000)] = 100
    login_cache_ttl: Duration = 600.0

    def users_path(self, config_file: Path | None) -> Path | None:
        """Where the password file is, None without one; {config_dir} is the folder of the main file, else ./etc."""
        if not self.users_file:
            return None
        config_dir = config_file.parent if config_file is not None else Path("etc")
        return Path(self.users_file.replace("{config_dir}", str(config_dir))).expanduser()

    def allows_anonymous(self, listener: AnyListenerSettings) -> bool:
        """What the listener says; when it leaves that to us: only without users, and only to this machine."""
        if listener.allow_anonymous is not None:
            return listener.allow_anonymous
        return not self.users_file and is_local(listener)


def is_local(listener: AnyListenerSettings) -> bool:
    """Whether only this machine reaches it: a Unix socket, or a loopback address without a proxy in front."""
    if not isinstance(listener, TcpListenerSettings):
        return True
    return listener.addr.is_loopback and not listener.proxy_protocol
