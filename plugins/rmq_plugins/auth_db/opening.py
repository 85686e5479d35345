"""A store from its configuration: its password, its driver, its tables, and its queries tried out; in a thread."""

import sqlite3
from pathlib import Path
from typing import Final

from rmq.plugin_api import NoAnswerError, PluginError
from rmq_plugins.auth_db.config import PORTS, AuthDbConfig, split_server
from rmq_plugins.auth_db.placeholders import NAMES, Command, Query
from rmq_plugins.auth_db.rows import read_user, rule_items
from rmq_plugins.auth_db.schema import create_tables
from rmq_plugins.auth_db.store import Question, Store, Target

# What a client has whose name nobody has: the query must be one that the database takes.
_NOBODY: Final[dict[str, str | None]] = dict.fromkeys(NAMES, "")
_FILE: Final = "users.db"


def open_store(config: AuthDbConfig, folder: Path | None, most_rules: int) -> Store:
    """The store; nothing but a file is opened yet. ``folder`` is the plugin's own, for a file with a relative path.

    Raises ``PluginError`` for what an operator has to mend.
    """
    target = _target(config, folder)
    if target.path is not None:
        _see_to_file(config, target.path)
    return _make(config, target, most_rules)


def try_queries(store: Store, question: Question) -> str:
    """Ask for a user and for rules once: what is wrong with the database now, "" for nothing; it may come back.

    Raises ``PluginError`` where the database doesn't take a query, or its answer can't be used.
    """
    key = "auth_query"
    try:
        row = store.find_user(_NOBODY, question)
        if row is not None:
            read_user(row, None)
        key = "acl_query"
        rule_items(store.find_rules(_NOBODY, question))
    except NoAnswerError as error:
        if error.kind in ("query", "garbled"):
            raise PluginError(f"{key}: {error}") from None
        return str(error)
    except ValueError as error:
        raise PluginError(f"{key}: {error}") from None
    return ""


def _target(config: AuthDbConfig, folder: Path | None) -> Target:
    if config.backend == "sqlite":
        path = Path(config.database or _FILE)
        if not path.is_absolute():
            if folder is None:
                raise PluginError("database: this node keeps nothing on disk: give the whole path of a file")
            path = folder / path
        return Target("sqlite", path=path, timeout_s=config.timeout)
    host, port, socket_path = "", 0, ""
    if config.server.startswith("/"):
        socket_path = config.server
    else:
        host, port = split_server(config.server or "127.0.0.1", PORTS[config.backend])
    return Target(
        config.backend,
        host=host,
        port=port,
        socket_path=socket_path,
        username=config.username,
        password=_password(config),
        database=config.database,
        timeout_s=config.timeout,
        tls=config.tls,
        ca_file=config.tls_ca_file,
        cert_file=config.tls_cert_file,
        key_file=config.tls_key_file,
    )


def _password(config: AuthDbConfig) -> str:
    if not config.password_file:
        return config.password
    try:
        return Path(config.password_file).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        what = error.strerror if isinstance(error, OSError) else "isn't UTF-8 text"
        raise PluginError(f"password_file: {config.password_file}: {what}") from None


def _see_to_file(config: AuthDbConfig, path: Path) -> None:
    try:
        if config.create_tables:
            create_tables(path)
        elif not path.is_file():
            raise PluginError(f"database: {path}: there is no such file, and create_tables is false")
    except (OSError, sqlite3.Error) as error:
        raise PluginError(f"database: {path}: {error}") from None


def _make(config: AuthDbConfig, target: Target, most_rules: int) -> Store:
    # Here, because a database that isn't asked needs no driver, and because loading these takes a third of a second.
    user, rules = config.read_queries()
    most = most_rules + 1
    try:
        if target.backend == "redis":
            from rmq_plugins.auth_db.redis_store import RedisStore

            return RedisStore(target, _command(user), _command(rules), config.pool_size, most)
        from rmq_plugins.auth_db.sql_store import SqlStore

        return SqlStore(target, _query(user), _query(rules), config.pool_size, most)
    except ImportError as error:
        name = target.backend
        raise PluginError(f'backend: {name} needs its driver ({error.name}): pip install "rmq[{name}]"') from None
    except OSError as error:  # ssl.SSLError is one
        raise PluginError(f"tls_ca_file or tls_cert_file: {error.strerror or error}") from None


def _query(asked: Query | Command | None) -> Query | None:
    return asked if isinstance(asked, Query) else None


def _command(asked: Query | Command | None) -> Command | None:
    return asked if isinstance(asked, Command) else None
