"""Requests that nobody would send: whatever comes, the answer is one of those that OpenAPI names, and never a bug."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rmq_http_api.config import HttpApiConfig
from rmq_http_api.openapi import REFUSALS

from tests.unit.http_api.api import Api

TEXTS = st.one_of(
    st.text(max_size=20),
    st.sampled_from(["", "0", "-1", "1e9", "9" * 30, "true", "a/#", "+", "$share/g/t", "\0", "..", "%", "1", "é"]),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)


USERS: Final = [{"name": "somebody", "password_hash": "hash of secret", "role": "administrator"}]
WHO: Final = base64.b64encode(b"somebody:secret").decode()


@pytest.fixture
def knowing_api() -> Iterator[Api]:
    """One where somebody is known, so that dialects that want to know who asks get to what is asked."""
    made = Api(config=HttpApiConfig.model_validate({"users": USERS}))
    yield made
    assert made.bugs == 0
    assert made.world.engine.counters.internal_errors == 0


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_no_request_is_a_bug(knowing_api: Api, data: st.DataObject) -> None:
    api = knowing_api
    dialect, route = data.draw(
        st.sampled_from([(d, route) for d, found in api.table.dialects.items() for route in found])
    )
    parts = []
    for part in route.shown_path.split("/"):
        drawn = data.draw(st.one_of(st.sampled_from(["1", "rmq-a", "c"]), TEXTS)) if part.startswith("{") else part
        parts.append(quote(drawn, safe="") if part.startswith("{") else part)
    names = [field.alias or name for name, field in route.query.model_fields.items()]
    chosen = data.draw(st.lists(st.sampled_from([*names, "nonsense"]), max_size=3))
    query = "&".join(f"{name}={quote(data.draw(TEXTS), safe='')}" for name in chosen)
    content = None
    if route.body is not None:
        keys = st.sampled_from([*route.body.model_fields, "nonsense"])
        body = data.draw(st.one_of(st.dictionaries(keys, VALUES, max_size=5), VALUES))
        content = json.dumps(body).encode()
    answer = await api.ask(
        route.method,
        "/".join(parts) + (f"?{query}" if query else ""),
        content=content,
        headers={"content-type": "application/json", "authorization": f"Basic {WHO}"},
    )
    good = {200, 204, route.status, *route.also}
    assert answer.status_code in good | REFUSALS.keys() - {500}, answer.text
    if dialect.error_type is None and answer.status_code not in good | {503}:
        assert answer.json().keys() == {"code", "message"}
