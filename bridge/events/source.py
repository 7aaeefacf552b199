"""The source of events that are not HTTP requests. It comes after all others, and its result is any JSON value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from bridge._messages import CompleteResponse, PassedEvent, request_line
from bridge.errors import UnsupportedEvent
from bridge.events.batch import answer_records, records_of
from bridge.events.function import call, request_of
from bridge.events.pass_through import DEFAULT_PATH, post, request_to
from bridge.events.warm_up import is_warm_up
from bridge.init_phase import current_runtime
from bridge.sources._event_fields import event_kind
from bridge.sources._size import MAX_RESULT, check_size
from bridge.sources._unsupported import describe, must_not_pass

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from bridge._httpx import httpx
    from bridge._types import Event, EventFunction
    from bridge.settings import Settings

__all__ = ["Events"]


class Events:
    """A source that matches every event but those whose answer must not be guessed.

    `on_event`: gets the events in place of the application; None for a POST to the application.
    """

    name = "event"

    def __init__(self, settings: Settings, on_event: EventFunction | None) -> None:
        self._settings = settings
        self._on_event = on_event

    def matches(self, event: Event) -> bool:
        """Return whether `event` may reach the application."""
        return not must_not_pass(event)

    def checked(self, event: Event) -> Self:
        """Return this source. Raise UnsupportedEvent if `event` must not reach the application."""
        if self.matches(event):
            return self
        raise UnsupportedEvent(describe(event))

    def decode(self, event: Event, settings: Settings) -> PassedEvent:
        """Return the request for the event, still without the event in its body. Its scope gets the event."""
        if self._on_event is not None:
            request = request_of(self._on_event)
        else:
            request = request_to(settings.pass_through_path or DEFAULT_PATH)
        request.service = event_kind(event)
        return request

    def describe(self, event: Event, settings: Settings) -> str:
        """Return the request, or the function, and the service that sent the event, for a log line."""
        return request_line(self.decode(event, settings))

    def encode(self, response: CompleteResponse, event: Event, settings: Settings) -> Any:
        """Return the value in a response that `respond` has made. Raise ResultTooLarge."""
        assert isinstance(response, _Answered)
        if not current_runtime().can_stream:  # our own runtime measures every result itself
            check_size(current_runtime().result_size(response.value), MAX_RESULT)
        return response.value

    async def respond(self, transport: httpx.AsyncBaseTransport, request: PassedEvent) -> CompleteResponse:
        """Give the event in the scope of `request` to the application or the function, and return its answer.

        Raise EventFailed, ErrorStatus, UnsupportedEvent for an event that JSON lacks, and what the application, the
        function or the transport raises.
        """
        scope = request.extensions["asgi"]

        def send(event: Event) -> Awaitable[Any]:
            if self._on_event is not None:
                return call(self._on_event, event, scope["aws.context"])
            return post(event, request, transport, self._settings)

        event = scope["aws.event"]
        if self._on_event is None and is_warm_up(event):
            return _Answered(None)
        batch = records_of(event) if self._settings.batch == "per-record" else None
        if batch is None:
            return _Answered(await send(event))
        return _Answered(await answer_records(request, batch, send, self._settings.batch_concurrency))


class _Answered(CompleteResponse):
    """The answer to an event. `value`: the result of the invocation."""

    def __init__(self, value: Any) -> None:
        super().__init__(200, [], b"")
        self.value = value
