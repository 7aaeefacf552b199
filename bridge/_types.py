"""The ASGI vocabulary and the shapes that Lambda hands over, as types. Imported for type checking only.

Scopes and messages are mappings, as Starlette and others declare them, and not TypedDicts: to a type checker an
application that takes one is not an application that takes the other. https://asgi.readthedocs.io/en/latest/specs/
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Literal

HeaderPairs = list[tuple[bytes, bytes]]
Address = tuple[str, int]

# A Lambda event is JSON that a stranger may have written: nothing in it has a type before it was looked at.
Event = dict[str, Any]
Result = dict[str, Any]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

LifespanMode = Literal["auto", "on", "off"]
