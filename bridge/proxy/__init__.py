"""The fallback: a handler that forwards events over a socket to a web server on the same machine."""

from bridge.proxy.handler import Proxy

__all__ = ["Proxy"]
