"""rmq-counter: shows that the node counts, which it does by itself.

plugin  the plugin itself
"""

from rmq_plugins.counter.plugin import CounterPlugin

__all__ = ["CounterPlugin"]
