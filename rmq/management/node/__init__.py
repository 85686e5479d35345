"""One node as a machine and a process: its figures, settings, listeners and plugins, its life.

listeners        listeners as they are shown, and who starts and stops them
alarms           what a person should see to, on and over
evacuation       whether a node is being drained, and how far that is
shared_settings  settings that are changed while nodes run
own_settings     the settings of this node: read, changed
life             this node stopped, or started again
condition        whether this node can serve, what it can do, what its process uses
figures          all figures of this node, for monitoring
history          what was, and who keeps that
host             figures of the machine and of this process
plugins          what is needed from whoever runs the plugins
plugin_configs   what APIs set in the configurations of plugins, on all nodes
hook_figures     what the handlers of plugins cost
stored           what is kept on disk
"""
