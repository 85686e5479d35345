"""From settings to who may come in: the node's own users, and which listeners take clients that are nobody."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rmq.config import ConfigError, ListenerSettings, Problem, Settings, TlsKeys
from rmq.engine.broker import Broker
from rmq.hooks.registry import HookRegistry
from rmq.metrics.counters import Counters
from rmq.net.listener import Listener
from rmq.users import BuiltInRules, BuiltInUsers, LoginCheck, Users, UsersFileError
from rmq.users.password_file import read_table


def make_users(settings: Settings, hooks: HookRegistry, counters: Counters, now: Callable[[], float]) -> Users | None:
    """The users of the password file, taking part in the hooks; None without a file. Raises ``ConfigError``."""
    path = settings.users_path
    if path is None:
        return None
    auth = settings.auth
    with _told_as_configuration(settings):
        users = Users(path, counters, now, auth.login_threads, auth.login_queue, auth.login_cache_ttl)
    users.register(hooks)
    return users


def make_built_in(settings: Settings, broker: Broker, hooks: HookRegistry, now: Callable[[], float]) -> None:
    """The users and access rules that all nodes keep, taking part in the hooks once there are any."""
    auth = settings.auth
    check = LoginCheck(broker.counters, now, auth.login_threads, auth.login_queue, auth.login_cache_ttl)
    open_listeners = [name for name, listener in settings.listeners.items() if listener.allow_anonymous]
    BuiltInUsers(broker, hooks, check, open_listeners, is_last=settings.users_path is None)
    BuiltInRules(broker, hooks)


def check_users(settings: Settings) -> None:
    """Raises ``ConfigError`` when there is a password file and it can't be used."""
    path = settings.users_path
    if path is not None:
        with _told_as_configuration(settings):
            read_table(path)


@contextmanager
def _told_as_configuration(settings: Settings) -> Iterator[None]:
    try:
        yield
    except UsersFileError as error:
        origin = settings.origin("auth", "users_file")
        raise ConfigError([Problem(origin.name if origin else "", "auth.users_file", str(error))]) from None


def admit_anonymous(settings: Settings, listeners: Sequence[Listener]) -> None:
    """Tell each listener whether it takes clients that nobody has a verdict on."""
    for listener in listeners:
        listener.limits.allow_anonymous = settings.auth.allows_anonymous(settings.listeners[listener.name])


def keys_that_open(settings: Settings, hooks: HookRegistry) -> list[str]:
    """What to write for each listener that lets nobody in, because it was not said who may.

    That is: it leaves ``allow_anonymous`` to the node, others than this machine reach it, and neither
    users, plugins nor certificates say who a client is.
    """
    if hooks.handles("client_authenticate") or hooks.handles("client_enhanced_auth"):
        return []
    return [
        f"listener.{name}.allow_anonymous = true"
        for name, listener in settings.listeners.items()
        if listener.allow_anonymous is None
        and not settings.auth.allows_anonymous(listener)
        and not _knows_by_certificate(listener)
    ]


def _knows_by_certificate(listener: ListenerSettings) -> bool:
    """Whether clients of the listener have their user name from a certificate."""
    return isinstance(listener, TlsKeys) and (listener.cert_cn_as_username or listener.cert_subject_dn_as_username)
