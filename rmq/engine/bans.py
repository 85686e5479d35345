"""The ban list: who may not connect. It is kept as accounts, the same on every node, and looked up at each CONNECT."""

import hashlib
import ipaddress
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final, Literal

from rmq.engine import disconnect
from rmq.engine.timers import StandingTimer
from rmq.mqtt import codes
from rmq.session.channel import CONNECTED, Channel
from rmq.session.client_info import ClientInfo
from rmq.storage.account_records import ACCOUNT_LEVEL, DeleteAccount
from rmq.storage.accounts import Account, Accounts

if TYPE_CHECKING:
    from rmq.engine.broker import Broker

KIND: Final = "ban"
BanKind = Literal["clientid", "username", "peerhost", "peerhost_net"]
# Longer names are kept by their digest: names of accounts have no more than 256 characters.
MAX_PLAIN: Final = 200
# So many connections are looked at in one tick when a new ban may be about any of them.
AT_ONCE: Final = 1000
# So many bans that are over are taken out in one tick, and how long until it is tried again.
REMOVED_AT_ONCE: Final = 100
RETRY_S: Final = 5.0

Host = ipaddress.IPv4Address | ipaddress.IPv6Address
Net = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Ban:
    """Somebody who may not connect: ``who`` is a client id, a user name, an address or a network, as ``kind`` says.

    ``by`` and ``reason`` are for people. Times in seconds since 1970; ``until`` None: for ever.
    """

    kind: BanKind
    who: str
    by: str
    reason: str
    at: float
    until: float | None

    def is_over(self, now: float) -> bool:
        """Whether its time is over."""
        return self.until is not None and self.until <= now


def account_name(kind: str, who: str) -> str:
    """What the account of a ban is called."""
    if len(who) <= MAX_PLAIN:
        return f"{kind}:{who}"
    return f"{kind}#{hashlib.sha256(who.encode()).hexdigest()}"


def write_ban(ban: Ban) -> bytes:
    """A ban as its account keeps it."""
    return json.dumps(asdict(ban), separators=(",", ":")).encode()


def read_ban(account: Account) -> Ban:
    """The ban that an account keeps."""
    fields = json.loads(account.value)
    return Ban(fields["kind"], fields["who"], fields["by"], fields["reason"], fields["at"], fields["until"])


def host_of(text: str) -> Host | None:
    """An address, an IPv4 one also where it came through an IPv6 socket; None for what is none: a Unix socket."""
    try:
        host = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(host, ipaddress.IPv6Address) and host.ipv4_mapped is not None:
        return host.ipv4_mapped
    return host


class BanList:
    """The bans of all nodes, sorted for looking up: while there are none, a CONNECT costs one look into a dictionary.

    A client id, a user name and an address are found at once, a network by one look for each length of prefix in use.
    """

    def __init__(self, broker: "Broker") -> None:
        self._broker = broker
        self._seen: Accounts | None = None
        self._by_name: dict[str, Ban] = {}
        self._clients: dict[str, Ban] = {}
        self._users: dict[str, Ban] = {}
        self._hosts: dict[Host, Ban] = {}
        self._nets: dict[tuple[int, int], dict[int, Ban]] = {}  # by IP version and length of the prefix
        self._sweep = _Sweep(broker, self)
        self._end = _End(self)
        broker.account_watch.listen(KIND, self._changed)

    def find(self, client: ClientInfo) -> Ban | None:
        """The ban that a client is under, None if it isn't."""
        accounts = self._broker.state.accounts
        if KIND not in accounts.kinds:
            return None
        if accounts is not self._seen:
            self._read_all()
        now = self._broker.ctx.now
        ban = self._clients.get(client.client_id)
        if ban is not None and not ban.is_over(now):
            return ban
        if client.username is not None:
            ban = self._users.get(client.username)
            if ban is not None and not ban.is_over(now):
                return ban
        if not self._hosts and not self._nets:
            return None
        host = host_of(client.remote_host)
        return None if host is None else self._find_host(host, now)

    def bound(self, client: ClientInfo) -> None:
        """A client is connected: it is looked at again, for it may have been banned since its CONNECT came."""
        if KIND in self._broker.state.accounts.kinds:
            self._sweep.suspect(client.client_id)

    def _find_host(self, host: Host, now: float) -> Ban | None:
        ban = self._hosts.get(host)
        if ban is not None and not ban.is_over(now):
            return ban
        number = int(host)
        for (version, length), nets in self._nets.items():
            if version == host.version:
                ban = nets.get(number >> (host.max_prefixlen - length))
                if ban is not None and not ban.is_over(now):
                    return ban
        return None

    def _changed(self, name: str | None) -> None:
        accounts = self._broker.state.accounts
        if name is None or accounts is not self._seen:
            self._read_all()
            if self._by_name:
                self._sweep.all()
            return
        before = self._by_name.pop(name, None)
        if before is not None:
            self._leave(before)
        account = accounts.find(KIND, name)
        if account is None:
            return
        ban = read_ban(account)
        self._enter(name, ban)
        self._wait_for_end()
        if ban.kind == "clientid":
            self._sweep.suspect(ban.who)
        else:
            self._sweep.all()

    def _read_all(self) -> None:
        accounts = self._broker.state.accounts
        self._seen = accounts
        for found in (self._by_name, self._clients, self._users, self._hosts, self._nets):
            found.clear()
        for name, account in accounts.kinds.get(KIND, {}).items():
            self._enter(name, read_ban(account))
        self._wait_for_end()

    def _enter(self, name: str, ban: Ban) -> None:
        self._by_name[name] = ban
        if ban.kind == "clientid":
            self._clients[ban.who] = ban
        elif ban.kind == "username":
            self._users[ban.who] = ban
        elif ban.kind == "peerhost":
            self._hosts[ipaddress.ip_address(ban.who)] = ban
        else:
            key, number = _net_key(ipaddress.ip_network(ban.who))
            self._nets.setdefault(key, {})[number] = ban

    def _leave(self, ban: Ban) -> None:
        if ban.kind == "clientid":
            self._clients.pop(ban.who, None)
        elif ban.kind == "username":
            self._users.pop(ban.who, None)
        elif ban.kind == "peerhost":
            self._hosts.pop(ipaddress.ip_address(ban.who), None)
        else:
            key, number = _net_key(ipaddress.ip_network(ban.who))
            nets = self._nets.get(key, {})
            nets.pop(number, None)
            if not nets:
                self._nets.pop(key, None)

    def _wait_for_end(self) -> None:
        ends = [ban.until for ban in self._by_name.values() if ban.until is not None]
        if ends:
            self._broker.timers.enter(self._end, min(ends))

    def take_out_ended(self, now: float) -> float:
        """Have those taken out that are over, on the one node that decides; returns when to look again, 0.0 never."""
        broker = self._broker
        count = 0
        ends: list[float] = []
        may = broker.cluster.decides and broker.cluster.may_propose(ACCOUNT_LEVEL)
        for name, ban in list(self._by_name.items()):
            if ban.until is None:
                continue
            account = broker.state.accounts.find(KIND, name)
            if may and ban.is_over(now) and account is not None and count < REMOVED_AT_ONCE:
                count += 1
                broker.cluster.propose(DeleteAccount(KIND, name, account.revision))
            if name in self._by_name:
                ends.append(max(ban.until, now + RETRY_S) if ban.is_over(now) else ban.until)
        return min(ends, default=0.0)


def refuse_banned(broker: "Broker", channel: Channel, client: ClientInfo) -> bool:
    """Close the connection of a client that is banned, whatever it can show; False if it isn't.

    MQTT 5 has a reason for it in CONNACK only; MQTT 3.1.1 says "not authorized".
    """
    if broker.bans.find(client) is None:
        return False
    broker.counters.connections_refused_banned += 1
    disconnect.close(broker, channel, codes.BANNED, "banned")
    return True


def _net_key(net: Net) -> tuple[tuple[int, int], int]:
    shift = net.max_prefixlen - net.prefixlen
    return (net.version, net.prefixlen), int(net.network_address) >> shift


class _End(StandingTimer):
    """The time of a ban is over."""

    __slots__ = ("_bans",)

    def __init__(self, bans: BanList) -> None:
        super().__init__()
        self._bans = bans

    def fire(self, now: float) -> float:
        return self._bans.take_out_ended(now)


class _Sweep(StandingTimer):
    """Ends the connections of those who are banned now, a portion in each tick."""

    __slots__ = ("_again", "_bans", "_broker", "_rest", "_suspects")

    def __init__(self, broker: "Broker", bans: BanList) -> None:
        super().__init__()
        self._broker = broker
        self._bans = bans
        self._suspects: set[str] = set()
        self._rest: list[Channel] = []
        self._again = False

    def suspect(self, client_id: str) -> None:
        """This client may be banned."""
        self._suspects.add(client_id)
        self._wake()

    def all(self) -> None:
        """Any client may be."""
        self._again = True
        self._wake()

    def _wake(self) -> None:
        if self.tick < 0:
            self._broker.timers.enter(self, self._broker.ctx.now)

    def fire(self, now: float) -> float:
        suspects, self._suspects = self._suspects, set()
        for client_id in suspects:
            channel = self._broker.registry.get(client_id)
            if channel is not None:
                self._judge(channel)
        if not self._rest and self._again:
            self._again = False
            self._rest = list(self._broker.registry)
        portion = self._rest[-AT_ONCE:]
        del self._rest[-AT_ONCE:]
        for channel in portion:
            self._judge(channel)
        return now if self._rest or self._again or self._suspects else 0.0

    def _judge(self, channel: Channel) -> None:
        client = channel.info
        if client is not None and channel.state == CONNECTED and self._bans.find(client) is not None:
            self._broker.counters.connections_closed_banned += 1
            disconnect.close(self._broker, channel, codes.BANNED, "banned")
