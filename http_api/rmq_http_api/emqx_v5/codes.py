"""The one table of EMQX's error codes with their meaning, and which of them each of our codes is."""

from collections.abc import Mapping
from typing import Final

# Those of EMQX's documents, in their order; then those that its servers answer beyond them.
ERROR_CODES: Final[Mapping[str, str]] = {
    "WRONG_USERNAME_OR_PWD": "Wrong username or pwd",
    "WRONG_USERNAME_OR_PWD_OR_API_KEY_OR_API_SECRET": "Wrong username & pwd or key & secret",
    "BAD_REQUEST": "Request parameters are not legal",
    "NOT_MATCH": "Conditions are not matched",
    "ALREADY_EXISTS": "Resource already existed",
    "BAD_CONFIG_SCHEMA": "Configuration data is not legal",
    "BAD_LISTENER_ID": "Bad listener ID",
    "BAD_NODE_NAME": "Bad Node Name",
    "BAD_RPC": "RPC Failed. Check the cluster status and the requested node status",
    "BAD_TOPIC": "Topic syntax error, Topic needs to comply with the MQTT protocol standard",
    "EXCEED_LIMIT": "Create resources that exceed the maximum limit or minimum limit",
    "INVALID_PARAMETER": "Request parameters is not legal and exceeds the boundary value",
    "CONFLICT": "Conflicting request resources",
    "NO_DEFAULT_VALUE": "Request parameters do not use default values",
    "DEPENDENCY_EXISTS": "Resource is dependent by another resource",
    "MESSAGE_ID_SCHEMA_ERROR": "Message ID parsing error",
    "INVALID_ID": "Bad ID schema",
    "MESSAGE_ID_NOT_FOUND": "Message ID does not exist",
    "NOT_FOUND": "Resource was not found or does not exist",
    "CLIENTID_NOT_FOUND": "Client ID was not found or does not exist",
    "CLIENT_NOT_FOUND": "Client was not found or does not exist(usually not a MQTT client)",
    "RESOURCE_NOT_FOUND": "Resource not found",
    "TOPIC_NOT_FOUND": "Topic not found",
    "USER_NOT_FOUND": "User not found",
    "INTERNAL_ERROR": "Server inter error",
    "SERVICE_UNAVAILABLE": "Service unavailable",
    "SOURCE_ERROR": "Source error",
    "UPDATE_FAILED": "Update failed",
    "REST_FAILED": "Reset source or config failed",
    "RESET_FAILED": "Reset source or config failed",
    "CLIENT_NOT_RESPONSE": "Client not responding",
    "UNSUPPORTED_MEDIA_TYPE": "The body isn't of a media type that this takes",
    "FORBIDDEN": "Not allowed",
    "UNAUTHORIZED_ROLE": "The role of who asks doesn't allow it",
    "AUTHORIZATION_HEADER_ERROR": "Who asks must say who it is, by Basic or Bearer",
    "BAD_API_KEY_OR_SECRET": "Wrong key or secret",
    "API_KEY_NOT_ALLOW": "An API key may not: this takes a login",
    "BAD_TOKEN": "A token that isn't known here, or no more",
    "TOKEN_TIME_OUT": "A token that has ended",
    "BAD_USERNAME_OR_PWD": "Wrong user name or password",
    "LOGIN_LOCKED": "Too many failed logins",
    "WRONG_TOKEN_OR_USERNAME": "The token isn't one of that user",
    "ERROR_PWD_NOT_MATCH": "The old password is wrong",
    "NOT_ALLOWED": "Nobody may",
    "METHOD_NOT_ALLOWED": "The path has other methods",
    "NODE_DOWN": "A node that is asked for isn't there",
    "TIMEOUT": "The body didn't come in time",
    "PAYLOAD_TOO_LARGE": "The body, or the path, is too long",
    "NODE_EVACUATING": "The node takes no clients: they are sent to others",
    "NOT_IMPLEMENTED": "Not possible here",
}
# Where ours have another name; those that both have are what they are.
_OURS: Final[Mapping[str, str]] = {
    "BAD_PATH": "BAD_REQUEST",
    "BAD_BODY": "BAD_REQUEST",
    "BAD_PARAMETER": "BAD_REQUEST",
    "PATH_NOT_FOUND": "NOT_FOUND",
    "PATH_TOO_LONG": "PAYLOAD_TOO_LARGE",
    "BODY_TOO_LARGE": "PAYLOAD_TOO_LARGE",
    "BODY_TOO_SLOW": "TIMEOUT",
    "FORBIDDEN": "UNAUTHORIZED_ROLE",
    "TOO_MANY_FAILURES": "LOGIN_LOCKED",
    "CLIENT_NOT_FOUND": "CLIENTID_NOT_FOUND",
    "CLIENT_OFFLINE": "CLIENTID_NOT_FOUND",
    "NODE_UNREACHABLE": "BAD_RPC",
    "TOO_MANY_ACCOUNTS": "EXCEED_LIMIT",
    "LISTENER_NOT_FOUND": "BAD_LISTENER_ID",
    "DELAYED_NOT_FOUND": "MESSAGE_ID_NOT_FOUND",
    "TOPIC_METRICS_NOT_FOUND": "TOPIC_NOT_FOUND",
    "TRACE_EXISTS": "ALREADY_EXISTS",
    "TOO_MANY_BANS": "EXCEED_LIMIT",
    "TOO_MANY_TRACES": "EXCEED_LIMIT",
    "TOO_MANY_TOPICS": "EXCEED_LIMIT",
    "USER_EXISTS": "ALREADY_EXISTS",
    "API_KEY_EXISTS": "ALREADY_EXISTS",
}
# For all others: what a status means.
_BY_STATUS: Final[Mapping[int, str]] = {
    400: "BAD_REQUEST",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    409: "CONFLICT",
    500: "INTERNAL_ERROR",
    501: "NOT_IMPLEMENTED",
    503: "SERVICE_UNAVAILABLE",
}


def emqx_code(code: str, status: int) -> str:
    """EMQX's code for one of ours with this HTTP status."""
    known = _OURS.get(code)
    if known is not None:
        return known
    return code if code in ERROR_CODES else _BY_STATUS.get(status, "BAD_REQUEST" if status < 500 else "INTERNAL_ERROR")
