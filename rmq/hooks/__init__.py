"""Where plugins take part in what the engine does.

``points`` is the one list of hook points with their signatures, ``verdicts`` what a handler may answer, ``chains`` the
ready lists that the engine runs through (hot), ``registry`` puts handlers into them behind a guard, ``async_runner``
runs chains in which a handler waits.
"""
