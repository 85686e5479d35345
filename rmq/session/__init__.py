"""What the broker knows of one client; plain synchronous Python, compiled in a wheel.

``session`` is what outlives connections, with its ``subscription``s and its ``outbound`` table of ``delivery``s.
``channel`` is one Network Connection as the protocol sees it, with its outbound ``topic_alias``es, under the ``limits``
of its listener, carried by a ``transport``; ``receipts`` tell what is
to happen once a change is kept; ``client_info`` is what hooks and queries are told about it.
"""
