"""A real uvicorn in a process of its own, for the hop over a socket: `python -m benchmarks.web_server bare 3 4`."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import uvicorn

__all__ = ["PARSER", "Served", "serving"]

# uvicorn's own rule: httptools where it is installed.
PARSER = "httptools" if find_spec("httptools") else "h11"

_PACKAGE = Path(__file__).resolve().parent


class Served(NamedTuple):
    """The two ways to the one process. `uds`: the path of its UNIX socket."""

    url: str
    uds: str


@contextmanager
def serving(app: str) -> Iterator[Served]:
    """Serve `app`, a name in `apps`, with uvicorn, and yield its address.

    The sockets listen before uvicorn starts, so the first request need not wait for it: it queues.
    """
    with ExitStack() as stack:
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        path = str(Path(stack.enter_context(TemporaryDirectory()), "uvicorn.sock"))
        unix = stack.enter_context(socket.socket(socket.AF_UNIX))
        unix.bind(path)
        unix.listen()
        numbers = [tcp.fileno(), unix.fileno()]
        command = [sys.executable, "-m", f"{_PACKAGE.name}.web_server", app, *map(str, numbers)]
        server = subprocess.Popen(command, cwd=_PACKAGE.parent, stdin=subprocess.DEVNULL, pass_fds=numbers)
        try:
            yield Served(f"http://127.0.0.1:{tcp.getsockname()[1]}", path)
        finally:
            server.terminate()
            server.wait(timeout=10)


def _serve(app: str, numbers: list[int]) -> None:
    """Run uvicorn on a socket. Its own `--fd` would leave Nagle's algorithm on: 40 ms more for each call."""
    config = uvicorn.Config(f"{_PACKAGE.name}.apps:{app}", log_level="warning", access_log=False)
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=number) for number in numbers])


if __name__ == "__main__":
    _serve(sys.argv[1], [int(number) for number in sys.argv[2:]])
