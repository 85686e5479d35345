"""One node's broker: everything that isn't on the hot path.

``broker`` owns the state and the tables. ``gate`` leads each call of the hot path to the function that does the work:
``connect`` and ``enhanced_auth``, ``subscribe``, ``publish_later`` (hooks that wait), ``disconnect``, ``session_end``,
``wills``. ``timers`` is the wheel; ``connection_timers``, ``session_timers``, ``retained_expiry`` and ``rate_wait`` are
what turns in it. ``client_registry`` knows who is connected. ``ports`` is what a cluster provides, ``solo`` its stand-in
for a node alone.
"""
