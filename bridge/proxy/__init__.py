"""The fallback: a handler that forwards events over a socket to a web server on the same machine."""
