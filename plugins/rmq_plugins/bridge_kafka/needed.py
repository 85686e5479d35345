"""Whether Kafka's client library is installed: it isn't where nobody asked for it."""

from importlib.util import find_spec

from rmq.plugin_api import PluginError


def need_library() -> None:
    """``PluginError`` says what to install."""
    if find_spec("confluent_kafka") is None:
        raise PluginError("Kafka's client library isn't installed: pip install 'rmq[kafka]', or confluent-kafka")
