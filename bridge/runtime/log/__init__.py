"""The log: its handler, its formats and its destinations."""
