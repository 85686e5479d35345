"""Built-in users: a password file, and who a client is by password or by SCRAM-SHA-256.

users          the users of a node as hook handlers; what a node builds
built_in       the users that all nodes keep, as hook handlers
built_in_rules the access rules that all nodes keep, as hook handlers
login_check    a password checked in a thread, so many at a time
password_file  reading and changing the file
record         one user as a line of it
hashing        argon2id, the only file that knows the library
brought        hashes brought from another broker, inside argon2id ones
scram          SCRAM-SHA-256 without sockets or files
saslprep       one form for names and passwords
login_cache    right logins of the last minutes
"""

from rmq.users.built_in import BuiltInUsers
from rmq.users.built_in_rules import BuiltInRules
from rmq.users.login_check import LoginCheck
from rmq.users.password_file import UsersFileError
from rmq.users.users import Users

__all__ = ["BuiltInRules", "BuiltInUsers", "LoginCheck", "Users", "UsersFileError"]
