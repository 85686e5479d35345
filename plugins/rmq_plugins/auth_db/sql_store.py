"""SQLite, PostgreSQL and MySQL; the only file that knows SQLAlchemy, which knows their drivers.

Connections to servers come from SQLAlchemy's pool, each in autocommit: nothing is written, so there is no transaction
to end. One that a question was cut off from isn't used again. A file of SQLite is opened anew each time, which costs
next to nothing: another file may have taken its place.
"""

import math
import os
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import sqlalchemy
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from rmq.plugin_api import NoAnswerError
from rmq_plugins.auth_db.placeholders import Query, Values
from rmq_plugins.auth_db.rows import Row
from rmq_plugins.auth_db.store import GRACE_S, Question, Target

# A server, or a firewall in between, closes what nobody uses for a long time.
RECYCLE_S: Final = 1800
# libpq takes whole seconds, two at least.
LEAST_CONNECT_S: Final = 2
# Of SQLite: somebody else writes, and the question was cut.
_SQLITE_WAITS: Final = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_INTERRUPT")
_SQLITE_AWAY: Final = ("SQLITE_CANTOPEN", "SQLITE_IOERR", "SQLITE_NOTADB", "SQLITE_CORRUPT", "SQLITE_FULL")

_Dialled = tuple[sqlalchemy.URL, dict[str, Any]]


class SqlStore:
    """One database and its queries; ``most`` is how many rows of rules are read.

    Raises ``ImportError`` where the driver isn't installed, ``OSError`` for files of TLS. Nothing is connected yet.
    """

    def __init__(self, target: Target, user: Query | None, rules: Query | None, size: int, most: int) -> None:
        self.name = target.name
        self._user = _Statement(user)
        self._rules = _Statement(rules)
        self._most = most
        self._cutter, dialled = _WAYS[target.backend]
        url, arguments = dialled(target)
        pool: dict[str, Any] = {"poolclass": sqlalchemy.NullPool}
        if target.path is None:
            pool = {
                "poolclass": sqlalchemy.QueuePool,
                "pool_size": size,
                "max_overflow": 0,
                "pool_timeout": 1,  # there are no more threads than connections
                "pool_recycle": RECYCLE_S,
                "pool_reset_on_return": None,
            }
        self._engine = sqlalchemy.create_engine(
            url,
            connect_args=arguments,
            isolation_level="AUTOCOMMIT",
            skip_autocommit_rollback=True,
            hide_parameters=True,
            **pool,
        )

    def find_user(self, values: Values, question: Question) -> Row | None:
        """The first row that the query has."""
        found = self._ask(self._user, values, question, 1)
        return found[0] if found else None

    def find_rules(self, values: Values, question: Question) -> Sequence[Row]:
        """The rows in the query's order."""
        return self._ask(self._rules, values, question, self._most)

    def close(self) -> None:
        """Close the connections that nobody uses; the others are closed when they are given back."""
        self._engine.dispose()

    def _ask(self, statement: "_Statement", values: Values, question: Question, most: int) -> list[Row]:
        if statement.text is None:
            return []
        bound = {name: values[name] for name in statement.names}
        try:
            return self._ask_once(statement.text, bound, question, most)
        except _StaleConnection:
            # The server closed it while it lay in the pool, as it does when it is started again. SQLAlchemy has thrown
            # away all that are as old, so the next one is new.
            return self._ask_once(statement.text, bound, question, most)

    def _ask_once(
        self, text: sqlalchemy.TextClause, bound: dict[str, str | None], question: Question, most: int
    ) -> list[Row]:
        with _understood(was_open=False):
            connection = self._engine.connect()
        with connection:
            try:
                with _understood(was_open=True), question.cut_by(self._cutter(connection)):
                    result = connection.execute(text, bound)
                    if not result.returns_rows:
                        raise NoAnswerError("query", "the query gives no rows")
                    rows = result.fetchmany(most)
                    columns = [str(column).lower() for column in tuple(result.keys())]
                    result.close()
            finally:
                if question.is_cut and not connection.invalidated:
                    connection.invalidate()
        return [dict(zip(columns, row, strict=True)) for row in rows]


class _StaleConnection(NoAnswerError):
    """The connection broke while it was used."""


class _Statement:
    """A query as SQLAlchemy has it; ``text`` is None for none."""

    def __init__(self, query: Query | None) -> None:
        self.names: frozenset[str] = frozenset()
        self.text: sqlalchemy.TextClause | None = None
        if query is not None:
            # What follows a colon is a name to SQLAlchemy, but where a backslash stands before it.
            first, *others = (text.replace(":", r"\:") for text in query.texts)
            bound = (f" :{name} {text}" for name, text in zip(query.names, others, strict=True))
            self.names = frozenset(query.names)
            self.text = sqlalchemy.text(first + "".join(bound))


@contextmanager
def _understood(*, was_open: bool) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise _failure(error, was_open) from None
    except TimeoutError as error:
        raise NoAnswerError("timeout", str(error)) from None
    except (SQLAlchemyError, OSError) as error:
        raise NoAnswerError("connection", type(error).__name__) from None


def _failure(error: DBAPIError, was_open: bool) -> NoAnswerError:
    # The driver's own words: SQLAlchemy's have the query too, and the values of drivers that write them into it.
    lines = str(error.orig).splitlines()
    text = f"{type(error.orig).__name__}: {lines[0] if lines else ''}"
    sqlite = getattr(error.orig, "sqlite_errorname", "")
    if sqlite.startswith(_SQLITE_WAITS):
        return NoAnswerError("timeout", text)
    if not was_open or sqlite.startswith(_SQLITE_AWAY):
        return NoAnswerError("connection", text)
    if error.connection_invalidated:
        return _StaleConnection("connection", text)
    return NoAnswerError("query", text)


def _sqlite(target: Target) -> _Dialled:
    # mode=rw: a file that isn't there isn't made by asking it.
    path = "" if target.path is None else target.path.resolve().as_uri()
    url = sqlalchemy.URL.create("sqlite+pysqlite", database=path, query={"mode": "rw", "uri": "true"})
    return url, {"check_same_thread": False, "timeout": target.timeout_s}


def _postgresql(target: Target) -> _Dialled:
    arguments: dict[str, Any] = {
        "connect_timeout": max(math.ceil(target.timeout_s), LEAST_CONNECT_S),
        "tcp_user_timeout": math.ceil((target.timeout_s + GRACE_S) * 1000),
        "application_name": "rmq",
        "gssencmode": "disable",
        # A prepared statement belongs to one connection, and poolers such as PgBouncer change it underneath.
        "prepare_threshold": None,
    }
    if target.tls:
        arguments |= {"sslmode": "verify-full", "sslrootcert": target.ca_file or "system"}
        if target.cert_file:
            arguments |= {"sslcert": target.cert_file, "sslkey": target.key_file}
    if not target.socket_path:
        return _url("postgresql+psycopg", target, target.host, target.port), arguments
    # libpq wants the folder, and makes the name of the file from the port.
    folder, _, name = target.socket_path.rpartition("/")
    before, _, port = name.rpartition(".")
    if before != ".s.PGSQL" or not port.isdecimal():
        return _url("postgresql+psycopg", target, target.socket_path, None), arguments
    return _url("postgresql+psycopg", target, folder, int(port)), arguments


def _mysql(target: Target) -> _Dialled:
    arguments: dict[str, Any] = {
        "charset": "utf8mb4",
        "connect_timeout": target.timeout_s,
        "read_timeout": target.timeout_s + GRACE_S,
        "write_timeout": target.timeout_s + GRACE_S,
    }
    if target.tls:
        context = ssl.create_default_context(cafile=target.ca_file or None)
        if target.cert_file:
            context.load_cert_chain(target.cert_file, target.key_file)
        arguments["ssl"] = context
    if target.socket_path:
        return _url("mysql+pymysql", target, None, None), arguments | {"unix_socket": target.socket_path}
    return _url("mysql+pymysql", target, target.host, target.port), arguments


def _url(driver: str, target: Target, host: str | None, port: int | None) -> sqlalchemy.URL:
    return sqlalchemy.URL.create(
        driver, target.username or None, target.password or None, host, port, target.database or None
    )


def _cut_sqlite(connection: sqlalchemy.Connection) -> Callable[[], None]:
    driver: Any = connection.connection.dbapi_connection
    return lambda: driver.interrupt()


def _cut_postgresql(connection: sqlalchemy.Connection) -> Callable[[], None]:
    """libpq waits for an answer without an end, so its socket gets one."""
    driver: Any = connection.connection.dbapi_connection
    return lambda: _shut_down(driver.fileno())


def _cut_mysql(connection: sqlalchemy.Connection) -> Callable[[], None]:
    """PyMySQL has time limits of its own."""
    return lambda: None


def _shut_down(descriptor: int) -> None:
    with socket.socket(fileno=os.dup(descriptor)) as sock:
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it is closed already


_WAYS: Final[dict[str, tuple[Callable[[sqlalchemy.Connection], Callable[[], None]], Callable[[Target], _Dialled]]]] = {
    "sqlite": (_cut_sqlite, _sqlite),
    "postgresql": (_cut_postgresql, _postgresql),
    "mysql": (_cut_mysql, _mysql),
}
