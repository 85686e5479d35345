"""How many descriptors connections may take: some are left for the node's own files, links and management."""

import resource
import sys
from typing import Final

# Journal segments, snapshots, databases of plugins, links to other nodes and requests to the API.
RESERVED: Final = 64
# Of a small limit no more than this share is reserved.
RESERVED_SHARE: Final = 0.25


def connection_descriptors() -> int:
    """Descriptors from this number on aren't for connections of clients. They are numbered without gaps (POSIX)."""
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return sys.maxsize
    return soft - min(RESERVED, int(soft * RESERVED_SHARE))
