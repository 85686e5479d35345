"""NanoMQ's result codes, and everything that goes wrong as HTTP status and code.

NanoMQ answers ``{"code": 108}``; ours has the reason beside it, in ``message``. A status that the documents don't have,
such as 413 or 503, is told as it is, with the code that comes nearest.
"""

from collections.abc import Mapping
from typing import Final

from rmq_http_api.answers import Answer, json_answer
from rmq_http_api.errors import ApiError, MissingParameter, Unauthorized
from rmq_http_api.shapes import TypedDict

SUCCEEDED: Final = 0
RPC_ERROR: Final = 101
UNKNOWN_MISTAKE: Final = 102
WRONG_LOGIN: Final = 103
EMPTY_LOGIN: Final = 104
NO_SUCH_USER: Final = 105
ADMINISTRATOR_STAYS: Final = 106
MISSING_PARAMETER: Final = 107
WRONG_PARAMETER: Final = 108
NOT_JSON: Final = 109
PLUGIN_IS_OPEN: Final = 110
PLUGIN_IS_CLOSED: Final = 111
CLIENT_OFFLINE: Final = 112
USER_EXISTS: Final = 113
WRONG_OLD_PASSWORD: Final = 114
ILLEGAL_SUBJECT: Final = 115
TOKEN_EXPIRED: Final = 116
NOT_HOCON: Final = 117
NOT_WRITTEN: Final = 118

_OF_LOGINS: Final[Mapping[str, int]] = {"missing": EMPTY_LOGIN, "empty": EMPTY_LOGIN, "old token": TOKEN_EXPIRED}
# The codes of the core, where they have a number of their own; the status decides about all others.
_OF_CODES: Final[Mapping[str, int]] = {
    "BAD_BODY": NOT_JSON,
    "UNSUPPORTED_MEDIA_TYPE": NOT_JSON,
    "BODY_TOO_SLOW": NOT_JSON,
    "CLIENT_NOT_FOUND": CLIENT_OFFLINE,
    "CLIENT_OFFLINE": CLIENT_OFFLINE,
    "BRIDGE_NOT_FOUND": ILLEGAL_SUBJECT,
    "BAD_CONFIGURATION_TEXT": NOT_HOCON,
    "SETTINGS_NOT_KEPT": NOT_WRITTEN,
    "NOT_IN_CHARGE": RPC_ERROR,
    "FORBIDDEN": WRONG_LOGIN,
    "TOO_MANY_FAILURES": WRONG_LOGIN,
    "ILLEGAL_TOPIC": ILLEGAL_SUBJECT,
    "BAD_ACTION": RPC_ERROR,
    "BAD_SECTION": RPC_ERROR,
}
_OF_STATUSES: Final[Mapping[int, int]] = {
    400: WRONG_PARAMETER,
    409: WRONG_PARAMETER,
    413: WRONG_PARAMETER,
    414: WRONG_PARAMETER,
    503: RPC_ERROR,
}


class ErrorObject(TypedDict):
    """What went wrong: the number for programs, the text for people."""

    code: int
    message: str


def code_of(error: ApiError) -> int:
    """The number for what went wrong."""
    if isinstance(error, Unauthorized):
        return _OF_LOGINS.get(error.what, WRONG_LOGIN)
    if isinstance(error, MissingParameter):
        return MISSING_PARAMETER
    known = _OF_CODES.get(error.code)
    return _OF_STATUSES.get(error.status, UNKNOWN_MISTAKE) if known is None else known


def present_error(error: ApiError) -> Answer:
    """What the caller is told. What the state of things forbids (409) is a bad request here."""
    status = 400 if error.status == 409 else error.status
    return json_answer({"code": code_of(error), "message": error.message}, status, error.headers)
