"""Why a run fails, in one line for a person, and the exit codes for programs."""

from collections.abc import Mapping
from typing import Final

# The meanings are a promise: docs/cli.md has the table.
NEGATIVE: Final = 1
USAGE: Final = 2
NO_ACCESS: Final = 3
UNREACHABLE: Final = 4
SERVER_FAILED: Final = 5
INCOMPLETE: Final = 6
NO_OUTPUT: Final = 7
INTERRUPTED: Final = 130  # 128 and the number of the signal, as shells have it: SIGINT
CLOSED_PIPE: Final = 141  # SIGPIPE

_BY_STATUS: Final[Mapping[int, int]] = {401: NO_ACCESS, 403: NO_ACCESS, 404: NEGATIVE, 409: NEGATIVE, 429: NO_ACCESS}


class Failure(Exception):
    """A run that ends with a line on standard error; the text may hold anything, it is escaped when it is shown."""

    def __init__(self, exit_code: int, text: str) -> None:
        super().__init__(text)
        self.exit_code = exit_code


class Refused(Failure):
    """The API's own refusal: HTTP status, code for programs, text for people."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(_exit_code(status, code), text)
        self.status = status
        self.code = code


def _exit_code(status: int, code: str) -> int:
    if code == "PUBLISH_DROPPED":  # a 403, but nobody's rights are in question
        return NEGATIVE
    if code == "PATH_NOT_FOUND":  # rmq, but not one with this route
        return UNREACHABLE
    return _BY_STATUS.get(status, SERVER_FAILED if status >= 500 else USAGE)
