"""Plugins from their names in the configuration to running objects.

catalog     names to classes, from entry points and by dotted path
selection   which plugins a node starts, in what order, with which configuration, and what may be loaded later
running     one plugin from its start to the end of its tasks
operations  loading, unloading and reloading, one at a time
manager     start in order, stop in reverse, operations while the node runs
own_code    the package that a plugin's code is, imported anew or left as it was
development  plugins reloaded when their files change, for those who write them
"""
