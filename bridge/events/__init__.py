"""Events that are not HTTP requests: how they reach the application, and how its answer becomes the result.

An event of a queue, a stream, a schedule or any other invoker is the body of a POST to one path of the application, or
the argument of a function. It is imported with the first of these events.
"""

from bridge.events.source import Events

__all__ = ["Events"]
