"""The log: its handler, its formats, and where its lines go."""
