"""Which metrics and labels an expression of PromQL names, as far as ours go."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|\$?[A-Za-z_:][A-Za-z0-9_:]*|\S')
_WORDS = frozenset({"by", "on", "or", "and", "unless", "without", "ignoring", "group_left", "bool"})
_GROUPING = frozenset({"by", "without", "on", "ignoring"})
_CALLS = frozenset({"(", "by", "without"})


@dataclass
class Named:
    """``metrics`` with the labels that their selectors name, and the labels that results are grouped by."""

    metrics: dict[str, set[str]] = field(default_factory=dict)
    grouped: set[str] = field(default_factory=set)


def named_in(expression: str) -> Named:
    """Read one."""
    found = Named()
    tokens = _TOKEN.findall(re.sub(r"\[[^]]*\]", "", expression))
    metric = ""
    i = 0
    while i < len(tokens):
        token = tokens[i]
        following = tokens[i + 1] if i + 1 < len(tokens) else ""
        if token in _GROUPING:
            end = tokens.index(")", i)
            found.grouped |= {word for word in tokens[i + 2 : end] if word != ","}
            i = end
        elif token == "{":
            end = tokens.index("}", i)
            inside = tokens[i + 1 : end]
            labels = [word for word, after in pairwise(inside) if after in ("=", "!") and word.isidentifier()]
            found.metrics[metric] |= set(labels)
            i = end
        elif re.fullmatch(r"[A-Za-z_:]\w*", token) and following not in _CALLS and token not in _WORDS:
            metric = token
            found.metrics.setdefault(metric, set())
        i += 1
    return found
