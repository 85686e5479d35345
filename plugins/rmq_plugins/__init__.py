"""The plugins that ship with rmq, one folder each; of the engine they see rmq.plugin_api and nothing else.

acl        who may connect, publish and subscribe, by ordered rules
auth_http  the same, as an HTTP server says
auth_db    the same, as a database has it: SQLite, PostgreSQL, MySQL or Redis
auth_jwt   tokens that clients show say who they are, and what they may
auto_subscription  clients that connect are subscribed without asking for it
bridges      what all bridges share; no plugin itself
bridge_kafka  messages sent on to Kafka, and fetched from there (two plugins)
bridge_mqtt  messages sent on to other MQTT brokers, and fetched from them (two plugins)
bridge_nats  messages sent on to NATS, and taken from it (two plugins)
counter    shows that the node counts
p2p_messaging  messages for one client, by topics that name it
retainer   how many retained messages there may be, how large and for how long
shared_subscription  which member of a shared subscription gets a message
message_storage  who subscribes later gets messages that it missed
session_storage  what the node keeps of sessions, shown
sys_topic  the node's figures and its clients' coming and going, as messages on $SYS
topic_rewrite  topics that clients name stand for others, by rules
web_hook   what happens on the node, told to HTTP servers and files
"""
