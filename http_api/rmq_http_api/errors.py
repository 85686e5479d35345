"""Everything that goes wrong, as one type, which each dialect puts into its own words; and the words that are ours.

Ours are a status and ``{"code": "CLIENT_NOT_FOUND", "message": "…"}``.
"""

from collections.abc import Mapping
from typing import Final, Literal

from rmq.management import errors
from rmq.management.errors import ManagementError
from rmq_http_api.answers import Answer, json_answer

# How long a program should wait before it tries again what couldn't be done just now, in seconds.
RETRY_AFTER_S: Final = 2
CHALLENGE: Final = 'Basic realm="rmq", charset="UTF-8", Bearer realm="rmq"'


class ApiError(Exception):
    """A request that is refused: its HTTP status, a code for programs and a text for people."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})


class MissingParameter(ApiError):
    """A parameter, or a key of the body, that must be there and isn't."""

    def __init__(self, message: str) -> None:
        super().__init__(400, "BAD_PARAMETER", message)


class Unauthorized(ApiError):
    """Nobody that is known: ``what`` is wrong with the credentials, for dialects that tell one from the other.

    "missing": there are none; "empty": a name or a password without a character; "wrong": not a name, password or key
    that counts here; "bad token", "old token": one that never was good, or isn't any more.
    """

    def __init__(self, what: Literal["missing", "empty", "wrong", "bad token", "old token"], message: str) -> None:
        super().__init__(401, "UNAUTHORIZED", message, {"WWW-Authenticate": CHALLENGE})
        self.what = what


# What each of management's reasons is over HTTP. 503 means: may work later, or on another node.
_MEANINGS: Final[Mapping[type[ManagementError], tuple[int, str]]] = {
    errors.BadQuery: (400, "BAD_PARAMETER"),
    errors.ClientNotFound: (404, "CLIENT_NOT_FOUND"),
    errors.ClientOffline: (409, "CLIENT_OFFLINE"),
    errors.NodeNotFound: (404, "NODE_NOT_FOUND"),
    errors.NodeUnreachable: (503, "NODE_UNREACHABLE"),
    errors.ListenerNotFound: (404, "LISTENER_NOT_FOUND"),
    errors.ListenerFailed: (409, "LISTENER_FAILED"),
    errors.AlarmNotFound: (404, "ALARM_NOT_FOUND"),
    errors.DelayedNotFound: (404, "DELAYED_NOT_FOUND"),
    errors.RetainedNotFound: (404, "RETAINED_NOT_FOUND"),
    errors.PluginNotFound: (404, "PLUGIN_NOT_FOUND"),
    errors.PluginRefused: (409, "PLUGIN_REFUSED"),
    errors.StorageUnavailable: (503, "STORAGE_UNAVAILABLE"),
    errors.OutcomeUnknown: (503, "OUTCOME_UNKNOWN"),
    errors.NotInACluster: (409, "NOT_IN_A_CLUSTER"),
    errors.AlreadyInACluster: (409, "ALREADY_IN_A_CLUSTER"),
    errors.NodeHasData: (409, "NODE_HAS_DATA"),
    errors.NotAMember: (404, "NOT_A_MEMBER"),
    errors.NoQuorum: (503, "NO_QUORUM"),
    errors.ChangeUnderWay: (409, "CHANGE_UNDER_WAY"),
    errors.ClusterRefused: (409, "CLUSTER_REFUSED"),
    errors.DataFileNotFound: (404, "DATA_FILE_NOT_FOUND"),
    errors.DataUnreadable: (400, "DATA_UNREADABLE"),
    errors.DataNotKept: (409, "DATA_NOT_KEPT"),
    errors.BackupFailed: (409, "BACKUP_FAILED"),
    errors.TooManyAccounts: (409, "TOO_MANY_ACCOUNTS"),
    errors.TooManyBans: (409, "TOO_MANY_BANS"),
    errors.TooManyTraces: (409, "TOO_MANY_TRACES"),
    errors.TooManyTopics: (409, "TOO_MANY_TOPICS"),
    errors.SettingsRefused: (400, "BAD_CONFIGURATION"),
    errors.SettingsNotKept: (503, "SETTINGS_NOT_KEPT"),
    errors.NotInCharge: (409, "NOT_IN_CHARGE"),
    errors.NotKnownEverywhere: (503, "NOT_KNOWN_EVERYWHERE"),
}
# What may be wrong with one account, behind the name of its kind: API_KEY_NOT_FOUND.
_OF_ACCOUNTS: Final[Mapping[type[errors.AccountError], tuple[int, str]]] = {
    errors.AccountNotFound: (404, "NOT_FOUND"),
    errors.AccountExists: (409, "EXISTS"),
    errors.BusyAccount: (409, "BUSY"),
    errors.WrongPassword: (400, "WRONG_PASSWORD"),
    errors.AdminStays: (409, "STAYS"),
}
# Reasons that a newer node of the cluster may have.
_UNKNOWN: Final = (503, "REFUSED")


def from_management(error: ManagementError) -> ApiError:
    """One of management's reasons in the words of HTTP."""
    if isinstance(error, errors.AccountError) and type(error) in _OF_ACCOUNTS:
        status, what = _OF_ACCOUNTS[type(error)]
        code = f"{error.kind.upper()}_{what}"
    else:
        status, code = _MEANINGS.get(type(error), _UNKNOWN)
    headers = {"Retry-After": str(RETRY_AFTER_S)} if status == 503 else {}
    return ApiError(status, code, str(error), headers)


def error_answer(error: ApiError) -> Answer:
    """What the caller is told in our words."""
    return json_answer({"code": error.code, "message": error.message}, error.status, error.headers)
