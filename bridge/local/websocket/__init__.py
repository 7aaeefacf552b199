"""A WebSocket API in front of the function: connections, their events, and the management API.

`protocol` is what the web server uses for a connection's bytes, whose `frames` it checks. `application` has what comes
in on the port: a handshake becomes a `connection`, a request goes to `management`. `front` invokes the function.
"""
