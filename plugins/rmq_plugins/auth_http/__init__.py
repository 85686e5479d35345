"""rmq-auth-http: an HTTP server says who may connect, and what they may publish and subscribe.

config        the keys of etc/plugins/rmq-auth-http.toml
placeholders  %c, %u and the others, and how they are put into queries, forms and JSON
endpoint      one request over HTTP and its answer, bounded in time and size
answers       what an answer means
asking        requests to the endpoint, within the time that a handler has
verdicts      what is remembered of each client, and for how long
plugin        the plugin itself
"""

from rmq_plugins.auth_http.plugin import AuthHttpPlugin

__all__ = ["AuthHttpPlugin"]
