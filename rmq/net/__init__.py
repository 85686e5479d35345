"""Sockets: one reactor task over a nested epoll, in which every connection is an object and none is a task.

``reactor`` waits and takes turns, ``listener`` accepts, ``connection`` carries one channel over one socket, through the
byte ``layers`` of its listener.
"""
