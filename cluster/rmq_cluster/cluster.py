"""One node's side of the cluster: every part built, started, driven and stopped."""

import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Final

import structlog
import trio

from rmq.storage.record_file import CorruptFile
from rmq_cluster import kinds
from rmq_cluster.alarms import Alarms
from rmq_cluster.asking import Asking
from rmq_cluster.belonging import Belonging
from rmq_cluster.bugs import Bugs
from rmq_cluster.conflicts import Conflicts
from rmq_cluster.digests import Digests
from rmq_cluster.disk import Disk, ThreadDisk, ignored
from rmq_cluster.duties import Duties
from rmq_cluster.founding import Founding
from rmq_cluster.hello import Hello
from rmq_cluster.identity import Identity
from rmq_cluster.incoming import Incoming
from rmq_cluster.knocking import Knocking
from rmq_cluster.links import CONTROL, DATA, Links, Network
from rmq_cluster.membership import Membership
from rmq_cluster.options import ClusterOptions
from rmq_cluster.outgoing import Outgoing
from rmq_cluster.peers import Peers, Status, note
from rmq_cluster.port import Port
from rmq_cluster.raft.log import LOST_TAIL, RaftLog
from rmq_cluster.reception import Reception
from rmq_cluster.recover import INCOMING_FOLDER, LOG_FOLDER, OUTGOING_FOLDER
from rmq_cluster.replication import Replication
from rmq_cluster.requests.port import Requests
from rmq_cluster.snapshots import Snapshots

log = structlog.get_logger(__name__)

TICK_S: Final = 0.05
STATUS_S: Final = 0.1
# Others are told at once of what is applied and synced here, but no more often than this.
STATUS_PAUSE_S: Final = 0.003
DISK_TIMEOUT_S: Final = 5.0


class Cluster:
    """``folder`` is the node's data folder, ``port`` the engine's side. ``fatal``: see ``Replication``.

    Raises ``IdentityError``, ``CorruptFile`` and ``OSError`` for data that can't be read, ``LinkError`` and
    ``ValueError`` for options that can't be. ``ready`` is set when this node is a member that others count on.
    ``exchange``, if there is to be one, is set before ``run``; ``carrier`` is what it sends with. ``control`` is for
    administrators. Time and chance come from ``clock`` (monotonic), ``wall_clock`` (seconds since 1970) and ``random``.
    """

    def __init__(
        self,
        options: ClusterOptions,
        node_id: int,
        folder: Path,
        port: Port,
        *,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        random: Random,
        make_disk: Callable[[str], Disk] | None = None,
        network: Network | None = None,
        boot: str | None = None,
        fatal: tuple[type[Exception], ...] = (),
    ) -> None:
        self.options = options
        self.node_id = node_id
        self.folder = folder
        self.port = port
        self.clock = clock
        self.wall_clock = wall_clock
        self.exchange: Requests | None = None
        self.ready = trio.Event()
        self.is_stopping = False
        self.draining = 0.0
        self._wanted = trio.Event()
        self._stopped = trio.Event()
        self._role = trio.Event()
        self._nursery: trio.Nursery | None = None
        self._moved = True
        self._told_at = 0.0
        self._in_tick = False
        self._later: list[Callable[[], None]] = []
        self.bugs = Bugs(clock)
        new_disk = make_disk or (lambda name: ThreadDisk(name, self.bugs.report))
        self._sync_disk = new_disk("rmq-raft-sync")
        self.disk = new_disk("rmq-transfer")
        self.belonging = Belonging(self, random)
        (folder / LOG_FOLDER).mkdir(parents=True, exist_ok=True, mode=0o700)
        self.reception = Reception(self)
        self.links = Links(node_id, options.link_options(node_id), self.reception, clock, random, network=network)
        self.carrier = Carrier(self.links)
        self.peers = Peers(clock, wall_clock)
        self.conflicts = Conflicts(clock)
        self.digests = Digests()
        self.founding = Founding(node_id, options, self.peers, self.belonging, clock, random)
        raft_log = RaftLog(folder / LOG_FOLDER, boot)
        port.lost_power = raft_log.cold == LOST_TAIL
        if port.lost_power:
            log.warning("this node wasn't shut down cleanly: it votes when it has caught up, or all voters are here")
        if raft_log.cut_off:
            log.warning("the log's torn tail was cut off", bytes=raft_log.cut_off, folder=str(folder / LOG_FOLDER))
        if port.snapshot_index < raft_log.base_index:
            raise CorruptFile(folder, 0, f"the log begins after {raft_log.base_index}, and no snapshot goes as far")
        self.replication = Replication(
            node_id,
            raft_log,
            port,
            self,
            self._sync_disk,
            send_raft=self._send_raft,
            send_data=self.carrier.send,
            wake=self.wake,
            clock=clock,
            random=random,
            options=options,
            on_bug=self.bugs.report,
            fatal=fatal,
        )
        self.duties = Duties(self.replication, self.peers, port, self.belonging, options, clock)
        self.asking = Asking(self.send_note, self.duties.perform, lambda: self.replication.leader)
        self.snapshots = Snapshots(self)
        self._alarms = Alarms(self)
        self.incoming = Incoming(folder / INCOMING_FOLDER, self.disk, self.snapshots, self._send_file_ack)
        self.outgoing = Outgoing(
            folder / OUTGOING_FOLDER,
            self.links,
            self.disk,
            self.snapshots.newest,
            clock,
            options.transfer_window,
            options.resend_pause,
        )
        self.knocking = Knocking(self, clock, random, network)
        self.control = Membership(self)

    # Running

    async def run(self, *, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED) -> None:
        """Take part until ``stop``; started, with the port, when others can link. Raises ``LinkError``.

        Cancelled before ``stop`` it goes as a process goes that is killed: others find out by its silence.
        """
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                identity = self.belonging.identity
                known = self.options.members | self.belonging.known
                self.links.set_peers(known if identity is None else identity.dialled())
                listening_port = await nursery.start(self._run_links)
                if self.exchange is not None:
                    await nursery.start(self.exchange.run)
                if identity is not None:
                    self.belonging.take_part()
                    if identity.entering:
                        nursery.start_soon(self.come_in, identity.addresses())
                elif self.belonging.wants_in:
                    nursery.start_soon(self.come_in, known)
                nursery.start_soon(self._drive)
                task_status.started(listening_port)
                await self._stopped.wait()
                nursery.cancel_scope.cancel()
        finally:
            self._nursery = None
            self.replication.close(clean=self._stopped.is_set())
            self._sync_disk.close(DISK_TIMEOUT_S)
            self.disk.close(DISK_TIMEOUT_S)

    async def come_in(self, addresses: dict[int, str]) -> None:
        """Make this node known to members that may not know it, and wait until it is one that others count on."""
        addresses.pop(self.node_id, None)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.knocking.run, addresses)
            await self.ready.wait()
            nursery.cancel_scope.cancel()

    async def _run_links(self, *, task_status: trio.TaskStatus[int]) -> None:
        await self.links.run(task_status=task_status)

    async def _drive(self) -> None:
        while True:
            with trio.move_on_after(STATUS_PAUSE_S if self._moved else TICK_S):
                await self._wanted.wait()
            self._wanted = trio.Event()
            self._in_tick = True
            try:
                self.tick()
            finally:
                self._in_tick = False

    def wake(self) -> None:
        """Have a turn soon."""
        self._wanted.set()

    def later(self, call: Callable[[], None]) -> None:
        """Have something called in the next turn."""
        self._later.append(call)
        self.wake()

    def after(self, seconds: float, call: Callable[[], None]) -> None:
        """Have something called a while from now, if this node still runs then."""

        async def wait() -> None:
            await trio.sleep(seconds)
            self.bugs.once("what was to be done later", call)

        if self._nursery is not None:
            self._nursery.start_soon(wait)

    def tick(self) -> None:
        """A turn, and what is done every now and then."""
        self.peers.look()
        now = self.clock()
        calls, self._later = self._later, []
        for call in calls:
            self.bugs.once("what was to be done in the next turn", call)
        guarded = self.bugs.in_turn
        guarded("a look at this node's place", lambda: self.belonging.look(now))
        guarded("a look for alarms", lambda: self._alarms.look(now))
        guarded("a look at what is due", self.duties.look)
        guarded("replication", self.replication.advance)
        guarded("telling the others", self._tell)

    def turn(self) -> None:
        """Replicate what was proposed: to be called at the end of each turn of the reactor."""
        self.replication.turn()
        self._tell_progress()

    def _tell(self) -> None:
        self._tell_progress()
        if self.clock() >= self._told_at + STATUS_S:
            self._tell_status()

    def _tell_progress(self) -> None:
        if not self._moved:
            return
        if self.clock() >= self._told_at + STATUS_PAUSE_S:
            self._tell_status()
        elif not self._in_tick:
            self.wake()

    async def stop(self) -> None:
        """Hand over, have it known that this node stops, and end ``run``; at most ``stop_timeout`` and a little."""
        self.is_stopping = True
        with trio.move_on_after(self.options.stop_timeout):
            await self._hand_over()
            await self._leave()
        self._stopped.set()

    async def _hand_over(self) -> None:
        raft = self.replication.raft
        if raft is None or not self.replication.is_leader or len(raft.voters) < 2:
            return
        finished = trio.Event()
        raft.transfer_leadership(None, lambda _: finished.set())
        self.wake()
        await finished.wait()

    async def _leave(self) -> None:
        raft = self.replication.raft
        if raft is None or not self.belonging.incarnation or self.replication.failed:
            return
        while raft.leader is None:
            await self.role_change()
        left = trio.Event()
        self.port.leave(left.set)
        self.wake()
        await left.wait()

    async def role_change(self) -> None:
        """Wait until this node's role, or the leader that it knows, is another."""
        await self._role.wait()

    def discard(self, folder: Path) -> None:
        """Remove a folder, some time."""
        self.disk.submit(lambda: shutil.rmtree(folder, ignore_errors=True), ignored)

    # Sending

    def _send_raft(self, peer: int, message: bytes) -> None:
        self.links.send(peer, CONTROL, kinds.RAFT, message)

    def _send_file_ack(self, peer: int, body: bytes) -> None:
        self.links.send(peer, DATA, kinds.FILE_ACK, body)

    def send_note(self, peer: int, *fields: object) -> bool:
        """Tell a peer something."""
        return self.links.send(peer, CONTROL, kinds.NOTE, note(*fields))

    def _tell_status(self) -> None:
        self._moved = False
        self._told_at = self.clock()
        raft = self.replication.raft
        if raft is None or self.replication.failed:
            return
        index, digest = self.port.digest() or (0, b"")
        if index:
            self.digests.note(index, digest)
        status = Status(
            raft.applied_index,
            self.replication.log.synced,
            self.wall_clock(),
            self.port.operation_level,
            self.replication.is_leader,
            raft.term,
            raft.commit_index,
            self.draining > 0.0,
            index,
            digest,
            self._told_at,
        )
        for peer in self.peers.linked():
            status.echo = peer.said_at if self.duties.counts_on(peer.node_id) else 0.0
            self.links.send(peer.node_id, CONTROL, kinds.STATUS, status.packed())

    # What happens in the group (Watcher)

    def snapshot_taken(self, index: int) -> None:
        """The port has a snapshot up to an index safe on disk."""
        self.snapshots.taken(index)

    def progressed(self) -> None:
        """More is applied, or synced."""
        self._moved = True

    def snapshot_needed(self, peer: int) -> None:
        """A member needs what the log no longer has."""
        if self._nursery is not None and self.outgoing.wants(peer):
            self._nursery.start_soon(self.bugs.run, "sending a snapshot", lambda: self.outgoing.send(peer))

    def members_changed(self, voters: tuple[int, ...], observers: tuple[int, ...]) -> None:
        """A membership is committed."""
        log.info("members of the cluster", voters=list(voters), observers=list(observers))
        self.belonging.members_changed(voters)

    def role_changed(self, role: str, leader: int | None) -> None:
        """This node's role, or the leader that it knows, is another."""
        log.info("role in the cluster", role=role, leader=leader)
        self._role.set()
        self._role = trio.Event()
        self.wake()

    def stepped_out(self, reason: str) -> None:
        """This node can't go on: the others learn it by the end of their links."""
        self.later(lambda: self._close_links(reason))

    def _close_links(self, reason: str) -> None:
        for peer in sorted(self.links.connected()):
            self.links.close_peer(peer, f"node {self.node_id} has stepped out: {reason}")

    # What parts need of each other

    @property
    def identity(self) -> Identity | None:
        """Which cluster this node belongs to."""
        return self.belonging.identity

    def other_listeners(self) -> dict[str, str]:
        """By the full name of a listener, where its clients find one of that name on a member that takes clients."""
        found: dict[str, str] = {}
        for peer in self.peers.linked():
            if peer.started and peer.hello is not None and not (peer.status is not None and peer.status.draining):
                for name, address in peer.hello.listeners.items():
                    found.setdefault(name, address)
        return found

    def own_hello(self) -> Hello:
        """What this node says of itself."""
        return self.belonging.own_hello()


class Carrier:
    """The DATA connection, as those see it who need nothing else."""

    def __init__(self, links: Links) -> None:
        self._links = links

    def send(self, peer: int, kind: int, body: bytes) -> bool:
        """Whether the frame waits to be sent."""
        return self._links.send(peer, DATA, kind, body)

    async def wait_for_room(self, peer: int, below: int) -> bool:
        """Wait until at most ``below`` bytes wait for this peer; False if the link is gone."""
        return await self._links.wait_for_room(peer, DATA, below)
