"""The broker over the wire, clause by clause of MQTT 3.1, 3.1.1 and 5.0."""
