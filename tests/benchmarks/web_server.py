"""A real uvicorn in a process of its own, for the hop over a socket: `python -m benchmarks.web_server 3 bare`."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import uvicorn

__all__ = ["PARSER", "serving"]

# uvicorn's own rule: httptools where it is installed.
PARSER = "httptools" if find_spec("httptools") else "h11"

_PACKAGE = Path(__file__).resolve().parent


@contextmanager
def serving(app: str) -> Iterator[str]:
    """The URL under which uvicorn serves `app`, a name in `apps`.

    The socket listens before uvicorn starts, so the first request need not wait for it: it queues.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number = listener.fileno()
        command = [sys.executable, "-m", f"{_PACKAGE.name}.web_server", str(number), app]
        server = subprocess.Popen(command, cwd=_PACKAGE.parent, stdin=subprocess.DEVNULL, pass_fds=[number])
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.terminate()
            server.wait(timeout=10)


def _serve(number: int, app: str) -> None:
    """uvicorn's own `--fd` takes every socket for a Unix one, so asyncio leaves Nagle's algorithm on: +40 ms a call."""
    config = uvicorn.Config(f"{_PACKAGE.name}.apps:{app}", log_level="warning", access_log=False)
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=number)])


if __name__ == "__main__":
    _serve(int(sys.argv[1]), sys.argv[2])
