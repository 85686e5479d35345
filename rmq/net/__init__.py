"""Sockets: one reactor task over a nested epoll, in which every connection is an object and none is a task.

reactor      waits for all sockets at once and takes turns
listener     accepts connections, and knows how they begin and end
connection   carries one channel over one socket; hot: it moves every byte
layers       byte layers between the two, such as TLS; hot
byte_socket  what a connection needs of its socket, as a type
"""
