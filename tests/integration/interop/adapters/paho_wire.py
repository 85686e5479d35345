"""Translate between our vocabulary and the property objects of paho-mqtt (aiomqtt uses the same)."""

from __future__ import annotations

from typing import cast

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from .base import NO_PROPERTIES, Connect, PublishProperties, Subscribe, Will


def connect_properties(options: Connect) -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = options.session_expiry_s
    return properties


def will_properties(will: Will) -> Properties:
    properties = Properties(PacketTypes.WILLMESSAGE)  # type: ignore[no-untyped-call]
    properties.WillDelayInterval = will.delay_s
    return properties


def publish_properties(source: PublishProperties) -> Properties:
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    if source.payload_format is not None:
        properties.PayloadFormatIndicator = source.payload_format
    if source.message_expiry_s is not None:
        properties.MessageExpiryInterval = source.message_expiry_s
    if source.content_type is not None:
        properties.ContentType = source.content_type
    if source.response_topic is not None:
        properties.ResponseTopic = source.response_topic
    if source.correlation_data is not None:
        properties.CorrelationData = source.correlation_data
    for pair in source.user:
        properties.UserProperty = pair
    return properties


def received_properties(properties: Properties | None) -> PublishProperties:
    if properties is None:
        return NO_PROPERTIES
    return PublishProperties(
        payload_format=cast("int | None", getattr(properties, "PayloadFormatIndicator", None)),
        message_expiry_s=cast("int | None", getattr(properties, "MessageExpiryInterval", None)),
        content_type=cast("str | None", getattr(properties, "ContentType", None)),
        response_topic=cast("str | None", getattr(properties, "ResponseTopic", None)),
        correlation_data=cast("bytes | None", getattr(properties, "CorrelationData", None)),
        user=tuple((key, value) for key, value in getattr(properties, "UserProperty", [])),
        subscription_ids=tuple(getattr(properties, "SubscriptionIdentifier", [])),
    )


def subscribe_options(subscription: Subscribe) -> SubscribeOptions:
    return SubscribeOptions(
        qos=subscription.qos,
        noLocal=subscription.no_local,
        retainAsPublished=subscription.retain_as_published,
        retainHandling=subscription.retain_handling,
    )


def subscribe_properties(subscription: Subscribe) -> Properties | None:
    if subscription.identifier is None:
        return None
    properties = Properties(PacketTypes.SUBSCRIBE)  # type: ignore[no-untyped-call]
    properties.SubscriptionIdentifier = subscription.identifier
    return properties
