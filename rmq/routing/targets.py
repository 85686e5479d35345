"""Target and Targets: the deliveries a topic name asks for, overlapping subscriptions of a session merged."""

from typing import TYPE_CHECKING

from rmq.routing.share_groups import ShareGroup
from rmq.routing.subscribers import Subscribers
from rmq.session.subscription import Subscription

if TYPE_CHECKING:
    from rmq.session.session import Session


class Target:
    """One delivery to one session. Shared between all messages of a topic: never change one.

    ``subscription_ids`` is None when no matching subscription has one. With ``no_local`` a message that this very
    client published goes by ``without_own`` instead, and nowhere when that is None [MQTT-3.8.3-3].
    ``share`` is the group it was chosen from, None for a plain subscription.
    """

    __slots__ = (
        "no_local",
        "qos",
        "session",
        "retain_as_published",
        "share",
        "subscription_ids",
        "without_own",
    )

    def __init__(
        self,
        session: "Session",
        qos: int,
        retain_as_published: bool,
        subscription_ids: list[int] | None,
        no_local: bool,
        without_own: "Target | None",
        share: ShareGroup | None,
    ) -> None:
        self.session = session
        self.qos = qos
        self.retain_as_published = retain_as_published
        self.subscription_ids = subscription_ids
        self.no_local = no_local
        self.without_own = without_own
        self.share = share


class Targets:
    """All deliveries of a topic name: ``plain`` to every one, ``groups`` to one member each.

    ``kept_qos`` is the highest QoS of a plain target whose session is persistent, 0 if none. Cached and shared:
    never change one.
    """

    __slots__ = ("groups", "kept_qos", "plain")

    def __init__(self, plain: list[Target], kept_qos: int, groups: list[ShareGroup]) -> None:
        self.plain = plain
        self.kept_qos = kept_qos
        self.groups = groups


def target_of(subscription: Subscription, share: ShareGroup | None = None) -> Target:
    """The Target of one subscription alone: a plain one, or the member chosen from ``share``."""
    subscription_id = subscription.subscription_id
    return Target(
        subscription.session,
        subscription.qos,
        subscription.retain_as_published,
        [subscription_id] if subscription_id != 0 else None,
        subscription.no_local,
        None,
        share,
    )


def build_targets(matched: list[Subscription | Subscribers], allow_multiple_matches: bool) -> Targets:
    """Targets of the filters a topic name matched (``matched``: one element per filter).

    Several plain subscriptions of a session become one Target with the highest QoS and all subscription
    identifiers [MQTT-3.3.4-3], or stay one each with ``allow_multiple_matches``; a share group's delivery always
    stands beside them (a shared subscription is one of its own, 4.8.2).
    """
    plain: list[Target] = []
    groups: list[ShareGroup] = []
    merge = len(matched) > 1 and not allow_multiple_matches
    places: dict[str, int] = {}
    for leaf in matched:
        if isinstance(leaf, Subscription):
            if merge:
                _add_merged(plain, places, leaf)
            else:
                plain.append(target_of(leaf))
        else:
            subscriptions = leaf.plain
            if subscriptions is not None:
                if merge:
                    for subscription in subscriptions.values():
                        _add_merged(plain, places, subscription)
                else:
                    plain.extend([target_of(subscription) for subscription in subscriptions.values()])
            if leaf.groups is not None:
                groups.extend(leaf.groups.values())
    kept_qos = 0
    for target in plain:
        if target.qos > kept_qos and target.session.persistent:
            kept_qos = target.qos
    return Targets(plain, kept_qos, groups)


def _add_merged(plain: list[Target], places: dict[str, int], subscription: Subscription) -> None:
    client_id = subscription.session.client_id
    place = places.get(client_id, -1)
    if place < 0:
        places[client_id] = len(plain)
        plain.append(target_of(subscription))
    else:
        plain[place] = _merged(plain[place], subscription)


def _merged(target: Target, subscription: Subscription) -> Target:
    """A target with one more subscription of the same session in it."""
    without_own: Target | None = None
    if subscription.no_local:
        # What goes to the publisher itself is what there was without this one.
        without_own = target.without_own if target.no_local else target
    elif target.no_local:
        own = target.without_own
        without_own = _merged(own, subscription) if own is not None else target_of(subscription)
    subscription_ids = target.subscription_ids
    if subscription.subscription_id != 0:
        subscription_ids = [] if subscription_ids is None else subscription_ids.copy()
        subscription_ids.append(subscription.subscription_id)
    return Target(
        target.session,
        max(target.qos, subscription.qos),
        target.retain_as_published or subscription.retain_as_published,
        subscription_ids,
        target.no_local or subscription.no_local,
        without_own,
        None,
    )
