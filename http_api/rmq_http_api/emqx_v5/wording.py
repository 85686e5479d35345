"""The dialect: its words for what goes wrong, its times and endless limits, and what nodes are called.

EMQX's documents call the text of an error ``reason``, its servers ``message``: both are given.
"""

from datetime import UTC, datetime
from typing import Final, Literal

from rmq_http_api.answers import Answer, json_answer
from rmq_http_api.dialects import Dialect
from rmq_http_api.emqx_v5.codes import emqx_code
from rmq_http_api.emqx_v5.not_served import why_missing
from rmq_http_api.errors import ApiError, Unauthorized
from rmq_http_api.shapes import TypedDict

PREFIX: Final = "/api/v5"
INFINITY: Final = "infinity"
# How EMQX asks for credentials.
_CHALLENGE: Final = 'Basic Realm="emqx-dashboard"'
_WRONG_CREDENTIALS: Final = {
    "missing": "AUTHORIZATION_HEADER_ERROR",
    "empty": "WRONG_USERNAME_OR_PWD_OR_API_KEY_OR_API_SECRET",
    "wrong": "WRONG_USERNAME_OR_PWD_OR_API_KEY_OR_API_SECRET",
    "bad token": "BAD_TOKEN",
    "old token": "TOKEN_TIME_OUT",
}

Limit = int | Literal["infinity"]


class ErrorObject(TypedDict):
    """What went wrong: ``code`` for programs, ``message`` and ``reason`` the same text for people."""

    code: str
    message: str
    reason: str


def present_error(error: ApiError) -> Answer:
    """Anything that goes wrong, in EMQX's words."""
    status, headers = error.status, dict(error.headers)
    code = emqx_code(error.code, status)
    if isinstance(error, Unauthorized) and error.code == "UNAUTHORIZED":
        code = _WRONG_CREDENTIALS[error.what]
    if code == "API_KEY_NOT_ALLOW":
        status = 401
    if error.code == "CLIENT_OFFLINE":
        status = 404
    if status == 401:
        headers["WWW-Authenticate"] = _CHALLENGE
    body: ErrorObject = {"code": code, "message": error.message, "reason": error.message}
    return json_answer(body, status, headers)


DIALECT: Final = Dialect(
    "emqx_v5", "EMQX v5", PREFIX, present_error, trusts_loopback=False, error_type=ErrorObject, why_missing=why_missing
)


def limit_value(limit: int) -> Limit:
    """A limit of ours, 0 for none, as EMQX writes it."""
    return limit or INFINITY


def rfc3339(seconds: float) -> str:
    """A moment as EMQX writes it: ``2026-11-22T03:40:00.123+00:00``."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def listener_id(name: str) -> str:
    """A listener as EMQX names it: ``tcp:external`` for our ``tcp.external``, ``ssl:external`` for ``tls.external``."""
    return f"{listener_type(name)}:{name.partition('.')[2]}"


def listener_type(name: str) -> str:
    """Its kind as EMQX calls it."""
    kind = name.partition(".")[0]
    return "ssl" if kind == "tls" else kind
