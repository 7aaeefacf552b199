"""The life of the process: init, snapshot, invocations, shutdown.

exit code   0   SIGTERM, and everything ended in order
            1   the init phase failed, the Runtime API is gone, or the application has cancelled the runtime
           64   a hook before the snapshot failed       65   a hook after the restore failed
"""

from __future__ import annotations

import asyncio
import logging
import math
import sys
from typing import TYPE_CHECKING, Any

from bridge import __version__
from bridge.errors import ConfigurationError, RuntimeApiError, Terminated
from bridge.init_phase import Runtime, is_function_process, set_runtime
from bridge.runtime.api.connection import Connection, parse_address
from bridge.runtime.api.vocabulary import FORBIDDEN, INIT_ERROR, check_reply, error_headers
from bridge.runtime.arguments import USAGE, parse
from bridge.runtime.init_garbage import few_collections
from bridge.runtime.invocations.waker import succeeds
from bridge.runtime.loading import HANDLER, classify, load, prepare_path
from bridge.runtime.log.handler import set_up_logging
from bridge.runtime.settings import RuntimeSettings, StartSettings
from bridge.settings import initialization_type, set_handler_name, warn_of_unknown_variables
from bridge.signals import sigterm

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bridge import Handler
    from bridge.runtime.api.extension import Extension
    from bridge.runtime.arguments import Arguments
    from bridge.runtime.loading import Kind
    from bridge.runtime.log.handler import LogOutput

__all__ = ["main"]

logger = logging.getLogger("bridge")

# The exit code outside of Lambda.
USAGE_FAILED = 2

INIT_FAILED = API_GONE = CANCELLED = 1


def main(arguments: Sequence[str]) -> int:
    """Serve until the environment ends, and return the exit code."""
    if arguments[:1] in (["-h"], ["--help"]):
        print(USAGE)
        return 0
    settings = StartSettings()
    if not settings.runtime_api:
        print(
            f"AWS_LAMBDA_RUNTIME_API is not set: expected to be started by Lambda or an emulator.\n{USAGE}",
            file=sys.stderr,
        )
        return USAGE_FAILED
    output = set_up_logging(
        log_format=settings.log_format, log_level=settings.log_level, telemetry_fd=settings.telemetry_fd
    )
    try:
        return _Process(settings, output).run(arguments)
    finally:
        output.flush()


class _Process:
    """The runtime client of one process."""

    def __init__(self, start: StartSettings, output: LogOutput) -> None:
        self._output = output
        self._api = start.runtime_api
        self._address = start.runtime_api_proxy or start.runtime_api
        self._settings: RuntimeSettings
        self._extension: Extension | None = None
        self._is_worker = False
        self._kind: Kind
        self._target: Any
        # The startups of the handlers that the function's module makes: they run after its import.
        self._startups: list[Callable[[], None]] = []

    def run(self, arguments: Sequence[str]) -> int:
        with few_collections():
            is_ready = self._runs(lambda: self._initialize(arguments))
        if not is_ready:
            return INIT_FAILED
        if initialization_type() == "snap-start":
            exit_code = self._take_snapshot()
            if exit_code:
                return exit_code
        if self._workers == 1:
            return self._serve(self._settings.max_concurrency)
        from bridge.runtime.invocations.workers import run_workers, shares

        return run_workers(shares(self._settings.max_concurrency, self._settings.workers), self._work)

    def _runs(self, step: Callable[[], None]) -> bool:
        """Run a step of the init phase and report its error. Return whether it succeeded."""
        return succeeds(step, lambda exc: self._report(exc, INIT_ERROR))

    def _initialize(self, arguments: Sequence[str]) -> None:
        warn_of_unknown_variables()  # a plain handler function makes no Handler, which does it too
        self._settings = settings = RuntimeSettings()
        parsed = parse(arguments)
        is_function_process()  # recorded before the function's module is imported, which may start helper processes
        set_runtime(self._features(self._startups))
        if self._wants_extension:
            from bridge.runtime.api.extension import Extension

            self._extension = Extension(self._connect(self._api))
            self._extension.register()
        prepare_path(settings.task_root, settings.runtime_dir)
        self._kind, self._target = self._load(parsed)
        if self._kind == HANDLER:
            if settings.invoke_mode == "response_stream":
                from bridge.runtime.invocations.targets import import_streams

                import_streams(self._target)
            self._check_workers(self._target)
        elif settings.invoke_mode == "response_stream":
            logger.warning(
                "AWS_LWA_INVOKE_MODE is 'response_stream', but the handler is a function, which cannot stream: clients "
                "of a streaming Function URL get its result as JSON. A Bridge in a decorator is a function, too."
            )
        set_runtime(self._features(None))
        if self._workers == 1:
            self._start()

    def _load(self, arguments: Arguments) -> tuple[Kind, Any]:
        if arguments.command is not None:
            from bridge.proxy import Proxy

            return HANDLER, Proxy(arguments.command)
        if arguments.handler:
            set_handler_name(arguments.handler)  # BRIDGE_MODE=proxy looks for the application there
        name = arguments.handler or self._settings.handler
        return classify(load(name), name)

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

    def _features(self, startups: list[Callable[[], None]] | None) -> Runtime:
        slots = math.ceil(self._settings.max_concurrency / self._workers)
        return Runtime(can_stream=True, startups=startups, new_loop=self._new_loop, slots=slots, workers=self._workers)

    @property
    def _new_loop(self) -> Callable[[], asyncio.AbstractEventLoop]:
        if self._settings.max_concurrency == 1:
            return asyncio.new_event_loop
        from bridge.runtime.invocations.executor import new_loop

        return new_loop

    @property
    def _wants_extension(self) -> bool:
        mode = self._settings.extension
        return mode == "on" or (mode == "auto" and initialization_type() != "snap-start")

    def _connect(self, address: str = "") -> Connection:
        return Connection(
            parse_address(address or self._address), user_agent=f"bridge/{__version__} python/{_python()}"
        )

    def _report(self, exc: BaseException, path: bytes, error_type: str | None = None) -> None:
        """Log an error of the init phase, and post it to the API. An error that cannot be posted is logged too."""
        from bridge.runtime.api.errors import encode_document, error_document, error_type_header

        document = error_document(exc)
        self._output.report(document)
        body = encode_document(document)
        headers = error_headers(body, error_type or error_type_header(document["errorType"]))
        try:
            connection = self._connect()
            try:
                reply = connection.request_blocking(b"POST", path, headers, body)
            finally:
                connection.close()
            if reply.status != FORBIDDEN or not self._is_worker:  # the first of several workers that fail counts
                check_reply(reply, "the report of an error")
        except RuntimeApiError as error:
            logger.error("The error could not be reported to Lambda: %s", error)

    def _take_snapshot(self) -> int:
        """Wait for the restore, and return the exit code; 0 to go on."""
        from bridge.runtime.snapshot import snapshot

        try:
            return snapshot(self._connect(), self._report)
        except SystemExit:  # after SIGTERM
            self._shut_down()
            raise

    def _work(self, slots: int) -> int:
        """Run the startup in a forked worker, and then serve with a share of the slots."""
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
            logger.warning("The log of this worker goes to the log of its parent: %s: %s", log_socket, exc)

    def _serve(self, slots: int) -> int:
        """Answer invocations until the environment ends, and return the exit code."""
        from bridge.runtime.service import Service

        sigterm.check()
        try:
            Service(self._settings, self._output, self._connect).serve(self._kind, self._target, slots)
        except RuntimeApiError as exc:
            logger.error("%s The process ends.", exc)
            return API_GONE
        except asyncio.CancelledError:
            logger.error(
                "Expected the application to cancel its own tasks alone, but it has cancelled those of the runtime, "
                "too. The process ends."
            )
            return CANCELLED
        except Terminated:
            raise
        except SystemExit as exc:
            if not sigterm.is_cause_of(exc):  # Lambda's own error has the code alone
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


def _python() -> str:
    return ".".join(map(str, sys.version_info[:3]))
