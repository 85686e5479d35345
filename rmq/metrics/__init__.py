"""What a node counts and how it is called outside.

``counters`` and ``gauges`` hold the numbers (hot), ``keys`` is the one table of their names, ``stats`` reads them,
``cluster_keys`` is the part of it that only members of a cluster have, ``rates`` makes per-second rates of samples,
``histogram`` (hot) has how long things take.
"""
