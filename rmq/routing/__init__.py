"""Routing: who gets a message. Plain synchronous code, compiled, no I/O, no clock.

Map of the package, from what others call to what it stands on:

* ``router``       Router: subscriptions in, Targets out, through the match cache. The door of the package.
* ``targets``      Target and Targets: the deliveries a topic asks for; how overlapping subscriptions are merged.
* ``match_cache``  topic name -> Targets, bounded; forgets exactly the topics a new filter matches.
* ``topic_trie``   TopicTrie: topic filter -> its subscribers; which filters match a topic name.
* ``subscribers``  what one topic filter has: its plain subscriptions and its share groups.
* ``share_groups`` ShareGroup and the strategies that choose one member for a message.
* ``retained_trie``  RetainedTrie: retained messages by topic name; which match a topic filter, in bounded steps.
* ``topic_index``  the set of topic names the two above search with a filter.
* ``dict_memory``  gives the memory of a dict that has shrunk back.

Topic *names* are what messages carry, topic *filters* what subscriptions carry; a name or filter that comes in here
has been checked by ``rmq.mqtt.topics`` already.
"""
