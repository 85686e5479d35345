"""Plugins from their names in the configuration to running objects.

catalog    names to classes, by dotted path
selection  which plugins a node starts, in what order, with which configuration
manager    start in order, stop in reverse
"""
