"""The HTTP API of rmq: one management service, presented in the dialects that existing tools speak.

From a request to its answer, outside to inside:

plugin          rmq-http-api: the plugin that puts the server into the node
config          the keys of etc/plugins/rmq-http-api.toml
listeners       all listeners, as the configuration has them
server          sockets, TLS, HTTP on trio, graceful end; the only file that knows hypercorn
streams         connections that don't wait for ever, and take turns with MQTT
app             one request: who asks, what for, the answer; the only file that knows starlette
access          who may do what: loopback, users, API keys, tokens
passwords       who somebody is by name and password, and the first administrator
logins          how a route has somebody log in
hosts           what a request says of where it came from
bearers         what judges tokens, as access sees it
tokens          JSON Web Tokens judged; the only file that knows jwt
token_setup     what judges them, made from the configuration
failed_logins   a limit on failed logins for each address and each user
dialects        what makes a dialect, as the core sees it
tables          the table of a listener: all its dialects
routing         the table of routes, matched on the path as it came
calls           what a handler is given
parameters      query and body, typed and checked
payloads        texts of bodies as the bytes of messages
paging          pages of long lists, and the link to the next one
answers         what a handler gives back
errors          everything that goes wrong as one type, and our words for it
openapi         OpenAPI 3.1 from the table of routes
shapes          what JSON objects of answers look like, for mypy and for OpenAPI
api_docs        /api-docs: Swagger UI from the files of this package
swagger         Swagger UI, as it is published

account_routes  what the next two have in common
api_keys        /api/v1/api_keys: keys for programs
users           /api/v1/users: users of this API
user_changes    what is done about users, with its lines in the audit log
cluster         /api/v1/cluster: the cluster's state and changes
probes          /health/live and /health/ready
service         what the plugin, the dialects and the other parts share

history         what stats and metrics were, in a file
prometheus      figures for Prometheus
rmqtt_v1        the dialect of RMQTT's HTTP API, version 1
nanomq          what both dialects of NanoMQ say
nanomq_v1       the dialect of NanoMQ's HTTP API, version 1
nanomq_v4       the dialect of NanoMQ's HTTP API, version 4
emqx_v2         the dialect of EMQX's HTTP API, version 2
emqx_v5         the dialect of EMQX's HTTP API, version 5

How a dialect is made: a package with a ``dialects.Dialect``, which puts an ``errors.ApiError`` into its words, and a
function that takes a ``service.ApiService`` and returns ``routing.Route``s, each with a pydantic model of its query and
body; ``tables`` has all dialects. A handler takes a ``calls.Call``, asks
``rmq.management``, lets its errors through as they are (``errors`` has the status of each), and gives back
``answers.json_answer``, ``text_answer`` or, for long lists, ``rows_answer``. The core knows no dialect; dialects don't
know each other.
"""
