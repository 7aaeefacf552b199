"""The Lambda Runtime API on the wire."""
