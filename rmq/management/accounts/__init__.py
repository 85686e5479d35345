"""Who is known to all nodes: users, keys, rules, and who may not come in.

store         users, API keys and the like, held by all nodes
access_rules  access rules that all nodes keep: of clients, of users, of all
mqtt_users    users of MQTT that all nodes keep
api_keys      API keys: made, changed, checked
users         users of the APIs: made, changed, their passwords checked
logins        the tokens of users who have logged in
bans          who may not connect: listed, banned, let in again
"""
