"""What EMQX has beside the routes of this dialect: paths that are answered with 404 and a reason."""

from collections.abc import Mapping
from typing import Final

_RULES: Final = "there is no rule engine: a plugin, or rmq-web-hook, passes messages on"
_GATEWAYS: Final = "MQTT is the only protocol here"
_SCHEMAS: Final = "payloads are opaque here; a listener's check_payload_format is all that looks at them"
_STORAGE: Final = "sessions and messages are kept on every node of the cluster: there is nothing to place or move"
_TELEMETRY: Final = "nothing is sent anywhere; /api/v5/prometheus/stats has the figures"
_PLUGINS: Final = "plugins are installed as Python packages and configured by files in etc/plugins"
_SOURCES: Final = "how clients are authenticated and authorized by servers is configured in etc/plugins"
_DASHBOARD: Final = "there is no dashboard: users have a role, and nothing finer"
_STATUS: Final = "/api/v5/plugins says what of authentication and authorization runs on which node"
_MOVING: Final = "/api/v5/load_rebalance/{node}/evacuation moves clients away from a node; nothing else does"
_LISTENERS: Final = "how clients are authenticated holds for all listeners"

# Path templates without /api/v5, each for all that is below it, and why there is no such thing; the table of
# docs/migration.md has the same.
NOT_SERVED: Final[Mapping[str, str]] = {
    "/rules": _RULES,
    "/rule_engine": _RULES,
    "/rule_events": _RULES,
    "/rule_test": _RULES,
    "/connectors": _RULES,
    "/connectors_probe": _RULES,
    "/actions": _RULES,
    "/actions_probe": _RULES,
    "/action_types": _RULES,
    "/sources": _RULES,
    "/sources_probe": _RULES,
    "/source_types": _RULES,
    "/bridges": _RULES,
    "/bridges_probe": _RULES,
    "/exhooks": "plugins are Python here; there are no hooks over gRPC",
    "/gateways": _GATEWAYS,
    "/gateway": _GATEWAYS,
    "/coap": _GATEWAYS,
    "/lwm2m": _GATEWAYS,
    "/schema_registry": _SCHEMAS,
    "/schema_registry_protobuf": _SCHEMAS,
    "/schema_validations": _SCHEMAS,
    "/message_transformations": _SCHEMAS,
    "/schemas": "what configurations may say is in docs/configuration.md, and in /api-spec.json for this API",
    "/ds": _STORAGE,
    "/durable_queues": _STORAGE,
    "/queues": _STORAGE,
    "/message_queues": _STORAGE,
    "/streams": _STORAGE,
    "/cluster/links": "clusters aren't linked with each other",
    "/file_transfer": "there is no transfer of files over MQTT",
    "/telemetry": _TELEMETRY,
    "/opentelemetry": _TELEMETRY,
    "/tracing": _TELEMETRY,
    "/audit": "what was changed is in the log, by the logger rmq.audit",
    "/license": "there is no license to be set: it is Apache 2.0",
    "/sso": _DASHBOARD,
    "/user_scopes": _DASHBOARD,
    "/api_key_scopes": _DASHBOARD,
    "/users/{username}/mfa": _DASHBOARD,
    "/certs": "certificates are files that listeners name; a reload takes new ones",
    "/features": "/api/v1/features has what this broker can do",
    "/psk": "TLS goes by certificates",
    "/mt": "all clients are in one namespace",
    "/prometheus/auth": "/api/v5/prometheus/stats has all figures",
    "/prometheus/data_integration": "/api/v5/prometheus/stats has all figures",
    "/prometheus/schema_validation": "/api/v5/prometheus/stats has all figures",
    "/prometheus/message_transformation": "/api/v5/prometheus/stats has all figures",
    "/prometheus/topic_metrics": "/api/v5/prometheus/stats has all figures",
    "/prometheus/namespaced_stats": "/api/v5/prometheus/stats has all figures",
    "/plugins/install": _PLUGINS,
    "/plugins/cluster_sync": _PLUGINS,
    "/plugins/{name}/config": _PLUGINS,
    "/plugins/{name}/schema": _PLUGINS,
    "/plugins/{name}/move": _PLUGINS,
    "/authentication/{id}/position": _SOURCES,
    "/authentication/{id}/metrics": _SOURCES,
    "/authentication/{id}/status": _STATUS,
    "/authentication/node_cache": _SOURCES,
    "/authentication/order": _SOURCES,
    "/authentication/settings": _SOURCES,
    "/authorization/node_cache": _SOURCES,
    "/authorization/sources/{type}/metrics": _SOURCES,
    "/authorization/sources/{type}/move": _SOURCES,
    "/authorization/sources/{type}/status": _STATUS,
    "/authorization/sources/order": _SOURCES,
    "/listeners/{id}/authentication": _LISTENERS,
    "/configs_reset": "a key that stands in no file is at its default; PUT /api/v5/configs sets any other value",
    "/load_rebalance/{node}/start": _MOVING,
    "/load_rebalance/{node}/stop": _MOVING,
    "/node_eviction": "/api/v5/load_rebalance moves clients away from a node",
    "/ai": "there is no such thing here",
    "/relup": "nodes are upgraded one after the other, each by a restart",
}
_SPLIT: Final = tuple((tuple(path.strip("/").split("/")), reason) for path, reason in NOT_SERVED.items())


def why_missing(path: str) -> str:
    """Why a path below ``/api/v5`` isn't there, "" for one that EMQX has neither."""
    parts = path.strip("/").split("/")[2:]
    for template, reason in _SPLIT:
        if len(template) <= len(parts) and all(
            word == part or word.startswith("{") for word, part in zip(template, parts, strict=False)
        ):
            return f"EMQX has this, rmq doesn't: {reason}"
    return ""
