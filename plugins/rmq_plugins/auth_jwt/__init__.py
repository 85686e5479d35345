"""rmq-auth-jwt: clients show a JSON Web Token, which says who they are, what they may do, and until when.

config     the keys of etc/plugins/rmq-auth-jwt.toml
signatures keys, and whether a token was signed with one of them
keys       which keys count: those of the configuration, and those that an issuer publishes
claims     what a token claims: whether that holds for this client, and what it gives it
plugin     the plugin itself
"""

from rmq_plugins.auth_jwt.plugin import AuthJwtPlugin

__all__ = ["AuthJwtPlugin"]
