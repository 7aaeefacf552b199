"""Every exception the package raises, named after whose fault it is.

BridgeError
├── ConfigurationError          the settings or the arguments are wrong
├── RunningLoopError            the caller used the sync call inside an event loop
├── ForeignLoopError            the caller used a handler on another loop than the application was started on
├── LoopClosedError             the caller used a handler that was closed
├── EventError                  the Lambda event is at fault
│   ├── UnsupportedEvent        it is not an HTTP request, and must not be passed on as one
│   └── MalformedEvent          it is an HTTP request, but a broken one
├── ApplicationError            the ASGI application is at fault
│   ├── ProtocolError           it broke the ASGI specification
│   │   ├── UnexpectedMessage   a message out of order, unknown, or after the end
│   │   ├── InvalidMessage      a message with a value the specification forbids
│   │   ├── NoResponse          it returned without starting a response
│   │   └── IncompleteResponse  it returned without finishing its response
│   ├── ApplicationCancelled    it ended in a cancellation that did not come from outside
│   └── LifespanError
│       ├── StartupFailed       its startup raised or answered startup.failed
│       └── ShutdownFailed      its shutdown raised or answered shutdown.failed
├── OriginError                 the web server of Proxy is at fault: the client gets a 502
│   ├── OriginNotStarted        it could not be started, ended too early, or was not ready in time
│   ├── OriginUnreachable       no connection to it
│   ├── OriginBroken            it broke off, or did not send an HTTP response
│   ├── OriginTimeout           it had not answered when the invocation's deadline came: a 504
│   └── SnapshotHookFailed      it refused the request before the snapshot or after the restore
├── RuntimeApiError             python -m bridge.runtime and the Lambda Runtime API do not agree
│   ├── RuntimeApiGone          the connection to it is lost: the process ends
│   └── RuntimeApiRefused       it refused a request that the process depends on
├── HandlerNotLoaded            the function's module cannot be imported, or has no handler
├── InvocationFailed            one invocation of python -m bridge.runtime has no result
│   ├── EventNotDecoded         its event is not JSON
│   ├── ContextNotDecoded       its context headers are not JSON
│   ├── ResultNotEncoded        the handler function returned a value that JSON lacks
│   ├── ResultTooLarge          the result is larger than Lambda accepts
│   └── DeadlineExceeded        there was no result before the deadline
├── EventFailed                 the application has not accepted an event that is not an HTTP request
└── ErrorStatus                 the response has a status that is configured to fail the invocation

SystemExit
├── OriginLost                  the web server of Proxy ended a second time: Lambda replaces the environment
└── Terminated                  SIGTERM arrived, and the application is shut down

OSError
└── ClientDisconnected          raised in the application, by send(), after the reader has left
"""

__all__ = [
    "ApplicationCancelled",
    "ApplicationError",
    "BridgeError",
    "ClientDisconnected",
    "ConfigurationError",
    "ContextNotDecoded",
    "DeadlineExceeded",
    "ErrorStatus",
    "EventError",
    "EventFailed",
    "EventNotDecoded",
    "ForeignLoopError",
    "HandlerNotLoaded",
    "IncompleteResponse",
    "InvalidMessage",
    "InvocationFailed",
    "LifespanError",
    "LoopClosedError",
    "MalformedEvent",
    "NoResponse",
    "OriginBroken",
    "OriginError",
    "OriginLost",
    "OriginNotStarted",
    "OriginTimeout",
    "OriginUnreachable",
    "ProtocolError",
    "ResultNotEncoded",
    "ResultTooLarge",
    "RunningLoopError",
    "RuntimeApiError",
    "RuntimeApiGone",
    "RuntimeApiRefused",
    "ShutdownFailed",
    "SnapshotHookFailed",
    "StartupFailed",
    "Terminated",
    "UnexpectedMessage",
    "UnsupportedEvent",
]


class BridgeError(Exception):
    """The base of every exception that this package raises."""


class ConfigurationError(BridgeError):
    """Raised at construction when a setting or an argument is invalid."""


class RunningLoopError(BridgeError):
    """Raised when the synchronous call is made inside a running event loop, or in a thread of a call under way."""

    def __init__(
        self,
        call: str = "handler(event, context)",
        where: str = "inside a running event loop, where it would block the loop",
        advice: str = "Use 'await handler.handle(event, context)' there.",
    ) -> None:
        super().__init__(f"{call} was called {where}. {advice}")


class LoopClosedError(BridgeError):
    """Raised when a handler is called after its close()."""

    def __init__(self) -> None:
        super().__init__("The handler was closed: make a new one to go on serving.")


class ForeignLoopError(BridgeError):
    """Raised when a handler is used on another event loop than the application was started on.

    `advice`: what to do instead.
    """

    def __init__(self, advice: str) -> None:
        super().__init__(
            f"The application was started on another event loop, and what it opened belongs to that loop. {advice}"
        )


class EventError(BridgeError):
    """The base of the errors that a Lambda event causes."""


class UnsupportedEvent(EventError):
    """Raised when an event is neither an HTTP request that any source knows, nor one that may be passed on as one."""


class MalformedEvent(EventError):
    """Raised when an HTTP event cannot be turned into a request.

    `status_code` is the answer for the client: 400, 413 for a body that AWS cut short, 501 for CONNECT.
    """

    def __init__(self, message: str, *, status_code: int = 400) -> None:
        super().__init__(message)
        self.status_code = status_code


class ApplicationError(BridgeError):
    """The base of the errors that the ASGI application causes."""


class ProtocolError(ApplicationError):
    """The base of the errors for an application that breaks the ASGI specification."""


class UnexpectedMessage(ProtocolError):
    """Raised when the application sends a message that is not allowed at that point."""

    def __init__(self, *, expected: str, actual: object) -> None:
        super().__init__(f"Expected the ASGI application to send {expected}, but got {actual!r:.200}.")


class InvalidMessage(ProtocolError):
    """Raised when a message of the application carries a value the ASGI specification forbids, or too much body."""


class NoResponse(ProtocolError):
    """Raised when the application returns without starting a response."""

    def __init__(self, expected: str = "the ASGI application to send 'http.response.start'") -> None:
        super().__init__(f"Expected {expected}, but it returned without a response.")


class IncompleteResponse(ProtocolError):
    """Raised when the application returns without finishing the response it started."""

    def __init__(self) -> None:
        super().__init__(
            "Expected the ASGI application to send 'http.response.body' with 'more_body' false, "
            "but it returned without completing its response."
        )


class ApplicationCancelled(ApplicationError):
    """Raised when the application ends in a cancellation that came neither from the reader nor from the loop."""

    def __init__(self) -> None:
        super().__init__("The ASGI application ended in a cancellation that did not come from outside.")


class LifespanError(ApplicationError):
    """The base of the errors in the application's startup and shutdown."""


class StartupFailed(LifespanError):
    """Raised when the application's startup failed; `__cause__` is the application's own exception, if any."""


class ShutdownFailed(LifespanError):
    """Raised when the application's shutdown failed; `__cause__` is the application's own exception, if any."""


class OriginError(BridgeError):
    """The base of the errors of Proxy's web server. `status_code` is the answer for the client."""

    status_code = 502


class OriginNotStarted(OriginError):
    """Raised when the web server could not be started, ended before it was ready, or was not ready in time."""


class OriginUnreachable(OriginError):
    """Raised when there is no connection to the web server."""


class OriginBroken(OriginError):
    """Raised when the web server breaks off, or does not send an HTTP response."""


class OriginTimeout(OriginError):
    """Raised when the web server has not answered and the invocation's deadline is near."""

    status_code = 504


class SnapshotHookFailed(OriginError):
    """Raised when the web server does not answer 2xx before a snapshot or after a restore."""


class OriginLost(SystemExit):
    """Raised when the web server has ended for the second time: a new environment is better than a third one."""


class Terminated(SystemExit):
    """Raised in the main thread after SIGTERM, when the application is shut down: the process must end."""


class RuntimeApiError(BridgeError):
    """The base of the errors between `python -m bridge.runtime` and the Lambda Runtime API."""


class RuntimeApiGone(RuntimeApiError):
    """Raised when there is no connection to the Runtime API: Lambda has ended this environment."""


class RuntimeApiRefused(RuntimeApiError):
    """Raised when the Runtime API refuses a request that the process depends on, such as for the next invocation."""


class HandlerNotLoaded(BridgeError):
    """Raised when the function's module cannot be imported, or has no handler.

    `error_type`: Lambda's name for it.
    """

    def __init__(self, message: str, *, error_type: str) -> None:
        super().__init__(message)
        self.error_type = error_type


class InvocationFailed(BridgeError):
    """The base of the errors that leave one invocation without a result. `error_type`: its name for the invoker."""

    error_type: str


class EventNotDecoded(InvocationFailed):
    """Raised when the event of an invocation is not JSON."""

    error_type = "Runtime.UnmarshalError"


class ContextNotDecoded(InvocationFailed):
    """Raised when the client context or the identity of an invocation is not a JSON object."""

    error_type = "Runtime.LambdaContextUnmarshalError"


class ResultNotEncoded(InvocationFailed):
    """Raised when a handler function returned a value that JSON lacks."""

    error_type = "Runtime.MarshalError"


class ResultTooLarge(InvocationFailed):
    """Raised when a result is larger than Lambda accepts."""

    error_type = "Function.ResponseSizeTooLarge"


class DeadlineExceeded(InvocationFailed):
    """Raised when an invocation has no result and its deadline is near."""

    error_type = "Function.DeadlineExceeded"


class EventFailed(BridgeError):
    """Raised when the application's answer to an event that is not an HTTP request is outside 2xx, or is not JSON."""


class ErrorStatus(BridgeError):
    """Raised when a response has a status that is configured to fail the invocation.

    Its text is JSON: statusCode and body.
    """


class ClientDisconnected(OSError):
    """Raised by `send()` in the application after the reader has left (ASGI HTTP spec 2.4)."""
