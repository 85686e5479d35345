"""What the port of a member of a cluster is told, as plain values."""

from rmq.engine.stored_port import StorageOptions


class MemberOptions(StorageOptions):
    """``quorum_timeout_s``: how long work waits for a majority; ``grace_s``: how long a silent node counts as up.

    ``serves_alone``: without a majority the clients of this node go on among themselves, where nothing has to be kept.
    """

    def __init__(self) -> None:
        super().__init__()
        self.quorum_timeout_s = 5.0
        self.forward_deadline_s = 2.0
        self.grace_s = 1.5
        self.serves_alone = True
