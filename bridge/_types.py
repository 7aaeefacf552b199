"""The vocabulary of ASGI and WSGI and the shapes that Lambda hands over, as types. Imported for type checking only.

Scopes and messages are mappings, as Starlette and others declare them, and not TypedDicts: to a type checker an
application that takes one is not an application that takes the other. https://asgi.readthedocs.io/en/latest/specs/
"""

from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    WSGIApp = WSGIApplication
else:
    WSGIApp = Callable[..., Any]

HeaderPairs = list[tuple[bytes, bytes]]
Address = tuple[str, int]

# A Lambda event is JSON that any client may have written: no field has a type before it was checked.
# At run time any other mapping is accepted too.
Event = dict[str, Any]
Result = dict[str, Any]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Interface = Literal["auto", "asgi", "wsgi"]

# Gets an event that is not an HTTP request, and the Lambda context, and returns the result, or an awaitable of it.
EventFunction = Callable[[Any, Any], Any]

# Gets the `bridge.observation.Observation` of a request, and returns a context manager. The request is answered in its
# block.
TracingHook = Callable[[Any], AbstractContextManager[object]]

LifespanMode = Literal["auto", "on", "off"]
SnapshotMode = Literal["keep-lifespan", "restart-lifespan"]


class Lifespan(Protocol):
    """The interface of a lifespan, as a handler uses it."""

    # The state that startup filled for the requests; None without a lifespan. Each request gets a shallow copy.
    state: dict[str, Any] | None

    async def startup(self) -> None:
        """Run the application's startup. Raises StartupFailed."""

    async def shutdown(self) -> None:
        """Run the application's shutdown, if startup was run. Raises ShutdownFailed."""

    @property
    def is_here(self) -> bool:
        """True if startup ran on the event loop that the caller runs on."""

    @property
    def is_lost(self) -> bool:
        """True if startup ran, but its event loop has ended since, and the application's task with it."""


class Interruptible(Protocol):
    """The interface of an object whose call a signal can end."""

    def interrupt(self, then: Callable[[], None]) -> bool:
        """Cancel the current thread's call, and call `then` after it. Return whether there is a call."""


class Closable(Interruptible, Protocol):
    """The interface of an object that is shut down on SIGTERM."""

    def close_on_sigterm(self) -> None:
        """Shut down if that is possible in a signal handler. Never raises an Exception."""
