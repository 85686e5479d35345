"""Fuzzing: valid client packets are broken in every way we can think of, against the decoder and a live broker."""
