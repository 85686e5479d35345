"""Where plugins take part in what the engine does.

points        the one list of hook points
verdicts      what a handler may answer, and what it is asked about
chains        the ready lists that the engine runs through; hot
registry      puts handlers into the chains
guards        the border around each handler: errors, wrong answers, time
usage         what each plugin's handlers cost at each point
background    the queues of asynchronous handlers that are only told
async_runner  runs chains in which a handler waits
"""
