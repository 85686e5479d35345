"""Every route that the other brokers' sources have is in our tables, or stands in docs/migration.md with its reason."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest
from rmq_http_api.emqx_v5.not_served import why_missing
from rmq_http_api.errors import ApiError
from rmq_http_api.routing import RouteTable

from tests.unit.http_api.api import Api

PAGE: Final = Path(__file__).parents[3] / "docs/migration.md"
# As EMQX's own sources have them; ``:`` is any value.
EMQX_V5: Final = """
GET /clients | GET DELETE /clients/: | GET /clients_v2 | POST /clients/kickout/bulk
GET DELETE /clients/:/authorization/cache | GET /clients/:/subscriptions | POST /clients/:/subscribe
POST /clients/:/subscribe/bulk | POST /clients/:/unsubscribe | POST /clients/:/unsubscribe/bulk
PUT /clients/:/keepalive | GET /clients/:/mqueue_messages | GET /clients/:/inflight_messages | GET /sessions_count
GET /subscriptions | GET /topics | GET /topics/: | POST /publish | POST /publish/bulk
GET /nodes | GET /nodes/: | GET /nodes/:/metrics | GET /nodes/:/stats | GET /stats | GET /metrics
GET POST /api_key | GET PUT DELETE /api_key/: | GET /api_key_scopes
GET POST DELETE /banned | DELETE /banned/:/:
GET POST /listeners | GET PUT DELETE /listeners/: | POST /listeners/:/start | POST /listeners/:/stop
POST /listeners/:/restart | GET /listeners_status | GET /status
POST /login | POST /logout | GET POST /users | PUT DELETE /users/: | POST /users/:/change_pwd | POST DELETE /users/:/mfa
GET PUT /mqtt/retainer | GET DELETE /mqtt/retainer/messages | GET DELETE /mqtt/retainer/message/:
GET DELETE /alarms | POST /alarms/force_deactivate
GET /prometheus/stats | GET PUT /prometheus | GET /prometheus/auth | GET /prometheus/data_integration
GET /prometheus/schema_validation | GET /prometheus/message_transformation | GET /prometheus/topic_metrics
GET /prometheus/namespaced_stats
GET /monitor | GET /monitor/nodes/: | GET /monitor_current | GET /monitor_current/nodes/:
GET /cluster | GET /cluster/topology | GET /cluster/invitation | PUT /cluster/:/invite | PUT /cluster/:/invite_async
DELETE /cluster/:/force_leave | GET POST /cluster/links | GET PUT DELETE /cluster/links/:
GET POST DELETE /trace | DELETE /trace/: | PUT /trace/:/stop | GET /trace/:/download | GET /trace/:/log
GET /trace/:/log_detail
GET POST PUT /mqtt/topic_metrics | GET DELETE /mqtt/topic_metrics/: | GET PUT /mqtt/delayed
GET /mqtt/delayed/messages | GET DELETE /mqtt/delayed/messages/:/: | DELETE /mqtt/delayed/messages/:
GET PUT /mqtt/topic_rewrite | GET PUT /mqtt/auto_subscribe | GET DELETE /slow_subscriptions
GET PUT /slow_subscriptions/settings
GET POST /authentication | GET PUT DELETE /authentication/: | GET /authentication/:/status
POST /authentication/:/metrics/reset | PUT /authentication/:/position/: | GET POST /authentication/:/users
GET PUT DELETE /authentication/:/users/: | POST /authentication/:/import_users | PUT /authentication/order
GET PUT /authentication/settings | GET /authentication/node_cache/status | POST /authentication/node_cache/reset
GET POST /authorization/sources | GET PUT DELETE /authorization/sources/: | GET /authorization/sources/:/status
POST /authorization/sources/:/metrics/reset | POST /authorization/sources/:/move | PUT /authorization/sources/order
GET PUT /authorization/settings | DELETE /authorization/cache | GET PUT /authorization/node_cache
GET /authorization/node_cache/status | POST /authorization/node_cache/reset
GET POST /authorization/sources/built_in_database/rules/users
GET PUT DELETE /authorization/sources/built_in_database/rules/users/:
GET POST /authorization/sources/built_in_database/rules/clients
GET PUT DELETE /authorization/sources/built_in_database/rules/clients/:
GET POST DELETE /authorization/sources/built_in_database/rules/all
DELETE /authorization/sources/built_in_database/rules
GET PUT /configs | GET PUT /configs/global_zone | POST /configs_reset/:
POST /data/export | POST /data/import | GET POST /data/files | GET DELETE /data/files/:
GET /plugins | GET DELETE /plugins/: | PUT /plugins/:/: | POST /plugins/install | GET PUT /plugins/:/config
GET /plugins/:/config/download | POST /plugins/:/config/upload | GET /plugins/:/schema | POST /plugins/:/move
POST /plugins/cluster_sync
GET /load_rebalance/status | GET /load_rebalance/global_status | GET /load_rebalance/availability_check
POST /load_rebalance/:/evacuation/start | POST /load_rebalance/:/evacuation/stop | POST /load_rebalance/:/start
POST /load_rebalance/:/stop | GET /error_codes | GET /error_codes/:
GET /audit | GET PUT /telemetry/status | GET PUT /opentelemetry | GET /features | GET /tracing | GET /user_scopes
GET POST /rules | GET PUT DELETE /rules/: | POST /rule_test | GET /rule_events | GET PUT /rule_engine
GET POST /connectors | GET POST /actions | GET POST /sources | GET POST /exhooks | GET /gateways | GET /ds/sites
GET POST /schema_registry | GET POST /schema_validations | GET POST /message_transformations | GET /queues
GET /streams | GET /schemas/: | GET /certs/global/list
GET POST /listeners/:/authentication | GET PUT DELETE /listeners/:/authentication/:
"""
# As the sources of EMQX 2.3 have them, and those that its document has besides.
EMQX_V2: Final = """
GET management/nodes | GET management/nodes/: | GET monitoring/nodes | GET monitoring/nodes/:
GET monitoring/listeners | GET monitoring/listeners/: | GET monitoring/metrics | GET monitoring/metrics/:
GET monitoring/stats | GET monitoring/stats/: | GET listeners | GET listeners/:
GET nodes/:/clients | GET nodes/:/clients/: | GET DELETE clients/: | PUT clients/:/clean_acl_cache
GET nodes/:/sessions | GET node/:/sessions | GET nodes/:/sessions/: | GET sessions/:
GET nodes/:/subscriptions | GET nodes/:/subscriptions/: | GET subscriptions/: | GET routes | GET routes/:
POST mqtt/publish | POST mqtt/subscribe | POST mqtt/unsubscribe
GET nodes/:/plugins | PUT nodes/:/plugins/: | PUT nodes/plugins/: | GET configs | GET PUT configs/:
GET nodes/:/configs | GET PUT nodes/:/configs/: | GET PUT nodes/:/plugin_configs/: | GET nodes/:/alarms
GET POST users | GET PUT DELETE users/: | POST auth | PUT change_pwd/:
"""
# As NanoMQ's sources and document have them.
NANOMQ_V4: Final = """
GET brokers | GET nodes | GET clients | GET clients/: | GET clients/username/: | GET subscriptions
GET subscriptions/: | GET topic-tree | GET metrics | GET prometheus | GET POST reload | GET POST configuration
GET POST configuration/: | POST ctrl/stop | POST ctrl/restart | POST restart | POST mqtt/publish
POST mqtt/publish_batch | POST mqtt/subscribe | POST mqtt/unsubscribe | POST mqtt/subscribe_batch
POST mqtt/unsubscribe_batch | GET bridges | GET PUT bridges/: | POST PUT bridges/sub/: | POST PUT bridges/unsub/:
POST PUT bridges/switch/: | GET POST rules | GET PUT DELETE rules/: | POST config_update
"""


def rows(text: str, prefix: str) -> list[tuple[str, str]]:
    """Each method with its path."""
    found = []
    for part in re.split(r"[|\n]", text):
        *methods, path = part.split() or [""]
        found += [(method, prefix + path) for method in methods]
    return found


def not_possible() -> set[tuple[str, str]]:
    """Methods of EMQX 5 that docs/migration.md says aren't served."""
    section = PAGE.read_text(encoding="utf-8").partition("### Methods of EMQX 5 that aren't served")[2]
    found = re.findall(r"^\| (`[A-Z`, ]+`) \| `(/[^`]+)` \|", section.partition("\n## ")[0], re.MULTILINE)
    return {
        (method, re.sub(r"\{\w+\}", ":", path)) for methods, path in found for method in re.findall(r"[A-Z]+", methods)
    }


def refusal(table: RouteTable, method: str, path: str) -> int:
    """The status with which a request is refused before anybody looks at what it asks; 0: there is a route."""
    try:
        match = table.find(method, path.replace(":", "x").encode())
    except ApiError as error:
        return error.status
    assert match.dialect.name in ("emqx_v5", "emqx_v2", "nanomq_v4")
    return 0


@pytest.fixture(scope="module")
def table() -> RouteTable:
    """The routes of all dialects."""
    return Api().table


@pytest.mark.parametrize(("method", "path"), rows(EMQX_V5, "/api/v5"))
def test_a_route_of_emqx_5(table: RouteTable, method: str, path: str) -> None:
    expected = 404 if why_missing(path) else 405 if (method, path.removeprefix("/api/v5")) in not_possible() else 0
    assert refusal(table, method, path) == expected


def test_methods_that_stand_on_the_page_are_known() -> None:
    """So that a row of the page can't be about something else."""
    assert not_possible() <= {(method, path.removeprefix("/api/v5")) for method, path in rows(EMQX_V5, "/api/v5")}
    assert len(not_possible()) == 12


@pytest.mark.parametrize(("method", "path"), [("GET", "/"), *rows(EMQX_V2, "/api/v2/")])
def test_a_route_of_emqx_2(table: RouteTable, method: str, path: str) -> None:
    assert refusal(table, method, path) == 0


@pytest.mark.parametrize(("method", "path"), rows(NANOMQ_V4, "/api/v4/"))
def test_a_route_of_nanomq_4(table: RouteTable, method: str, path: str) -> None:
    """All but those that docs/http-api-nanomq.md names."""
    assert refusal(table, method, path) == (404 if path.startswith(("/api/v4/rules", "/api/v4/config_update")) else 0)
