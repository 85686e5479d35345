"""Sockets: one reactor task over a nested epoll, in which every connection is an object and none is a task.

reactor           waits for all sockets at once and takes turns
listener          accepts connections, and knows how they begin and end
listening_socket  the socket behind it, on an address or a path
descriptors       how many descriptors connections may take
own_clients       the door for the node's own clients, without an address
listener_timers   accept again, read again, the time a proxy has for its header
layer_stack       which layers the connections of a listener get
inbound_rates     how fast bytes, messages and connections may come in
read_queue        connections that wait for their listener's rate
connection        carries one channel over one socket; hot: it moves every byte
connection_owner  what a connection asks of those who made and drive it; hot
turns             serves the sockets that are ready, and sends what was written; hot
layers            byte layers between the two, as a type; hot
proxy_protocol    the layer that takes a proxy's word for the client's address
certificate_end   when a certificate ends
tls               the TLS layer, and names in client certificates
websocket         the WebSocket layer
websocket_frames  frames as a stream of bytes; hot
byte_socket       what a connection needs of its socket, as a type
"""
