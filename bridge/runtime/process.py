"""The life of the process: init, snapshot, invocations, shutdown.

exit code   0   SIGTERM, and everything ended in order
            1   the init phase failed, or the Runtime API is gone
           64   a hook before the snapshot failed       65   a hook after the restore failed
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

from bridge import __version__
from bridge.errors import ConfigurationError, RuntimeApiError, Terminated
from bridge.init_phase import Runtime, set_runtime
from bridge.runtime.api.connection import Connection, parse_address
from bridge.runtime.api.vocabulary import ACCEPTED, FORBIDDEN, INIT_ERROR, check_reply, error_headers
from bridge.runtime.arguments import USAGE, parse
from bridge.runtime.init_garbage import few_collections
from bridge.runtime.invocations.posting import document_of
from bridge.runtime.loading import ASYNC, HANDLER, classify, load, prepare_path
from bridge.runtime.log.handler import set_up_logging
from bridge.runtime.settings import RuntimeSettings, function, log_settings, runtime_api
from bridge.settings import initialization_type
from bridge.signals import sigterm

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bridge import Handler
    from bridge.runtime.api.extension import Extension
    from bridge.runtime.log.handler import LogOutput

__all__ = ["main"]

logger = logging.getLogger("bridge")

# What `python -m bridge.runtime` ends with outside of Lambda, and for arguments that make no sense there.
USAGE_FAILED = 2

INIT_FAILED = API_GONE = 1


def main(arguments: Sequence[str]) -> int:
    """Serve until the environment ends. The exit code."""
    if arguments[:1] in (["-h"], ["--help"]):
        print(USAGE)
        return 0
    address = runtime_api()
    if not address:
        print(
            f"AWS_LAMBDA_RUNTIME_API is not set: expected to be started by Lambda or an emulator.\n{USAGE}",
            file=sys.stderr,
        )
        return USAGE_FAILED
    output = set_up_logging(**log_settings()._asdict())
    try:
        return _Process(address, output).run(arguments)
    finally:
        output.flush()


class _Process:
    """The runtime client of one process."""

    def __init__(self, address: str, output: LogOutput) -> None:
        self._output = output
        self._address = address
        self._settings: RuntimeSettings
        self._extension: Extension | None = None
        self._is_worker = False
        self._kind: str
        self._target: Any
        # Of the handlers that the function's module makes: its import comes first.
        self._startups: list[Callable[[], None]] = []

    def run(self, arguments: Sequence[str]) -> int:
        with few_collections():
            is_ready = self._runs(lambda: self._initialize(arguments))
        if not is_ready:
            return INIT_FAILED
        if initialization_type() == "snap-start":
            from bridge.runtime.snapshot import snapshot

            exit_code = snapshot(self._connect(), self._report)
            if exit_code:
                return exit_code
        if self._workers == 1:
            return self._serve(self._settings.max_concurrency)
        from bridge.runtime.invocations.workers import run_workers, shares

        return run_workers(shares(self._settings.max_concurrency, self._settings.workers), self._work)

    def _runs(self, step: Callable[[], None]) -> bool:
        """Whether a step of the init phase succeeds; else the error is reported."""
        try:
            step()
        except (KeyboardInterrupt, Terminated):
            raise
        except BaseException as exc:  # SystemExit too: a module that exits when it is imported is no handler
            self._report(exc, INIT_ERROR)
            return False
        return True

    def _initialize(self, arguments: Sequence[str]) -> None:
        self._settings = settings = RuntimeSettings()
        parsed = parse(arguments)
        set_runtime(Runtime(can_stream=True, startups=self._startups))
        if self._wants_extension:
            from bridge.runtime.api.extension import Extension

            self._extension = Extension(self._connect())
            self._extension.announce()
        prepare_path(settings.task_root, settings.runtime_dir)
        if parsed.command is not None:
            from bridge.proxy import Proxy

            self._kind, self._target = HANDLER, Proxy(parsed.command)
        else:
            name = parsed.handler or settings.handler
            self._kind, self._target = classify(load(name), name)
        if self._kind == HANDLER:
            if settings.invoke_mode == "response_stream":
                from bridge.runtime.invocations.targets import import_streams

                import_streams(self._target)
            self._check_workers(self._target)
        set_runtime(Runtime(can_stream=True))
        if self._workers == 1:
            self._start()
        if self._extension is not None:
            self._extension.complete()

    def _start(self) -> None:
        """Run the applications' startup, in the process that serves them."""
        for start in self._startups:
            start()

    def _check_workers(self, handler: Handler) -> None:
        if self._workers > 1 and not handler._runs_in_process:
            raise ConfigurationError(
                f"BRIDGE_WORKERS is {self._settings.workers}, but a web server has processes of its own: expected 1 "
                "with Proxy and BRIDGE_MODE=proxy. Give the server more workers instead."
            )

    @property
    def _workers(self) -> int:
        return min(self._settings.workers, self._settings.max_concurrency)

    @property
    def _wants_extension(self) -> bool:
        mode = self._settings.extension
        return mode == "on" or (mode == "auto" and initialization_type() != "snap-start")

    def _connect(self) -> Connection:
        return Connection(parse_address(self._address), user_agent=f"bridge/{__version__} python/{_python()}")

    def _report(self, exc: BaseException, path: bytes, error_type: str | None = None) -> None:
        """Log an error of the init phase, and post it; what cannot be posted is logged all the same."""
        from bridge.runtime.api.errors import encode_document, error_type_header

        document = document_of(exc)
        self._output.report(document)
        body = encode_document(document)
        headers = error_headers(body, error_type or error_type_header(document["errorType"]))
        try:
            connection = self._connect()
            try:
                reply = connection.request_blocking(b"POST", path, headers, body)
            finally:
                connection.close()
            if reply.status != FORBIDDEN or not self._is_worker:  # of many that fail alike the first one counts
                check_reply(reply, ACCEPTED, "the report of an error")
        except RuntimeApiError as error:
            logger.error("The error could not be reported to Lambda: %s", error)

    def _work(self, slots: int) -> int:
        """In a forked worker: run the startup, and then serve with a share of the slots."""
        self._is_worker = True
        if self._settings.log_socket:
            self._redirect_output(self._settings.log_socket)
        if not self._runs(self._start):
            return INIT_FAILED
        return self._serve(slots)

    def _redirect_output(self, log_socket: str) -> None:
        from bridge.runtime.log.handler import redirect_output

        try:
            redirect_output(log_socket)
        except OSError as exc:
            logger.warning("The log of this worker goes where that of its parent goes: %s: %s", log_socket, exc)

    def _serve(self, slots: int) -> int:
        try:
            if self._kind == HANDLER:
                self._serve_handler(self._target, slots)
            elif self._kind == ASYNC:
                self._serve_async(slots)
            else:
                self._serve_blocking(slots)
        except RuntimeApiError as exc:
            logger.error("%s The process ends.", exc)
            return API_GONE
        except Terminated:
            raise
        except SystemExit as exc:  # Lambda only tells its code
            logger.error("The handler raised %r: the process ends.", exc)
            raise
        finally:
            self._shut_down()
        return 0

    def _shut_down(self) -> None:
        sigterm.ignore()
        if self._kind == HANDLER:
            try:
                self._target.close()
            except Exception as exc:
                logger.error("The application's shutdown failed.", exc_info=exc)
        if self._extension is not None:
            self._extension.close()

    def _serve_handler(self, handler: Handler, slots: int) -> None:
        from bridge.runtime.invocations.targets import HandlerTarget

        streams = self._settings.invoke_mode == "response_stream"
        self._run_slots(handler._run, HandlerTarget(handler, streams=streams), slots)

    def _serve_async(self, slots: int) -> None:
        from bridge._loop import OwnLoop
        from bridge.runtime.invocations.targets import FunctionTarget

        loop = OwnLoop()
        try:
            self._run_slots(loop.run, FunctionTarget(self._target), slots)
        finally:
            loop.close()

    def _run_slots(self, run: Any, target: Any, count: int) -> None:
        from bridge.runtime.invocations.serving import serve
        from bridge.runtime.invocations.slots import Slot

        facts = self._slot_facts
        run(serve([Slot(self._connect(), target, **facts) for _ in range(count)]))

    @property
    def _slot_facts(self) -> dict[str, Any]:
        from bridge.runtime.invocations.answer import Limits
        from bridge.runtime.invocations.watchdog import Watchdog

        settings, output = self._settings, self._output
        limits = Limits(settings.deadline_margin, settings.background_limit, output.report, output.flush, Watchdog())
        return {"limits": limits, "function": function(), "is_alone": settings.max_concurrency == 1}

    def _serve_blocking(self, count: int) -> None:
        from bridge.runtime.invocations.blocking import BlockingSlot
        from bridge.runtime.invocations.serving import Waker, serve_alone, serve_in_threads

        waker = Waker()
        facts = {**self._slot_facts, "block": waker.block if count == 1 else None}
        slots = [BlockingSlot(self._connect(), self._target, **facts) for _ in range(count)]
        try:
            if count == 1:
                serve_alone(slots[0], waker)
            else:
                serve_in_threads(slots, waker)
        finally:
            waker.close()


def _python() -> str:
    return ".".join(map(str, sys.version_info[:3]))
