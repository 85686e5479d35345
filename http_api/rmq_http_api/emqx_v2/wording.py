"""The dialect, and what many answers have in common: results, codes, times, nodes by name.

EMQX v2 answers what went wrong with status 200 and a code. A status of its own have only those answers that scripts
of it know one of, 401 and 404, and what HTTP itself refuses before anybody looks at the request's meaning.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

from pydantic import BaseModel

from rmq.management import ManagementService
from rmq.management.models import MissingNode
from rmq_http_api.answers import Answer, json_answer, text_answer
from rmq_http_api.dialects import Dialect
from rmq_http_api.errors import ApiError, MissingParameter, Unauthorized
from rmq_http_api.parameters import whole_number

T = TypeVar("T")

PREFIX: Final = "/api/v2"

# The seed's codes, and those that the server has beyond them.
SUCCESS: Final = 0
BAD_RPC: Final = 101
UNKNOWN: Final = 102
WRONG_CREDENTIALS: Final = 103
EMPTY_CREDENTIALS: Final = 104
NO_USER: Final = 105
ADMIN_STAYS: Final = 106
MISSING: Final = 107
BAD_TYPE: Final = 108
NOT_JSON: Final = 109
PLUGIN_LOADED: Final = 110
PLUGIN_UNLOADED: Final = 111
CLIENT_OFFLINE: Final = 112
USER_EXISTS: Final = 113
WRONG_OLD_PASSWORD: Final = 114

CODES: Final[Mapping[str, int]] = {
    "NODE_NOT_FOUND": BAD_RPC,
    "NODE_UNREACHABLE": BAD_RPC,
    "BAD_PARAMETER": BAD_TYPE,
    "BAD_PATH": BAD_TYPE,
    "BAD_BODY": NOT_JSON,
    "CLIENT_NOT_FOUND": CLIENT_OFFLINE,
    "CLIENT_OFFLINE": CLIENT_OFFLINE,
    "USER_NOT_FOUND": NO_USER,
    "USER_EXISTS": USER_EXISTS,
    "USER_STAYS": ADMIN_STAYS,
    "USER_WRONG_PASSWORD": WRONG_OLD_PASSWORD,
}
# What keeps its status: who asks may not, the request can't be read, too much at once, a bug.
KEPT: Final = frozenset({403, 405, 408, 413, 414, 415, 429, 431, 500})
CHALLENGE: Final = 'Basic realm="emqx control center"'
# What EMQX v2 has where there is nothing to say.
UNDEFINED: Final = "undefined"
# Where an answer has no room for them, nodes that gave none are named here: "3, 5".
MISSING_NODES: Final = "X-RMQ-Missing-Nodes"
# What a node of EMQX is called until somebody gives it another name: the one that is asked.
THIS_NODE: Final = frozenset({"emqx@127.0.0.1", "emq@127.0.0.1", "emqttd@127.0.0.1"})


class Result(BaseModel, Generic[T]):
    """The envelope of every good answer: 0 and what it says."""

    code: int
    result: T


class Refusal(BaseModel):
    """What went wrong: a code for programs and a text for people."""

    code: int
    message: str


def answers_of(kind: Any) -> tuple[Any, ...]:
    """What a route with this result answers, for OpenAPI; refusals have the same status."""
    return (Result.__class_getitem__(kind) | Refusal,)


# What is done has nothing more to say.
DONE: Final = answers_of(list[str])


def present_error(error: ApiError) -> Answer:
    """What went wrong, in the words of EMQX v2."""
    if isinstance(error, Unauthorized):
        return Answer(b"", status=401, headers={**error.headers, "WWW-Authenticate": CHALLENGE})
    if error.status == 404 and error.code == "PATH_NOT_FOUND":
        return Answer(b"Not Found", text_answer("").media_type, 404, error.headers)
    code = MISSING if isinstance(error, MissingParameter) else CODES.get(error.code, UNKNOWN)
    status = error.status if error.status in KEPT else 200
    return json_answer({"code": code, "message": error.message}, status, error.headers)


DIALECT: Final = Dialect("emqx_v2", "EMQX v2", PREFIX, present_error, trusts_loopback=False, error_type=Refusal)


def result_answer(result: object, headers: Mapping[str, str] | None = None) -> Answer:
    """A good answer."""
    return json_answer({"code": SUCCESS, "result": result}, headers=headers)


def done() -> Answer:
    """The answer of what is done."""
    return result_answer([])


def refused(code: int, message: str) -> Answer:
    """A code that only this dialect knows, with its message."""
    return json_answer({"code": code, "message": message})


async def node_id_of(management: ManagementService, written: str) -> int:
    """The node that a path names, by its name, its id, or as EMQX calls a node nobody has named: the one that is asked.

    ``ApiError`` for a name that no node has.
    """
    local = management.local.ref
    if written == local.name:
        return local.node_id
    found = await management.brokers()
    names = {node.name: node.node_id for node in found.missing} | {
        one.node.name: one.node.node_id for one in found.answers
    }
    if written in names:
        return names[written]
    if written in THIS_NODE:
        return local.node_id
    try:
        return whole_number(written)
    except ValueError:
        raise ApiError(404, "NODE_NOT_FOUND", f"there is no node {written[:64]!r}") from None


async def node_names(management: ManagementService) -> dict[int, str]:
    """The names of all nodes by their ids, in the order of these."""
    found = await management.brokers()
    names = {node.node_id: name_of(node) for node in found.missing}
    names |= {one.node.node_id: one.node.name for one in found.answers}
    return dict(sorted(names.items()))


def name_of(node: MissingNode) -> str:
    """What a node without an answer is called: its name may not be known."""
    return node.name or str(node.node_id)


def local_time(seconds: float | None) -> str:
    """``YYYY-MM-DD HH:MM:SS`` in this machine's time zone, "undefined" for none."""
    return UNDEFINED if seconds is None else f"{datetime.fromtimestamp(int(seconds)):%Y-%m-%d %H:%M:%S}"


def duration(seconds: float) -> str:
    """``5 days, 23 hours, 16 minutes, 3 seconds``, from the largest unit that there is."""
    minutes, left = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    units = [(days, "days"), (hours, "hours"), (minutes, "minutes"), (left, "seconds")]
    while len(units) > 1 and not units[0][0]:
        del units[0]
    return ", ".join(f"{count} {unit}" for count, unit in units)


def size_text(size: int) -> str:
    """``69.19M``: bytes as EMQX v2 writes them."""
    for unit, letter in ((2**30, "G"), (2**20, "M"), (2**10, "K")):
        if size > unit:
            return f"{size / unit:.2f}{letter}"
    return str(size)


def missing_header(missing: Iterable[MissingNode]) -> Mapping[str, str]:
    """The header that names nodes without an answer; none without any."""
    numbers = ", ".join(str(node.node_id) for node in missing)
    return {MISSING_NODES: numbers} if numbers else {}
