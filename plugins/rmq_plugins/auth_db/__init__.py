"""rmq-auth-db: users and their rules are in a database: SQLite, PostgreSQL, MySQL or Redis.

config        the keys of etc/plugins/rmq-auth-db.toml
placeholders  ${username} and the others in queries, and where they may stand
hashes        the hashes of passwords that tables have, and whether a password is the one of a hash
proved        which passwords were right a moment ago
rows          what rows mean: a user, the rules of a client
store         what a database is asked, and a question that can be cut short
sql_store     SQLite, PostgreSQL and MySQL, by SQLAlchemy
schema        the tables of the default queries, made in SQLite
redis_store   Redis
opening       a store from its configuration: its password, its driver, its queries tried out
lookups       questions in threads, with retries, within the time that a handler has
memory        what is remembered of each client: its rules, and for how long
plugin        the plugin itself
"""

from rmq_plugins.auth_db.plugin import AuthDbPlugin

__all__ = ["AuthDbPlugin"]
