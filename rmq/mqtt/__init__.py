"""The MQTT codec and vocabulary: bytes in, packets out, and back; no I/O, no clock, no session.

codes                  numbers of the protocol: packet types, reason codes, property identifiers
errors                 protocol errors, each with its reason code
packets                one plain class a control packet
message                the Application Message, as it is routed, retained and queued
primitives             integers, strings and binary data of the wire
message_properties     reads the properties of a PUBLISH or a will
properties             the one table of MQTT 5 properties; reads those of the other packets; the forwarded block
topics                 topic names and filters: validity, shared subscriptions, the reference matcher
topic_cache            raw topic name -> checked text, bounded
framing                Decoder: the bytes of a connection -> packets
decode_connect         CONNECT of MQTT 3.1, 3.1.1 and 5
decode                 what a client sends after CONNECT, and what both sides send alike
decode_server_packets  what a server sends, for clients
encode                 what a server sends
encode_client_packets  what a client sends
publish_wire           the broker's outbound PUBLISH, encoded once for all receivers
"""
