"""What access rules say, and what follows from them for those who are connected.

explanation  what access rules say of one client and topic, and which of them
cache        what a connection remembers of access rules
review       subscriptions that access rules allow no more: found and ended
publishing   whether a message may be published in a client's name
"""
