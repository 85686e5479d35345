"""Runs rmq-node as the build before accounts: it announces operations of level 1, and can't read those of level 2.

    python older_build.py PYTHON -m rmq ARGUMENTS...

Before the command line of a node (``Member.before_command``) it makes an older one of it.
"""

from __future__ import annotations

import sys
from typing import Final

OLD_LEVEL: Final = 1


def become_older() -> None:
    """Patch what announces levels and what reads the commands of other nodes: code that is never compiled."""
    from rmq.engine import member_port, replicated_port
    from rmq.storage.codec import DELETE_ACCOUNT, PUT_ACCOUNT, UnknownOperation, decode_operation
    from rmq.storage.records import Operation

    def decode(fields: list[object]) -> Operation:
        if fields[0] in (PUT_ACCOUNT, DELETE_ACCOUNT):
            raise UnknownOperation(f"operation {fields[0]} isn't known to this version")
        return decode_operation(fields)

    for module in (replicated_port, member_port):
        vars(module)["OPERATION_LEVEL"] = OLD_LEVEL
    vars(replicated_port)["decode_operation"] = decode


def main() -> None:
    """Be that build, and run the node."""
    become_older()
    from rmq.cli import main as node

    _, _, module_option, module, *arguments = sys.argv
    assert (module_option, module) == ("-m", "rmq")
    sys.argv = ["rmq-node", *arguments]
    node()


if __name__ == "__main__":
    main()
