"""What the two dialects of NanoMQ have in common: it is one server, whose two documents share codes and configuration.

Dialects don't know each other, and the core knows none; so what both of these say stands here, and only they import it.

codes          the result codes, and everything that goes wrong in them
answers        answers with a result code, long ones piece by piece
settings       NanoMQ's configuration keys and ours, one table read both ways
configuration  the configuration as NanoMQ has it: told and changed
shapes         what the configuration looks like
figures        figures that are counted in another way than ours
"""
