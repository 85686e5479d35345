"""What makes a dialect, as the core sees it: where its paths are, how it refuses, and whether it wants a login."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from rmq_http_api.answers import Answer
from rmq_http_api.errors import ApiError, error_answer


def _no_reason(path: str) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One dialect.

    ``name`` is what configurations call it, ``title`` what people read. What isn't there below ``prefix`` is told in
    its words, and so is everything that goes wrong with its own routes, wherever they are: ``present_error`` makes the
    answer, and ``error_type`` says of which type that is, for OpenAPI; None: of our own. ``why_missing`` says of a path
    that isn't there what there is instead, or "".
    ``trusts_loopback``: where the configuration opens the loopback, nobody has to say there who they are.
    """

    name: str
    title: str
    prefix: str
    present_error: Callable[[ApiError], Answer] = error_answer
    trusts_loopback: bool = True
    error_type: Any = None
    why_missing: Callable[[str], str] = _no_reason


# What is no dialect's: probes, the cluster's commands, API keys, /metrics, and every path that nobody has.
OWN: Final = Dialect("rmq", "rmq", "")
