"""Frozen nouns. No I/O, no clock, no environment."""
