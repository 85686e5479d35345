"""What an entry of the log holds: its first byte says what kind it is, as pysyncobj has it."""

from typing import Final

from rmq_cluster.raft.members import Members, decode_members, encode_members

COMMAND: Final = 0
NO_OP: Final = 1
MEMBERS: Final = 2

NO_OP_ENTRY: Final = bytes([NO_OP])
_COMMAND_BYTE: Final = bytes([COMMAND])
_MEMBERS_BYTE: Final = bytes([MEMBERS])


def command_entry(command: bytes) -> bytes:
    """An entry for the state machine."""
    return _COMMAND_BYTE + command


def members_entry(members: Members) -> bytes:
    """An entry that makes these the members, from the moment it is in a node's log."""
    return _MEMBERS_BYTE + encode_members(members)


def members_in(entry: bytes) -> Members | None:
    """The members that an entry names, None for other entries. Raises ``ValueError``."""
    return decode_members(memoryview(entry)[1:]) if entry[:1] == _MEMBERS_BYTE else None


def check_entry(entry: bytes) -> None:
    """Raises ``ValueError`` for what is no entry."""
    if not entry or entry[0] > MEMBERS or (entry[0] == NO_OP and len(entry) != 1):
        raise ValueError("not an entry")
    members_in(entry)
