"""rmq-topic-rewrite: topics that clients name stand for others, by rules.

config    the keys of etc/plugins/rmq-topic-rewrite.toml
patterns  regular expressions in linear time, the only file that knows re2
template  what a topic becomes: captures and placeholders
rules     rules as they are asked: one client, one topic, its new name
plugin    the plugin itself
"""

from rmq_plugins.topic_rewrite.plugin import TopicRewritePlugin

__all__ = ["TopicRewritePlugin"]
