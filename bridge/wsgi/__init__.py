"""The call of a WSGI application (PEP 3333) in this process. Nothing here depends on Lambda."""

from bridge.wsgi.transport import WSGITransport

__all__ = ["WSGITransport"]
