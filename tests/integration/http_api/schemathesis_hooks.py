"""What schemathesis must know to make good values: how a cursor looks, which only a Link header has."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import schemathesis
from hypothesis import strategies as st


def _cursor(node: int, key: str) -> str:
    return base64.urlsafe_b64encode(f"{node}:{key}".encode()).decode().rstrip("=")


schemathesis.openapi.format("cursor", st.builds(_cursor, st.integers(0, 9), st.text(st.characters(codec="utf-8"))))
schemathesis.openapi.format(
    "emqx-moment", st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC)).map(datetime.isoformat)
)
