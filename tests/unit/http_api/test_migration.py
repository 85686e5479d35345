"""docs/migration.md: its table of what EMQX has and rmq hasn't agrees with the router."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest
from rmq_http_api.emqx_v5.not_served import NOT_SERVED, why_missing

from tests.unit.http_api.emqx_v5.v5 import V5, problem

PAGE: Final = Path(__file__).parents[3] / "docs/migration.md"
# Everything of EMQX 5 that is promised, by the beginnings of its paths.
PROMISED: Final = (
    "/login /logout /users /users/x /users/x/change_pwd /api_key /api_key/x /clients /clients/x /clients_v2 "
    "/clients/kickout/bulk /clients/x/subscriptions /clients/x/subscribe /clients/x/subscribe/bulk "
    "/clients/x/unsubscribe /clients/x/unsubscribe/bulk /clients/x/keepalive /clients/x/mqueue_messages "
    "/clients/x/inflight_messages /clients/x/authorization/cache /subscriptions /topics /topics/x /publish "
    "/publish/bulk /nodes /nodes/x /nodes/x/stats /nodes/x/metrics /stats /metrics /sessions_count /banned "
    "/banned/clientid/x /listeners /listeners/x /listeners/x/start /listeners/x/stop /listeners/x/restart "
    "/status /error_codes /error_codes/x /mqtt/retainer /mqtt/retainer/messages /mqtt/retainer/message/x "
    "/mqtt/delayed /mqtt/delayed/messages /mqtt/topic_metrics /mqtt/topic_metrics/x /mqtt/topic_rewrite "
    "/mqtt/auto_subscribe /slow_subscriptions /slow_subscriptions/settings /alarms /prometheus/stats /monitor "
    "/monitor_current /cluster /cluster/topology /trace /trace/x /trace/x/stop /trace/x/log /trace/x/download "
    "/plugins /plugins/x /configs /authorization/sources/built_in_database/rules/users "
    "/authorization/sources/built_in_database/rules/clients "
    "/authorization/sources/built_in_database/rules/all /authorization/cache "
    "/authentication/x/users /authentication/x/users/x "
    "/data/export /data/import /data/files /load_rebalance/availability_check "
    "/load_rebalance/x/evacuation/start /load_rebalance/x/evacuation/stop"
)


def table() -> dict[str, str]:
    """The rows of the page."""
    section = PAGE.read_text(encoding="utf-8").partition("### Routes of EMQX 5 that aren't served")[2]
    return dict(re.findall(r"^\| `(/[^`]+)` \| (.+) \|$", section.partition("\n## ")[0], re.MULTILINE))


def test_the_table_is_the_router_s() -> None:
    assert table() == dict(NOT_SERVED)


@pytest.mark.parametrize("path", table())
async def test_what_isn_t_served_says_so(path: str) -> None:
    v5 = V5()
    where = re.sub(r"\{\w+\}", "x", path)
    for method, below in (("GET", ""), ("POST", ""), ("GET", "/x/y/z/w")):
        answer = await v5.ask(method, where + below, json={} if method == "POST" else None)
        status, code = problem(answer)
        assert (status, code) == (404, "NOT_FOUND"), (method, where + below)
        assert "EMQX has this, rmq doesn't" in answer.json()["message"]


@pytest.mark.parametrize("path", PROMISED.split())
def test_nothing_that_is_promised_stands_there(path: str) -> None:
    assert why_missing(f"/api/v5{path}") == ""
