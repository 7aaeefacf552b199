"""The service of a handler with slots, each with a connection of its own: on an event loop, or in threads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bridge.init_phase import current_runtime
from bridge.runtime.context import Function
from bridge.runtime.invocations.deadline import Limits
from bridge.runtime.invocations.polling import Means
from bridge.runtime.loading import ASYNC, HANDLER
from bridge.runtime.log.ids import LogIds, set_only_invocation
from bridge.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.runtime.api.connection import Connection
    from bridge.runtime.loading import Kind
    from bridge.runtime.log.handler import LogOutput
    from bridge.runtime.settings import RuntimeSettings

__all__ = ["Service"]


class Service(NamedTuple):
    """Everything that the slots of one process share. `connect`: makes a connection to the Runtime API."""

    settings: RuntimeSettings
    output: LogOutput
    connect: Callable[[], Connection]

    def serve(self, kind: Kind, target: Any, slots: int) -> None:
        """Answer invocations until SIGTERM. Raises RuntimeApiGone, RuntimeApiRefused, SystemExit and Terminated."""
        try:
            if kind == HANDLER:
                self._serve_handler(target, slots)
            elif kind == ASYNC:
                self._serve_async(target, slots)
            else:
                self._serve_blocking(target, slots)
        finally:
            set_only_invocation(LogIds())

    def _serve_handler(self, handler: Any, slots: int) -> None:
        from bridge.runtime.invocations.targets import HandlerTarget

        streams = self.settings.invoke_mode == "response_stream"
        self._serve_on_loop(handler._run, HandlerTarget(handler, streams=streams), slots)

    def _serve_async(self, function: Any, slots: int) -> None:
        from bridge._loop import OwnLoop
        from bridge.runtime.invocations.targets import FunctionTarget

        loop = OwnLoop(current_runtime().new_loop)
        try:
            self._serve_on_loop(loop.run, FunctionTarget(function), slots)
        finally:
            loop.close()

    def _serve_on_loop(self, run: Any, target: Any, slots: int) -> None:
        from bridge.runtime.invocations.serving import serve
        from bridge.runtime.invocations.slots import Slot

        run(serve([Slot(target, means) for means in self._means(slots)]))

    def _serve_blocking(self, function: Any, slots: int) -> None:
        from bridge.runtime.invocations.blocking import BlockingSlot
        from bridge.runtime.invocations.serving import serve_alone, serve_in_threads
        from bridge.runtime.invocations.waker import Waker

        waker = Waker()
        made = [BlockingSlot(function, means) for means in self._means(slots)]
        try:
            if slots == 1:
                serve_alone(made[0], waker)
            else:
                serve_in_threads(made, waker)
        finally:
            waker.close()

    def _means(self, slots: int) -> list[Means]:
        limits = Limits(self.settings.deadline_margin, self.settings.background_limit)
        shared = (Function(), limits, self.output, Watchdog(), slots == 1)
        return [Means(self.connect(), *shared) for _ in range(slots)]
