"""What another broker's own files hold, made into ours: settings, users, access rules, bridges, retained messages.

sources         which kinds of brokers there are, and who reads their files
findings        what was found, what becomes of it, and what can't be carried over
files           reading files of others: bounded, and what is wrong with them in one line
bridges         a connection of theirs to another broker, as bridges of ours
bridge_check    bridges judged by the models of the plugins
settings        settings by dotted keys, checked by the rules of our own configuration
mosquitto       mosquitto.conf
mosquitto_access  mosquitto's password and ACL files
mosquitto_bridges  mosquitto's connections to other brokers
mosquitto_store   mosquitto.db: retained messages
hocon           HOCON; the only file that knows pyhocon
nanomq          nanomq.conf with its password and ACL files
nanomq_bridges  NanoMQ's bridges
emqx            EMQX: a data export (5: archive, 4: JSON), cluster.hocon, users for its import
emqx_accounts   EMQX's users, rules and hashes of passwords
emqx_bridges    EMQX's connectors, sources, actions and plain rules, and its bridges of before
erlang_terms    terms of Erlang as text, such as acl.conf
erlang_backup   tables of a Mnesia backup, and Erlang's external term format
rmqtt           rmqtt.toml, and files of its bridges
writing         the files that are made: rmq.toml, users, rmq-acl.toml, files of bridges

Nothing here talks to a network: retained messages are given to whoever asked, ``rmq-ctl import``.
"""

from rmq.migration.findings import Findings, MigrationError, Retained
from rmq.migration.sources import KINDS, read
from rmq.migration.writing import write

__all__ = ["KINDS", "Findings", "MigrationError", "Retained", "read", "write"]
