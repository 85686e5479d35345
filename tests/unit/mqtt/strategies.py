"""Hypothesis strategies for packets of every kind."""

from hypothesis import strategies as st

from rmq.mqtt import codes
from rmq.mqtt.packets import (
    Ack,
    Auth,
    Connack,
    Connect,
    Disconnect,
    Publish,
    Suback,
    Subscribe,
    SubscriptionRequest,
    Unsuback,
    Unsubscribe,
    Will,
)
from rmq.mqtt.properties import Properties, encode_block

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
topic_names = st.text(st.characters(exclude_characters="\0+#", exclude_categories=["Cs"]), min_size=1, max_size=20)
topic_filters = st.text(st.sampled_from("ab/+#$é"), max_size=12)
payloads = st.binary(max_size=300)
packet_ids = st.integers(1, 65_535)
uint16s = st.integers(0, 65_535)
uint32s = st.integers(0, 0xFFFF_FFFF)
absent = st.just(-1)
user_properties = st.one_of(st.none(), st.lists(st.tuples(texts, texts), min_size=1, max_size=3))
versions = st.sampled_from([codes.V31, codes.V311, codes.V5])


def or_none(strategy: st.SearchStrategy[str]) -> st.SearchStrategy[str | None]:
    return st.one_of(st.none(), strategy)


@st.composite
def blocks(draw: st.DrawFn) -> bytes:
    """A forwarded block."""
    return encode_block(
        Properties(
            draw(st.integers(-1, 1)),
            draw(or_none(texts)),
            draw(or_none(topic_names)),
            draw(st.one_of(st.none(), payloads)),
            draw(user_properties),
        )
    )


@st.composite
def wills(draw: st.DrawFn, version: int) -> Will:
    will = Will(draw(topic_names), draw(payloads), draw(st.integers(0, 2)), draw(st.booleans()))
    if version == codes.V5:
        will.delay_interval = draw(uint32s)
        will.message_expiry = draw(st.one_of(absent, uint32s))
        will.properties = draw(blocks())
    return will


@st.composite
def connects(draw: st.DrawFn) -> Connect:
    version = draw(versions)
    connect = Connect(version, draw(texts), draw(st.booleans()), draw(uint16s))
    connect.will = draw(st.one_of(st.none(), wills(version)))
    connect.username = draw(or_none(texts))
    if version == codes.V5 or connect.username is not None:
        connect.password = draw(st.one_of(st.none(), payloads))
    if version == codes.V5:
        connect.session_expiry_interval = draw(st.one_of(absent, uint32s))
        connect.receive_maximum = draw(packet_ids)
        connect.maximum_packet_size = draw(uint32s)
        connect.topic_alias_maximum = draw(uint16s)
        connect.request_response_information = draw(st.booleans())
        connect.request_problem_information = draw(st.booleans())
        connect.user_properties = draw(user_properties)
        connect.auth_method = draw(or_none(texts))
        if connect.auth_method is not None:
            connect.auth_data = draw(st.one_of(st.none(), payloads))
    return connect


@st.composite
def connacks(draw: st.DrawFn, version: int) -> Connack:
    if version != codes.V5:
        code = draw(st.integers(0, 5))
        return Connack(code, code == 0 and draw(st.booleans()))
    code = draw(st.sampled_from([0, codes.NOT_AUTHORIZED, codes.SERVER_BUSY]))
    connack = Connack(code, code == 0 and draw(st.booleans()))
    switches = st.integers(-1, 1)
    connack.session_expiry_interval = draw(st.one_of(absent, uint32s))
    connack.receive_maximum = draw(st.one_of(absent, packet_ids))
    connack.maximum_qos = draw(switches)
    connack.maximum_packet_size = draw(st.one_of(absent, st.integers(1, 0xFFFF_FFFF)))
    connack.topic_alias_maximum = draw(st.one_of(absent, uint16s))
    connack.server_keepalive = draw(st.one_of(absent, uint16s))
    connack.retain_available = draw(switches)
    connack.wildcard_subscription_available = draw(switches)
    connack.subscription_identifier_available = draw(switches)
    connack.shared_subscription_available = draw(switches)
    connack.assigned_client_id = draw(or_none(texts))
    connack.reason_string = draw(or_none(texts))
    connack.response_information = draw(or_none(texts))
    connack.server_reference = draw(or_none(texts))
    connack.auth_method = draw(or_none(texts))
    connack.auth_data = draw(st.one_of(st.none(), payloads))
    connack.user_properties = draw(user_properties)
    return connack


@st.composite
def publishes(draw: st.DrawFn, version: int, from_server: bool = False) -> Publish:
    qos = draw(st.integers(0, 2))
    publish = Publish(
        draw(topic_names),
        draw(payloads),
        qos,
        draw(st.booleans()),
        qos > 0 and draw(st.booleans()),
        draw(packet_ids) if qos else 0,
    )
    if version == codes.V5:
        publish.topic_alias = draw(uint16s)
        if publish.topic_alias and draw(st.booleans()):
            publish.topic = ""
        publish.message_expiry = draw(st.one_of(absent, uint32s))
        publish.properties = draw(blocks())
        if from_server:
            identifiers = st.lists(st.integers(1, codes.MAX_VARINT), min_size=1, max_size=3)
            publish.subscription_ids = draw(st.one_of(st.none(), identifiers))
    return publish


@st.composite
def acks(draw: st.DrawFn, version: int) -> Ack:
    packet_type = draw(st.integers(codes.PUBACK, codes.PUBCOMP))
    code = 0
    if version == codes.V5:
        known = [0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99] if packet_type <= codes.PUBREC else [0x92]
        code = draw(st.sampled_from([0, *known]))
    return Ack(packet_type, draw(packet_ids), code)


@st.composite
def subscribes(draw: st.DrawFn, version: int) -> Subscribe:
    requests: list[SubscriptionRequest] = []
    for topic_filter in draw(st.lists(topic_filters, min_size=1, max_size=4)):
        request = SubscriptionRequest(topic_filter, draw(st.integers(0, 2)))
        if version == codes.V5:
            request.no_local = draw(st.booleans())
            request.retain_as_published = draw(st.booleans())
            request.retain_handling = draw(st.integers(0, 2))
        requests.append(request)
    subscribe = Subscribe(draw(packet_ids), requests)
    if version == codes.V5:
        subscribe.subscription_id = draw(st.integers(0, codes.MAX_VARINT))
        subscribe.user_properties = draw(user_properties)
    return subscribe


@st.composite
def unsubscribes(draw: st.DrawFn, version: int) -> Unsubscribe:
    unsubscribe = Unsubscribe(draw(packet_ids), draw(st.lists(topic_filters, min_size=1, max_size=4)))
    if version == codes.V5:
        unsubscribe.user_properties = draw(user_properties)
    return unsubscribe


@st.composite
def subacks(draw: st.DrawFn, version: int) -> Suback:
    suback = Suback(draw(packet_ids), draw(st.lists(st.sampled_from([0, 1, 2, 0x80]), min_size=1, max_size=5)))
    if version == codes.V5:
        suback.reason_string = draw(or_none(texts))
        suback.user_properties = draw(user_properties)
    return suback


@st.composite
def unsubacks(draw: st.DrawFn, version: int) -> Unsuback:
    unsuback = Unsuback(draw(packet_ids), [])
    if version == codes.V5:
        unsuback.reason_codes = draw(st.lists(st.sampled_from([0, 0x11, 0x8F]), min_size=1, max_size=5))
        unsuback.reason_string = draw(or_none(texts))
        unsuback.user_properties = draw(user_properties)
    return unsuback


@st.composite
def disconnects(draw: st.DrawFn, version: int, from_server: bool = False) -> Disconnect:
    if version != codes.V5:
        return Disconnect()
    disconnect = Disconnect(draw(st.sampled_from([0, 4, 0x80, 0x8E, 0x95])))
    if from_server:
        disconnect.server_reference = draw(or_none(texts))
    else:
        disconnect.session_expiry_interval = draw(st.one_of(absent, uint32s))
    disconnect.reason_string = draw(or_none(texts))
    disconnect.user_properties = draw(user_properties)
    return disconnect


@st.composite
def auths(draw: st.DrawFn) -> Auth:
    auth = Auth(draw(st.sampled_from([0, codes.CONTINUE_AUTHENTICATION, codes.REAUTHENTICATE])))
    auth.auth_method = draw(texts)
    auth.auth_data = draw(st.one_of(st.none(), payloads))
    auth.reason_string = draw(or_none(texts))
    auth.user_properties = draw(user_properties)
    return auth
