"""Redis; the only file that knows its client."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from rmq.plugin_api import NoAnswerError
from rmq_plugins.auth_db.placeholders import Command, Values
from rmq_plugins.auth_db.rows import Row, rule_of_field
from rmq_plugins.auth_db.store import GRACE_S, Question, Target

_DENY_FIRST: Final = {"deny": 0}


class RedisStore:
    """One server and its commands. Nothing is connected yet; a client that waits has time limits of its own.

    ``most`` is how many fields of rules are read.
    """

    def __init__(self, target: Target, user: Command | None, rules: Command | None, size: int, most: int) -> None:
        self.name = target.name
        self._user = user
        self._rules = rules
        self._most = most
        options: dict[str, Any] = {
            "db": int(target.database or 0),
            "username": target.username or None,
            "password": target.password or None,
            "socket_connect_timeout": target.timeout_s,
            "socket_timeout": target.timeout_s + GRACE_S,
            "retry": Retry(NoBackoff(), 0),  # who asks tries again, and has a circuit breaker
            "max_connections": size,
            "client_name": "rmq",
        }
        if target.socket_path:
            options["unix_socket_path"] = target.socket_path
        else:
            options |= {"host": target.host, "port": target.port}
        if target.tls:
            options |= {"ssl": True, "ssl_ca_certs": target.ca_file or None}
            if target.cert_file:
                options |= {"ssl_certfile": target.cert_file, "ssl_keyfile": target.key_file}
        self._client = redis.Redis(**options)

    def find_user(self, values: Values, question: Question) -> Row | None:
        """The fields of the user's hash; a user whose hash isn't there isn't there."""
        arguments = None if self._user is None else self._user.filled(values)
        if arguments is None:
            return None
        answer = self._ask(arguments, question)
        if isinstance(answer, Mapping):
            fields = {_text(field): value for field, value in answer.items()}
        elif isinstance(answer, Sequence):
            fields = dict(zip(arguments[2:], answer, strict=True))
        else:
            raise NoAnswerError("garbled", "the answer is no hash")
        return {field.lower(): value for field, value in fields.items()} if any(fields.values()) else None

    def find_rules(self, values: Values, question: Question) -> Sequence[Row]:
        """The fields of the hash of rules, denials first: a hash has no order."""
        arguments = None if self._rules is None else self._rules.filled(values)
        if arguments is None:
            return []
        answer = self._ask(arguments, question)
        if not isinstance(answer, Mapping):
            raise NoAnswerError("garbled", "the answer is no hash")
        pairs = list(answer.items())[: self._most]
        try:
            rows = [rule_of_field(_text(topic), _text(value)) for topic, value in pairs]
        except ValueError as error:
            raise NoAnswerError("garbled", str(error)) from None
        return sorted(rows, key=lambda row: _DENY_FIRST.get(str(row["permission"]), 1))

    def close(self) -> None:
        """Close the connections that nobody uses; the others are closed when nobody holds them any more."""
        self._client.close()

    def _ask(self, arguments: Sequence[str], question: Question) -> object:
        if question.is_cut:
            raise NoAnswerError("timeout", "nobody waits for it any more")
        execute: Callable[..., object] = self._client.execute_command
        try:
            return execute(*arguments)
        except redis.TimeoutError as error:
            raise NoAnswerError("timeout", _line(error)) from None
        except (redis.ConnectionError, OSError) as error:
            raise NoAnswerError("connection", _line(error)) from None
        except redis.RedisError as error:
            raise NoAnswerError("query", _line(error)) from None


def _line(error: Exception) -> str:
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"


def _text(value: object) -> str:
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise NoAnswerError("garbled", "the answer is no UTF-8 text") from None
    return str(value)
