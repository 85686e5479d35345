"""Which node is at an address, for somebody who was told no more than that."""

import trio

from rmq_cluster.links.addresses import is_loopback_address, join_address
from rmq_cluster.links.dialling import Unreachable
from rmq_cluster.links.handshake import STREAM_ERRORS, ask_who, close, describe_failure
from rmq_cluster.links.hello import Refused
from rmq_cluster.links.network import Network
from rmq_cluster.links.options import LinkOptions


async def find_node(node: int, address: tuple[str, int], options: LinkOptions, network: Network) -> int:
    """The id of the node at ``host, port``, asked by ``node``; a link to it proves later that it is that one.

    Raises ``Refused`` and ``Unreachable``.
    """
    host, port = address
    failure: Refused | Unreachable = Unreachable(f"no answer in {options.handshake_timeout:g} s")
    with trio.move_on_after(options.handshake_timeout):
        try:
            places = await network.resolve(host)
        except OSError as error:
            raise Unreachable(f"{host}: {error.strerror or error}") from None
        for place in places:
            if not options.secret and not is_loopback_address(place):
                failure = Refused("not_loopback", f"{host} leads to {place}, and there is no cluster secret")
                continue
            try:
                return await _ask(node, place, port, host, network)
            except STREAM_ERRORS as error:
                failure = Unreachable(f"{join_address(place, port)}: {describe_failure(error)[1]}")
            except Refused as refused:
                failure = refused
    raise failure


async def _ask(node: int, place: str, port: int, host: str, network: Network) -> int:
    stream = await network.dial(place, port, host)
    try:
        return await ask_who(stream, node)
    finally:
        await close(stream)
