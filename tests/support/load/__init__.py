"""Clients at work while nodes fail, and the books of what they were told and what they got.

ledger   what was sent, acknowledged, refused and delivered, and which promise is broken
course   what all clients go by: the nodes, and whether anything fails just now
clients  publishers and subscribers that go from node to node
load     all of them together, for a test to do things to the nodes meanwhile
"""
