"""The kinds of frames on the links; 0 is the links' own."""

from typing import Final

# On the CONTROL connection.
RAFT: Final = 1
STATUS: Final = 2
NOTE: Final = 3

# On the DATA connection.
REQUEST: Final = 10
ANSWER: Final = 11
FORWARD: Final = 12
FORWARD_ACK: Final = 13
FILE: Final = 14
FILE_ACK: Final = 15
