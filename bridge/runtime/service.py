"""The service of a handler with slots, each with a connection of its own: on an event loop, or in threads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bridge.runtime.context import Function
from bridge.runtime.invocations.watchdog import Watchdog
from bridge.runtime.loading import ASYNC, HANDLER

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
        if kind == HANDLER:
            from bridge.runtime.invocations.targets import HandlerTarget

            streams = self.settings.invoke_mode == "response_stream"
            self._serve_on_loop(target._run, HandlerTarget(target, streams=streams), slots)
        elif kind == ASYNC:
            self._serve_async(target, slots)
        else:
            self._serve_blocking(target, slots)

    def _serve_async(self, function: Any, slots: int) -> None:
        from bridge._loop import OwnLoop
        from bridge.runtime.invocations.targets import FunctionTarget

        loop = OwnLoop()
        try:
            self._serve_on_loop(loop.run, FunctionTarget(function), slots)
        finally:
            loop.close()

    def _serve_on_loop(self, run: Any, target: Any, slots: int) -> None:
        from bridge.runtime.invocations.answer import Means
        from bridge.runtime.invocations.deadline import Limits
        from bridge.runtime.invocations.serving import serve
        from bridge.runtime.invocations.slots import Slot

        limits = Limits(self.settings.deadline_margin, self.settings.background_limit)
        function, watchdog = Function(), Watchdog()
        means = [Means(self.connect(), target, limits, self.output, watchdog) for _ in range(slots)]
        run(serve([Slot(each, function=function, is_alone=self._is_alone) for each in means]))

    def _serve_blocking(self, function: Any, slots: int) -> None:
        from bridge.runtime.invocations.blocking import BlockingSlot
        from bridge.runtime.invocations.serving import serve_alone, serve_in_threads
        from bridge.runtime.invocations.waker import Waker

        waker = Waker()
        facts: dict[str, Any] = {
            "margin": self.settings.deadline_margin,
            "output": self.output,
            "watchdog": Watchdog(),
            "function": Function(),
            "block": waker.block if slots == 1 else None,
            "is_alone": self._is_alone,
        }
        made = [BlockingSlot(self.connect(), function, **facts) for _ in range(slots)]
        try:
            if slots == 1:
                serve_alone(made[0], waker)
            else:
                serve_in_threads(made, waker)
        finally:
            waker.close()

    @property
    def _is_alone(self) -> bool:
        """True if there is one invocation at a time in the whole environment, workers included."""
        return self.settings.max_concurrency == 1
