"""The plugins that ship with rmq, one folder each; they see rmq.plugin_api and nothing else of the engine.

Nothing is here yet. Later releases bring access control, authentication, bridges and the other plugins.
"""
