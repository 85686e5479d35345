"""What becomes of a record that Kafka is sent."""

from typing import Final

DELIVERED: Final = 0
REFUSED: Final = 1  # the record itself isn't wanted: it won't be another time
NO_TOPIC: Final = 2  # the topic or partition isn't there, or isn't ours to write to
FAILED: Final = 3  # to be tried again
