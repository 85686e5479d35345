"""Runs rmq-node as the build after this one: it knows an operation more, and announces operations of a level more.

    python newer_build.py PYTHON -m rmq ARGUMENTS...

Before the command line of a node (``Member.before_command``) it makes a newer one of it.
The new operation does what ``StoreMessage`` does, and once that level is committed it takes its place in every command
that this node proposes: under load most commands have one. An old build can't read them.
"""

from __future__ import annotations

import sys
from typing import Any, Final

from rmq.engine.replicated_port import OPERATION_LEVEL

NEW_LEVEL: Final = OPERATION_LEVEL + 1
STORE_MESSAGE: Final = 1
STORE_NEWER: Final = 200


def become_newer() -> None:
    """Patch what proposes commands and what reads those of other nodes: code that is never compiled."""
    from rmq.engine import member_port, replicated_port
    from rmq.storage.codec import decode_operation as old_decode
    from rmq.storage.packing import pack, unpack_all
    from rmq.storage.records import Operation

    old_begin = replicated_port.ReplicatedPort._begin

    def decode(fields: list[object]) -> Operation:
        if fields[0] == STORE_NEWER:
            _, second_version, *others = fields
            assert second_version == "v2"
            return old_decode([STORE_MESSAGE, *others])
        return old_decode(fields)

    def newer(fields: list[object]) -> list[object]:
        return [STORE_NEWER, "v2", *fields[1:]] if fields[0] == STORE_MESSAGE else fields

    def begin(port: replicated_port.ReplicatedPort) -> None:
        old_begin(port)
        if port.broker.state.cluster.level >= NEW_LEVEL:
            header, *operations = unpack_all(port.command)
            port.command = b"".join(pack(each) for each in (header, *map(newer, operations)))

    for module in (replicated_port, member_port):
        vars(module)["OPERATION_LEVEL"] = NEW_LEVEL
    vars(replicated_port)["decode_operation"] = decode
    patched: Any = replicated_port.ReplicatedPort
    patched._begin = begin


def main() -> None:
    """Be that build, and run the node."""
    become_newer()
    from rmq.cli import main as node

    _, _, module_option, module, *arguments = sys.argv
    assert (module_option, module) == ("-m", "rmq")
    sys.argv = ["rmq-node", *arguments]
    node()


if __name__ == "__main__":
    main()
