"""A local gateway in a thread: real environments, real sockets, and its records."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from bridge.local.invocation import Invocation
from bridge.local.run import GatewayServer, Listener
from bridge.local.settings import AnySource, FunctionSettings, SourceSettings
from bridge.testing.services import ServiceName

__all__ = ["RunningGateway"]

FUNCTIONS = Path(__file__).parent / "functions"
LIMIT = 30.0

T = TypeVar("T")


class RunningGateway:
    """A gateway for a function in `functions/`, from entering the `with` block to leaving it."""

    def __init__(
        self,
        target: str,
        *sources: ServiceName | AnySource,
        environ: Mapping[str, str] | None = None,
        folder: Path = FUNCTIONS,
        reloads: bool = False,
        **options: Any,
    ) -> None:
        settings = [SourceSettings(name=each) if isinstance(each, str) else each for each in sources]
        function = FunctionSettings(
            target=target, folder=str(folder), environ={"PYTHONDONTWRITEBYTECODE": "1", **(environ or {})}, **options
        )
        self.reloads = 0
        self._runs = threading.Event()
        self._changed = threading.Condition()
        listener = Listener(started=self._started, answered=self._answered, reloaded=self._reloaded)
        self._server = GatewayServer(
            function, settings or [SourceSettings(name="function-url")], listener, reloads=reloads
        )
        self.gateway = self._server.gateway
        self._thread = threading.Thread(target=lambda: asyncio.run(self._server.serve()), name="gateway")

    def _started(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._runs.set()

    def _answered(self, invocation: Invocation) -> None:
        with self._changed:
            self._changed.notify_all()

    def _reloaded(self, paths: object) -> None:
        with self._changed:
            self.reloads += 1
            self._changed.notify_all()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._runs.wait(LIMIT)
        self.client = httpx.Client(timeout=LIMIT, trust_env=False)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.client.close()
        self._server.stop()
        self._thread.join(LIMIT)
        assert not self._thread.is_alive()

    def url(self, path: str = "", source: int = 0) -> str:
        return f"http://127.0.0.1:{self.gateway.sources[source].port}{path}"

    def get(self, path: str, source: int = 0) -> httpx.Response:
        return self.client.get(self.url(path, source))

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the gateway's event loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(LIMIT)

    def wait_for(self, holds: Callable[[], bool]) -> None:
        """Wait until `holds` is true: looked at after each change of an invocation. Raises TimeoutError."""

        async def wait() -> None:
            async with asyncio.timeout(LIMIT):
                while not holds():  # noqa: ASYNC110
                    await asyncio.sleep(0.01)

        self.run(wait())

    def record(self, index: int = 0) -> Invocation:
        """Return the record of the newest invocation, or of an older one, when all of it is over."""
        found = list(self.gateway.history)[index]
        self.wait_for(lambda: found.status == "done")
        return found

    def logged(self, index: int = 0) -> list[str]:
        return [line.text for line in self.record(index).logs]
