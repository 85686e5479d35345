"""rmq-auto-subscription: clients that connect are subscribed without asking for it.

config     the keys of etc/plugins/rmq-auto-subscription.toml
filters    placeholders in topic filters
plugin     the plugin itself
"""

from rmq_plugins.auto_subscription.plugin import AutoSubscriptionPlugin

__all__ = ["AutoSubscriptionPlugin"]
