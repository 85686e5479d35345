"""Tells whether the hot modules run compiled (from a wheel) or interpreted (from a checkout)."""

from __future__ import annotations

from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec

# All hot modules are compiled as one unit, so any of them tells for all; this one imports nothing.
_WITNESS = "rmq.mqtt.codes"


def is_compiled() -> bool:
    """True if the hot modules are compiled extension modules."""
    spec = find_spec(_WITNESS)
    return spec is not None and spec.origin is not None and spec.origin.endswith(tuple(EXTENSION_SUFFIXES))


def build_description() -> str:
    """One word for the start-up message, the logs and benchmark reports."""
    return "compiled" if is_compiled() else "interpreted"
