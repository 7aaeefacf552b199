"""A server that closes each connection some milliseconds after its answer: just when the next request comes."""

import os
import random
import select
import socket
import threading
from contextlib import suppress

# When it closes, in seconds after an answer.
EARLIEST, LATEST = 0.018, 0.022

_log = os.open(os.environ["FREEZES_LOG"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def serve(connection: socket.socket) -> None:
    """Act on each request as soon as its head is here."""
    body = str(os.getpid()).encode()
    with connection, connection.makefile("rb") as stream, suppress(OSError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while line := stream.readline():
            length = 0
            while (header := stream.readline().lower()).strip():
                if header.startswith(b"content-length:"):
                    length = int(header.partition(b":")[2])
            os.write(_log, line.split(b" ")[1].lstrip(b"/") + b"\n")
            stream.read(length)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            if not select.select([connection], [], [], random.uniform(EARLIEST, LATEST))[0]:
                return


def main() -> None:
    with socket.create_server(("127.0.0.1", int(os.environ["PORT"])), backlog=200) as listener:
        while True:
            threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()


if __name__ == "__main__":
    main()
