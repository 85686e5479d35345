"""rmq-shared-subscription: which member of a shared subscription gets a message.

config  the keys of etc/plugins/rmq-shared-subscription.toml
plugin  the plugin itself
"""

from rmq_plugins.shared_subscription.plugin import SharedSubscriptionPlugin

__all__ = ["SharedSubscriptionPlugin"]
